using Hadal.Checkpoints.Config;
using Hadal.Training.Torch;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>The lightning indexer of DeepSeek sparse attention: <c>I[t,s] = Σ_j w_j[t] · max(0, q_j[t] · k[s])</c>.</summary>
/// <remarks>deepseek-ai/DeepSeek-V3.2-Exp <c>inference/model.py</c> and its report, section 2: one shared key head behind a layer norm with bias, rotary
/// part first with halves as pairs, <c>w</c> scaled by <c>index_n_heads^-0.5 · index_head_dim^-0.5</c>. Where the model has no query latent, queries
/// read the hidden state. Scores are computed in float32.</remarks>
public sealed class LightningIndexer : NamedModule
{
    private const double KeyNormEps = 1e-6;
    private readonly int _headCount;
    private readonly int _headSize;
    private readonly int _rotarySize;
    private readonly RotaryEmbedding _rotary;
    private readonly Projection _wqB;
    private readonly Projection _wk;
    private readonly LayerNorm _kNorm;
    private readonly Projection _weights;

    /// <summary>Creates an indexer with fresh weights.</summary>
    public LightningIndexer(DeepSeekConfig config, RotaryEmbedding rotary, Device device) : base(nameof(LightningIndexer))
    {
        ArgumentNullException.ThrowIfNull(config);
        _headCount = config.IndexNHeads ?? throw new ArgumentException("index_n_heads is missing", nameof(config));
        _headSize = config.IndexHeadDim ?? throw new ArgumentException("index_head_dim is missing", nameof(config));
        _rotarySize = config.QkRopeHeadDim;
        _rotary = rotary;
        var deviation = config.InitializerRange;
        register_module("wq_b", _wqB = new Projection(_headCount * _headSize, config.QLoraRank ?? config.HiddenSize, deviation, device));
        register_module("wk", _wk = new Projection(_headSize, config.HiddenSize, deviation, device));
        register_module("k_norm", _kNorm = nn.LayerNorm(_headSize, KeyNormEps, device: device));
        register_module("weights_proj", _weights = new Projection(_headCount, config.HiddenSize, deviation, device));
    }

    /// <summary>Whether it is trained; a frozen one selects and has no loss.</summary>
    public bool Learns => _wk.Weight.requires_grad;

    /// <summary>Called with the products before the rectifier, [batch, query · index_n_heads, key], and the scores, [batch, query, key]; for tests that avoid near ties.</summary>
    internal Action<Tensor, Tensor>? Scored { get; set; }

    /// <summary>Scores of all pairs; those of later positions mean nothing.</summary>
    /// <param name="input">[batch, tokens, hidden_size], normalised; detached by the caller.</param>
    /// <param name="queryLatent">[batch, tokens, q_lora_rank], or the input where there is no latent.</param>
    /// <returns>[batch, query, key], float32.</returns>
    public Tensor Scores(Tensor input, Tensor queryLatent)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(queryLatent);
        long batch = input.shape[0], tokens = input.shape[1];
        var x = input.to(ScalarType.Float32);
        var q = RotateFirst(_wqB.forward(queryLatent.to(ScalarType.Float32)).view(batch, tokens, _headCount, _headSize));
        var k = RotateFirst(_kNorm.forward(_wk.forward(x)).unsqueeze(2)).squeeze(2);
        var w = _weights.forward(x) * Number.Of(1 / Math.Sqrt((double)_headCount * _headSize));

        var products = matmul(q.reshape(batch, tokens * _headCount, _headSize), k.transpose(1, 2));
        var scores = matmul(w.unsqueeze(2), products.view(batch, tokens, _headCount, tokens).relu()).squeeze(2);
        Scored?.Invoke(products, scores);
        return scores;
    }

    /// <summary>The <paramref name="count"/> best earlier positions of every query (all of them where fewer exist), ties by the lowest position, as in the engine.</summary>
    /// <remarks>Ties are common: where no head fires, scores are exactly zero.</remarks>
    /// <param name="scores">[batch, query, key].</param>
    /// <param name="count">index_topk.</param>
    /// <param name="unread">[batch, query, key], true where a query may not look; null for all later positions.</param>
    /// <returns>[batch, query, key], true where selected.</returns>
    public static Tensor Selected(Tensor scores, int count, Tensor? unread = null)
    {
        ArgumentNullException.ThrowIfNull(scores);
        using var noGradient = no_grad();
        unread ??= CausalAttention.Future(scores.shape[^1], scores.device);
        if (count >= scores.shape[^1]) return unread.logical_not().expand(scores.shape);
        var visible = scores.masked_fill(unread, Number.Of(double.NegativeInfinity));
        var last = visible.topk(count, -1).values.narrow(-1, count - 1, 1);
        var better = visible.gt(last);
        var tied = visible.eq(last);
        var room = better.sum(-1, keepdim: true).negative().add(Number.Of(count), Number.One);
        return better.logical_or(tied.logical_and(tied.cumsum(-1).le(room))).logical_and(unread.logical_not());
    }

    /// <summary>Mean over queries of <c>KL(target ‖ softmax(scores))</c>, on the visible positions or on the <paramref name="selected"/> ones, over which the target is normalised anew.</summary>
    /// <param name="scores">[batch, query, key].</param>
    /// <param name="target">[batch, query, key], rows that sum to one; no gradient.</param>
    /// <param name="selected">[batch, query, key], or null for all earlier positions.</param>
    public static Tensor Divergence(Tensor scores, Tensor target, Tensor? selected) => DivergenceRows(scores, target, selected).mean();

    /// <summary>As <see cref="Divergence"/>, one number per query: [batch, query].</summary>
    internal static Tensor DivergenceRows(Tensor scores, Tensor target, Tensor? selected)
    {
        var left = selected is null ? CausalAttention.Future(scores.shape[^1], scores.device) : selected.logical_not();
        var logits = scores.masked_fill(left, Number.Of(double.NegativeInfinity)).log_softmax(-1).masked_fill(left, Number.Of(0));
        var p = target.masked_fill(left, Number.Of(0));
        p = p / p.sum(-1, keepdim: true).clamp_min(Number.Of(1e-30));
        return (xlogy(p, p) - (p * logits)).sum(-1);
    }

    private Tensor RotateFirst(Tensor heads)
    {
        var parts = heads.split([_rotarySize, _headSize - _rotarySize], -1);
        return cat([_rotary.RotateHalves(parts[0]), parts[1]], -1);
    }
}
