using Hadal.Checkpoints.Config;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>A multi-token-prediction layer: <c>layer(eh_proj([enorm(Emb(t_{i+1})), hnorm(h_i)]))</c>, whose output predicts <c>t_{i+2}</c>.</summary>
/// <remarks>Embedding first, as in the published weights; DeepSeek-V3, arXiv:2412.19437, section 2.2. Embedding and head are the main model's.</remarks>
public sealed class MultiTokenPrediction : DecoderLayer
{
    private readonly RmsNorm _embeddingNorm;
    private readonly RmsNorm _hiddenNorm;
    private readonly Projection _combine;
    private readonly SharedHead _head;

    /// <summary>Creates the layer with fresh weights.</summary>
    public MultiTokenPrediction(DeepSeekConfig config, int layerIndex, RotaryEmbedding rotary, ScalarType computeType, Device device)
        : base(config, layerIndex, rotary, computeType, device)
    {
        var hidden = config.HiddenSize;
        register_module("enorm", _embeddingNorm = new RmsNorm(hidden, config.RmsNormEps, computeType, device));
        register_module("hnorm", _hiddenNorm = new RmsNorm(hidden, config.RmsNormEps, computeType, device));
        register_module("eh_proj", _combine = new Projection(hidden, 2 * hidden, config.InitializerRange, device));
        register_module("shared_head", _head = new SharedHead(new RmsNorm(hidden, config.RmsNormEps, computeType, device)));
    }

    /// <param name="nextEmbedding">[batch, tokens, hidden_size], embeddings of the tokens one further.</param>
    /// <param name="hidden">[batch, tokens, hidden_size], the main model's stream after its final norm, or the previous prediction layer's output.</param>
    /// <param name="mode">What attention reads.</param>
    /// <param name="losses">Auxiliary losses are added to it.</param>
    /// <returns>[batch, tokens, hidden_size] after <c>shared_head.norm</c>, ready for the output head.</returns>
    public Tensor Forward(Tensor nextEmbedding, Tensor hidden, AttentionMode mode, AuxiliaryLosses losses) =>
        _head.Norm.forward(Forward(Combine(nextEmbedding, hidden).to(ScalarType.Float32), mode, losses));

    /// <summary>The input of the block.</summary>
    internal Tensor Combine(Tensor nextEmbedding, Tensor hidden) =>
        _combine.forward(cat([_embeddingNorm.forward(nextEmbedding), _hiddenNorm.forward(hidden)], -1));

    private sealed class SharedHead : NamedModule
    {
        public SharedHead(RmsNorm norm) : base(nameof(SharedHead)) => register_module("norm", Norm = norm);

        public RmsNorm Norm { get; }
    }
}
