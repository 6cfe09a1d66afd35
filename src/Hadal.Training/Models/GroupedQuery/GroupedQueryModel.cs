using Hadal.Checkpoints.Config;
using Hadal.Training.Torch;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models.GroupedQuery;

/// <summary>The dense decoders with grouped-query attention, to differentiate: <c>llama</c>, <c>qwen2</c>, <c>qwen3</c>.</summary>
/// <remarks>The twin of <c>Hadal.Inference.Models</c>' file of the same name. Rotary pairs are (i, i + head_dim / 2), as published directories have them.</remarks>
public sealed class GroupedQueryModel : CausalModel
{
    /// <summary>Deviation of fresh matrices; published configs state it as <c>initializer_range</c>, always this.</summary>
    private const double Deviation = 0.02;

    private readonly RotaryEmbedding _rotary;
    private readonly Body _body;

    /// <summary>Creates the model with fresh weights drawn from torch's generator.</summary>
    /// <param name="config">The decoder's config.</param>
    /// <param name="computeType">Dtype of activations: float32 or bfloat16.</param>
    /// <param name="device">Where weights live; the CPU when null.</param>
    /// <param name="draws">False where the weights are read next, and need not be drawn.</param>
    /// <exception cref="ArgumentException">The config has interleaved rotary pairs, which only weights of a GGUF file have.</exception>
    public GroupedQueryModel(GroupedQueryConfig config, ScalarType computeType = ScalarType.Float32, Device? device = null, bool draws = true) : base(nameof(GroupedQueryModel), computeType, device)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (config.UsesInterleavedRope) throw new ArgumentException("rope_interleave is true, expected the published order of rows", nameof(config));
        Config = config;
        _rotary = new RotaryEmbedding(config, config.HeadSize, Device);
        var deviation = draws ? Deviation : 0;
        register_module("model", _body = new Body(config, _rotary, computeType, deviation, Device));
        TokenEmbedding = new AdaptableEmbedding(_body.Embedding);
        if (LabelHead.For(config, Device) is { } score) register_module("score", Score = score);
        else if (config.TieWordEmbeddings) Head = new Projection(_body.Embedding.weight!);
        else register_module("lm_head", Head = new Projection(config.VocabSize, config.HiddenSize, deviation, Device));
    }

    /// <inheritdoc/>
    public override GroupedQueryConfig Config { get; }

    /// <inheritdoc/>
    protected override AdaptableEmbedding TokenEmbedding { get; }

    /// <inheritdoc/>
    public override Tensor Hidden(Tensor tokenIds, Action<int, Tensor>? observe = null, Tensor? documents = null)
    {
        var mask = DocumentMask.Of(documents, ComputeType)?.Additive;
        var stream = TokenEmbedding.Forward(tokenIds);
        observe?.Invoke(-1, stream);
        for (var layerIndex = 0; layerIndex < Config.NumHiddenLayers; layerIndex++)
        {
            var layer = _body.Layers[layerIndex];
            stream = Layer(stream, input => layer.Forward(input, mask));
            observe?.Invoke(layerIndex, stream);
        }

        return _body.Norm.forward(stream);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _rotary.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>What published names call <c>model</c>.</summary>
    private sealed class Body : NamedModule
    {
        public Body(GroupedQueryConfig config, RotaryEmbedding rotary, ScalarType computeType, double deviation, Device device) : base(nameof(Body))
        {
            register_module("embed_tokens", Embedding = nn.Embedding(config.VocabSize, config.HiddenSize, device: device));
            using (no_grad()) Embedding.weight!.normal_(0, deviation);
            register_module("layers", Layers = nn.ModuleList([.. Enumerable.Range(0, config.NumHiddenLayers).Select(_ => new DecoderLayer(config, rotary, computeType, deviation, device))]));
            register_module("norm", Norm = new RmsNorm(config.HiddenSize, config.RmsNormEps, computeType, device));
        }

        public Embedding Embedding { get; }

        public ModuleList<DecoderLayer> Layers { get; }

        public RmsNorm Norm { get; }
    }

    /// <summary>One pre-norm block: <c>x += attention(norm(x)); x += feed-forward(norm(x))</c>, the stream in float32.</summary>
    private sealed class DecoderLayer : NamedModule
    {
        private readonly RmsNorm _inputNorm;
        private readonly GroupedQueryAttention _attention;
        private readonly RmsNorm _postAttentionNorm;
        private readonly FeedForward _feedForward;

        public DecoderLayer(GroupedQueryConfig config, RotaryEmbedding rotary, ScalarType computeType, double deviation, Device device) : base(nameof(DecoderLayer))
        {
            // Matrices that write to the stream start smaller, so that its size does not grow with depth (Radford et al. 2019, section 2.3).
            var outputDeviation = deviation / Math.Sqrt(2.0 * config.NumHiddenLayers);
            register_module("input_layernorm", _inputNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps, computeType, device));
            register_module("self_attn", _attention = new GroupedQueryAttention(config, rotary, computeType, deviation, outputDeviation, device));
            register_module("post_attention_layernorm", _postAttentionNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps, computeType, device));
            register_module("mlp", _feedForward = new FeedForward(config.HiddenSize, config.IntermediateSize, deviation, outputDeviation, device, config.MlpBias));
        }

        public Tensor Forward(Tensor stream, Tensor? mask)
        {
            stream = stream.add(_attention.Forward(_inputNorm.forward(stream), mask), Number.One);
            return stream.add(_feedForward.forward(_postAttentionNorm.forward(stream)), Number.One);
        }
    }
}
