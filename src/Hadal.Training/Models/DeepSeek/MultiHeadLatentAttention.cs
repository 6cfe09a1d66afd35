using Hadal.Checkpoints.Config;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>Which positions attention reads and what the lightning indexer learns.</summary>
public enum AttentionMode
{
    /// <summary>All earlier positions; the indexer is not evaluated.</summary>
    Dense,

    /// <summary>All earlier positions, and the indexer learns to predict where attention looks (dense warm-up).</summary>
    IndexerWarmUp,

    /// <summary>The positions the indexer selects; it goes on learning on those (sparse stage).</summary>
    Sparse,
}

/// <summary>Multi-head latent attention in its expanded form, with the lightning indexer where the config has one.</summary>
/// <remarks>DeepSeek-V2, arXiv:2405.04434, section 2.1; huggingface/transformers <c>deepseek_v3</c>. Row order of the matrices is the published one:
/// q rows head-major with the position-free part first; <c>kv_a</c> rows latent, then rotary key; <c>kv_b</c> rows head-major, key part, then value.</remarks>
public sealed class MultiHeadLatentAttention : NamedModule
{
    private const double LatentNormEps = 1e-6;
    private readonly DeepSeekConfig _config;
    private readonly double _softmaxScale;
    private readonly RotaryEmbedding _rotary;
    private readonly Projection? _q;
    private readonly Projection? _qA;
    private readonly RmsNorm? _qANorm;
    private readonly Projection? _qB;
    private readonly Projection _kvA;
    private readonly RmsNorm _kvANorm;
    private readonly Projection _kvB;
    private readonly Projection _o;
    private readonly LightningIndexer? _indexer;

    /// <summary>Creates attention with fresh weights.</summary>
    public MultiHeadLatentAttention(DeepSeekConfig config, RotaryEmbedding rotary, ScalarType computeType, double outputDeviation, Device device)
        : base(nameof(MultiHeadLatentAttention))
    {
        ArgumentNullException.ThrowIfNull(config);
        _config = config;
        _rotary = rotary;
        _softmaxScale = RotaryEmbedding.SoftmaxScale(config);
        int heads = config.NumAttentionHeads, hidden = config.HiddenSize;
        var deviation = config.InitializerRange;
        if (config.QLoraRank is { } rank)
        {
            register_module("q_a_proj", _qA = new Projection(rank, hidden, deviation, device));
            register_module("q_a_layernorm", _qANorm = new RmsNorm(rank, LatentNormEps, computeType, device));
            register_module("q_b_proj", _qB = new Projection(heads * config.QkHeadDim, rank, deviation, device));
        }
        else
        {
            register_module("q_proj", _q = new Projection(heads * config.QkHeadDim, hidden, deviation, device));
        }

        register_module("kv_a_proj_with_mqa", _kvA = new Projection(config.KvLoraRank + config.QkRopeHeadDim, hidden, deviation, device));
        register_module("kv_a_layernorm", _kvANorm = new RmsNorm(config.KvLoraRank, LatentNormEps, computeType, device));
        register_module("kv_b_proj", _kvB = new Projection(heads * (config.QkNopeHeadDim + config.VHeadDim), config.KvLoraRank, deviation, device));
        register_module("o_proj", _o = new Projection(hidden, heads * config.VHeadDim, outputDeviation, device));
        if (config.HasIndexer) register_module("indexer", _indexer = new LightningIndexer(config, rotary, device));
    }

    /// <summary>The indexer, or null.</summary>
    public LightningIndexer? Indexer => _indexer;

    /// <param name="input">[batch, tokens, hidden_size], normalised.</param>
    /// <param name="mode">What is read.</param>
    /// <param name="indexerLoss">Mean over batch and queries of the indexer's divergence from attention; null in <see cref="AttentionMode.Dense"/>
    /// and where there is no indexer.</param>
    /// <returns>[batch, tokens, hidden_size].</returns>
    public Tensor Forward(Tensor input, AttentionMode mode, out Tensor? indexerLoss) => Forward(input, mode, null, out indexerLoss);

    /// <inheritdoc cref="Forward(Tensor, AttentionMode, out Tensor?)"/>
    internal Tensor Forward(Tensor input, AttentionMode mode, DocumentMask? documents, out Tensor? indexerLoss)
    {
        ArgumentNullException.ThrowIfNull(input);
        long batch = input.shape[0], tokens = input.shape[1];
        int heads = _config.NumAttentionHeads, nope = _config.QkNopeHeadDim, rope = _config.QkRopeHeadDim;

        var queryLatent = _qA is null ? input : _qANorm!.forward(_qA.forward(input));
        var q = (_qA is null ? _q! : _qB!).forward(queryLatent).view(batch, tokens, heads, nope + rope).split([nope, rope], -1);
        var latent = _kvA.forward(input).split([_config.KvLoraRank, rope], -1);
        var kv = _kvB.forward(_kvANorm.forward(latent[0])).view(batch, tokens, heads, nope + _config.VHeadDim).split([nope, _config.VHeadDim], -1);

        var sharedKey = _rotary.RotateInterleaved(latent[1].unsqueeze(2)).expand(batch, tokens, heads, rope);
        var query = cat([q[0], _rotary.RotateInterleaved(q[1])], -1).transpose(1, 2);   // [batch, heads, tokens, qk_head_dim]
        var key = cat([kv[0], sharedKey], -1).transpose(1, 2);
        var value = kv[1].transpose(1, 2);

        var mask = Select(input, queryLatent, query, key, mode, documents, out indexerLoss);
        var read = CausalAttention.Read(query, key, value, _softmaxScale, mask).transpose(1, 2).reshape(batch, tokens, heads * _config.VHeadDim);
        return _o.forward(read);
    }

    /// <summary>Runs the indexer: its loss, and where selection matters, the mask of selected positions.</summary>
    /// <returns>[batch, 1, tokens, tokens], 0 where read and −∞ elsewhere; null for all earlier positions.</returns>
    private Tensor? Select(Tensor input, Tensor queryLatent, Tensor query, Tensor key, AttentionMode mode, DocumentMask? documents, out Tensor? loss)
    {
        loss = null;
        var selects = mode == AttentionMode.Sparse && _config.IndexTopk < input.shape[1];
        var learns = is_grad_enabled() && _indexer?.Learns == true;
        if (mode == AttentionMode.Dense || _indexer is null || !(selects || learns)) return documents?.Additive;

        var scores = _indexer.Scores(input.detach(), queryLatent.detach());
        var selected = selects ? LightningIndexer.Selected(scores, _config.IndexTopk!.Value, documents?.Unread) : null;
        if (learns) loss = LightningIndexer.Divergence(scores, AttentionTarget(query, key), selected);
        if (selected is null) return documents?.Additive;

        return zeros(selected.shape, query.dtype, query.device).masked_fill(selected.logical_not(), Number.Of(double.NegativeInfinity)).unsqueeze(1);
    }

    /// <summary>Where attention looks: probabilities summed over the heads and normalised over positions, [batch, tokens, tokens]; no gradient.</summary>
    private Tensor AttentionTarget(Tensor query, Tensor key)
    {
        using var noGradient = no_grad();
        var scores = matmul(query.to(ScalarType.Float32), key.to(ScalarType.Float32).transpose(-2, -1)).mul_(Number.Of(_softmaxScale));
        scores.masked_fill_(CausalAttention.Future(scores.shape[^1], scores.device), Number.Of(double.NegativeInfinity));
        return scores.softmax(-1).mean([1]);
    }
}
