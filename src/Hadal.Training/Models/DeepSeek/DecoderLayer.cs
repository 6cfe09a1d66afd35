using Hadal.Checkpoints.Config;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>One pre-norm block: <c>x += attention(norm(x)); x += feed-forward(norm(x))</c>, the stream in float32.</summary>
public class DecoderLayer : NamedModule
{
    private readonly RmsNorm _inputNorm;
    private readonly RmsNorm _postAttentionNorm;
    private readonly FeedForward? _dense;

    /// <summary>Creates layer <paramref name="layerIndex"/> with fresh weights.</summary>
    public DecoderLayer(DeepSeekConfig config, int layerIndex, RotaryEmbedding rotary, ScalarType computeType, Device device) : base(nameof(DecoderLayer))
    {
        ArgumentNullException.ThrowIfNull(config);
        // Matrices that write to the stream start smaller, so that its size does not grow with depth (Radford et al. 2019, section 2.3).
        var outputDeviation = config.InitializerRange / Math.Sqrt(2.0 * config.NumHiddenLayers);
        register_module("input_layernorm", _inputNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps, computeType, device));
        register_module("self_attn", Attention = new MultiHeadLatentAttention(config, rotary, computeType, outputDeviation, device));
        register_module("post_attention_layernorm", _postAttentionNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps, computeType, device));
        if (config.IsSparseLayer(layerIndex)) register_module("mlp", Experts = new MixtureOfExperts(config, outputDeviation, device));
        else register_module("mlp", _dense = new FeedForward(config.HiddenSize, config.IntermediateSize, config.InitializerRange, outputDeviation, device));
    }

    /// <summary>The attention part.</summary>
    public MultiHeadLatentAttention Attention { get; }

    /// <summary>The experts; null in a dense layer.</summary>
    public MixtureOfExperts? Experts { get; }

    /// <param name="stream">[batch, tokens, hidden_size], float32.</param>
    /// <param name="mode">What attention reads.</param>
    /// <param name="losses">Auxiliary losses are added to it.</param>
    /// <returns>The stream after the block.</returns>
    public Tensor Forward(Tensor stream, AttentionMode mode, AuxiliaryLosses losses) => Forward(stream, mode, losses, null);

    /// <inheritdoc cref="Forward(Tensor, AttentionMode, AuxiliaryLosses)"/>
    internal Tensor Forward(Tensor stream, AttentionMode mode, AuxiliaryLosses losses, DocumentMask? documents)
    {
        ArgumentNullException.ThrowIfNull(losses);
        var attended = Attention.Forward(_inputNorm.forward(stream), mode, documents, out var indexerLoss);
        if (indexerLoss is not null) losses.Indexer.Add(indexerLoss);
        stream = stream.add(attended, Number.One);

        var normalised = _postAttentionNorm.forward(stream);
        if (Experts is null) return stream.add(_dense!.forward(normalised), Number.One);

        var mixed = Experts.Forward(normalised, out var balanceLoss);
        losses.Balance.Add(balanceLoss);
        return stream.add(mixed, Number.One);
    }
}

/// <summary>Losses beside the language loss, one scalar per layer that has them.</summary>
public sealed class AuxiliaryLosses
{
    /// <summary>Divergence of each layer's indexer from its attention.</summary>
    public List<Tensor> Indexer { get; } = [];

    /// <summary>Sequence balance loss of each router.</summary>
    public List<Tensor> Balance { get; } = [];
}
