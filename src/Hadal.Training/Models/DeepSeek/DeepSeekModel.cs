using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Torch;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>The decoder of <c>hadal</c>, <c>deepseek_v2</c>, <c>deepseek_v3</c> and <c>deepseek_v32</c>, to differentiate.</summary>
/// <remarks>The twin of <c>Hadal.Inference.Models</c>' file of the same name. Weights are float32; activations are of the compute type, the residual
/// stream and everything that is summed over many terms float32. Not thread-safe.</remarks>
public sealed class DeepSeekModel : NamedModule
{
    private readonly RotaryEmbedding _rotary;
    private readonly Body _body;
    private readonly Projection? _head;

    /// <summary>Creates the model with fresh weights drawn from torch's generator.</summary>
    /// <param name="config">The decoder's config.</param>
    /// <param name="computeType">Dtype of activations: float32 or bfloat16.</param>
    /// <param name="device">Where weights live; the CPU when null.</param>
    public DeepSeekModel(DeepSeekConfig config, ScalarType computeType = ScalarType.Float32, Device? device = null) : base(Prepare(nameof(DeepSeekModel)))
    {
        ArgumentNullException.ThrowIfNull(config);
        Config = config;
        ComputeType = computeType;
        Device = device ?? CPU;
        _rotary = new RotaryEmbedding(config, Device);
        register_module("model", _body = new Body(config, _rotary, computeType, Device));
        Layers = [.. _body.Layers];
        if (!config.TieWordEmbeddings) register_module("lm_head", _head = new Projection(config.VocabSize, config.HiddenSize, config.InitializerRange, Device));
    }

    /// <summary>The config it was made from.</summary>
    public DeepSeekConfig Config { get; }

    /// <summary>Dtype of activations.</summary>
    public ScalarType ComputeType { get; }

    /// <summary>Where its weights live.</summary>
    public Device Device { get; }

    /// <summary>Decoder layers, then multi-token-prediction layers.</summary>
    public IReadOnlyList<DecoderLayer> Layers { get; }

    /// <summary>The multi-token-prediction layers.</summary>
    public IEnumerable<MultiTokenPrediction> PredictionLayers => Layers.OfType<MultiTokenPrediction>();

    /// <summary>The routers of all layers that have one.</summary>
    public IEnumerable<Router> Routers => Layers.Where(layer => layer.Experts is not null).Select(layer => layer.Experts!.Router);

    /// <summary>Runs the decoder layers.</summary>
    /// <param name="tokenIds">[batch, tokens], int64.</param>
    /// <param name="mode">What attention reads.</param>
    /// <param name="losses">Auxiliary losses are added to it.</param>
    /// <param name="observe">Called with the layer index and the stream after each layer, before that −1 with the embeddings; for tests that look inside.</param>
    /// <returns>[batch, tokens, hidden_size] after the final norm, in the compute type.</returns>
    public Tensor Hidden(Tensor tokenIds, AttentionMode mode, AuxiliaryLosses losses, Action<int, Tensor>? observe = null)
    {
        var stream = Embed(tokenIds);
        observe?.Invoke(-1, stream);
        for (var layerIndex = 0; layerIndex < Config.NumHiddenLayers; layerIndex++)
        {
            stream = Layers[layerIndex].Forward(stream, mode, losses);
            observe?.Invoke(layerIndex, stream);
        }

        return _body.Norm.forward(stream);
    }

    /// <summary>Runs the prediction layers on the output of <see cref="Hidden"/>.</summary>
    /// <param name="hidden">[batch, tokens, hidden_size].</param>
    /// <param name="tokenIds">[batch, tokens], the same tokens.</param>
    /// <param name="mode">What attention reads.</param>
    /// <param name="losses">Auxiliary losses are added to it.</param>
    /// <returns>Per layer d = 1, 2, …: [batch, tokens − d, hidden_size]; row i predicts token i + d + 1.</returns>
    public IReadOnlyList<Tensor> Predict(Tensor hidden, Tensor tokenIds, AttentionMode mode, AuxiliaryLosses losses)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        ArgumentNullException.ThrowIfNull(tokenIds);
        var predictions = new List<Tensor>();
        var tokens = tokenIds.shape[1];
        foreach (var layer in PredictionLayers)
        {
            var depth = predictions.Count + 1;
            var next = Embed(tokenIds.narrow(1, depth, tokens - depth));
            hidden = layer.Forward(next, hidden.narrow(1, 0, tokens - depth), mode, losses);
            predictions.Add(hidden);
        }

        return predictions;
    }

    /// <summary>The output head.</summary>
    /// <param name="hidden">[…, hidden_size], normalised.</param>
    /// <returns>[…, vocab_size] in the dtype of <paramref name="hidden"/>.</returns>
    public Tensor Logits(Tensor hidden)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        return _head is null ? nn.functional.linear(hidden, _body.Embedding.weight!.to(hidden.dtype)) : _head.forward(hidden);
    }

    /// <summary>Mean cross-entropy of the output head against <paramref name="targets"/>.</summary>
    /// <param name="hidden">[…, hidden_size], normalised.</param>
    /// <param name="targets">[…], int64.</param>
    public Tensor Loss(Tensor hidden, Tensor targets)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        ArgumentNullException.ThrowIfNull(targets);
        return HeadLoss.Apply(hidden.reshape(-1, hidden.shape[^1]), _head?.Weight ?? _body.Embedding.weight!, targets.reshape(-1));
    }

    /// <summary>The weights by published name, in the order of <see cref="WeightManifest"/>; views of the model's own memory.</summary>
    /// <exception cref="InvalidOperationException">Names or shapes differ from the manifest, which would be a fault of this program.</exception>
    public IReadOnlyList<(WeightSpec Spec, Tensor Tensor)> PublishedWeights()
    {
        var state = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var (name, tensor) in state_dict()) AddPublished(state, name, tensor);
        var list = new List<(WeightSpec, Tensor)>();
        foreach (var spec in WeightManifest.For(Config))
        {
            if (!state.Remove(spec.Name, out var tensor))
            {
                if (spec.Optional) continue;
                throw new InvalidOperationException($"{spec.Name}: in the manifest, not in the model");
            }

            if (!tensor.shape.SequenceEqual(spec.Shape.Select(size => (long)size)))
                throw new InvalidOperationException($"{spec.Name}: expected [{string.Join(", ", spec.Shape)}], the model has [{string.Join(", ", tensor.shape)}]");
            list.Add((spec, tensor));
        }

        return state.Count == 0 ? list : throw new InvalidOperationException($"{state.Keys.First()}: in the model, not in the manifest");
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _rotary.Dispose();
        base.Dispose(disposing);
    }

    private static string Prepare(string name)
    {
        TorchRuntime.Initialize();
        return name;
    }

    /// <summary>Stacked experts are published one by one.</summary>
    private static void AddPublished(Dictionary<string, Tensor> state, string name, Tensor tensor)
    {
        var stack = name.LastIndexOf(".experts.", StringComparison.Ordinal);
        if (stack < 0)
        {
            state.Add(name, tensor);
            return;
        }

        var prefix = name[..(stack + ".experts.".Length)];
        for (var expert = 0; expert < tensor.shape[0]; expert++)
        {
            var matrix = tensor[expert];
            if (name.EndsWith("down_proj", StringComparison.Ordinal))
            {
                state.Add($"{prefix}{expert}.down_proj.weight", matrix);
                continue;
            }

            var halves = matrix.chunk(2, 0);
            state.Add($"{prefix}{expert}.gate_proj.weight", halves[0]);
            state.Add($"{prefix}{expert}.up_proj.weight", halves[1]);
        }
    }

    private Tensor Embed(Tensor tokenIds) => _body.Embedding.forward(tokenIds);

    /// <summary>What published names call <c>model</c>.</summary>
    private sealed class Body : NamedModule
    {
        public Body(DeepSeekConfig config, RotaryEmbedding rotary, ScalarType computeType, Device device) : base(nameof(Body))
        {
            register_module("embed_tokens", Embedding = nn.Embedding(config.VocabSize, config.HiddenSize, device: device));
            using (no_grad()) Embedding.weight!.normal_(0, config.InitializerRange);
            var layers = Enumerable.Range(0, config.NumHiddenLayers + config.NumNextnPredictLayers).Select(layerIndex => layerIndex < config.NumHiddenLayers
                ? new DecoderLayer(config, layerIndex, rotary, computeType, device)
                : new MultiTokenPrediction(config, layerIndex, rotary, computeType, device));
            register_module("layers", Layers = nn.ModuleList([.. layers]));
            register_module("norm", Norm = new RmsNorm(config.HiddenSize, config.RmsNormEps, computeType, device));
        }

        public Embedding Embedding { get; }

        public ModuleList<DecoderLayer> Layers { get; }

        public RmsNorm Norm { get; }
    }
}
