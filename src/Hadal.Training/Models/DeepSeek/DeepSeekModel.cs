using Hadal.Checkpoints.Config;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models.DeepSeek;

/// <summary>The decoder of <c>hadal</c>, <c>deepseek_v2</c>, <c>deepseek_v3</c> and <c>deepseek_v32</c>, to differentiate.</summary>
/// <remarks>The twin of <c>Hadal.Inference.Models</c>' file of the same name.</remarks>
public sealed class DeepSeekModel : CausalModel
{
    private readonly RotaryEmbedding _rotary;
    private readonly Body _body;

    /// <summary>Creates the model with fresh weights drawn from torch's generator.</summary>
    /// <param name="config">The decoder's config.</param>
    /// <param name="computeType">Dtype of activations: float32 or bfloat16.</param>
    /// <param name="device">Where weights live; the CPU when null.</param>
    /// <param name="draws">False where the weights are read next, and need not be drawn.</param>
    public DeepSeekModel(DeepSeekConfig config, ScalarType computeType = ScalarType.Float32, Device? device = null, bool draws = true) : base(nameof(DeepSeekModel), computeType, device)
    {
        ArgumentNullException.ThrowIfNull(config);
        Config = config;
        _rotary = new RotaryEmbedding(config, config.QkRopeHeadDim, Device);
        if (!draws) config = config with { InitializerRange = 0 };
        register_module("model", _body = new Body(config, _rotary, computeType, Device));
        TokenEmbedding = new AdaptableEmbedding(_body.Embedding);
        Layers = [.. _body.Layers];
        if (LabelHead.For(config, Device) is { } score) register_module("score", Score = score);
        else if (config.TieWordEmbeddings) Head = new Projection(_body.Embedding.weight!);
        else register_module("lm_head", Head = new Projection(config.VocabSize, config.HiddenSize, config.InitializerRange, Device));
    }

    /// <summary>The config it was made from.</summary>
    public override DeepSeekConfig Config { get; }

    /// <summary>Decoder layers, then multi-token-prediction layers.</summary>
    public IReadOnlyList<DecoderLayer> Layers { get; }

    /// <summary>The multi-token-prediction layers.</summary>
    public IEnumerable<MultiTokenPrediction> PredictionLayers => Layers.OfType<MultiTokenPrediction>();

    /// <summary>The routers of all layers that have one.</summary>
    public IEnumerable<Router> Routers => Layers.Where(layer => layer.Experts is not null).Select(layer => layer.Experts!.Router);

    /// <inheritdoc/>
    public override IEnumerable<(string Name, IAdaptable Matrix)> Adaptable => base.Adaptable.Concat(Layers.SelectMany((layer, index) =>
        (layer.Experts?.Experts.Matrices ?? []).Select(matrix => (FormattableString.Invariant($"model.layers.{index}.{matrix.Path}"), (IAdaptable)matrix))));

    /// <inheritdoc/>
    protected override AdaptableEmbedding TokenEmbedding { get; }

    /// <inheritdoc/>
    public override Tensor Hidden(Tensor tokenIds, Action<int, Tensor>? observe = null, Tensor? documents = null) =>
        Hidden(tokenIds, AttentionMode.Sparse, new AuxiliaryLosses(), observe, documents);

    /// <summary>Runs the decoder layers.</summary>
    /// <param name="tokenIds">[batch, tokens], int64.</param>
    /// <param name="mode">What attention reads.</param>
    /// <param name="losses">Auxiliary losses are added to it.</param>
    /// <param name="observe">Called with the layer index and the stream after each layer, before that −1 with the embeddings; for tests that look inside.</param>
    /// <param name="documents">[batch, tokens], int64: attention does not cross from one number to another. Null where each row is one document.</param>
    /// <returns>[batch, tokens, hidden_size] after the final norm, in the compute type.</returns>
    public Tensor Hidden(Tensor tokenIds, AttentionMode mode, AuxiliaryLosses losses, Action<int, Tensor>? observe = null, Tensor? documents = null)
    {
        var mask = DocumentMask.Of(documents, ComputeType);
        var stream = TokenEmbedding.Forward(tokenIds);
        observe?.Invoke(-1, stream);
        for (var layerIndex = 0; layerIndex < Config.NumHiddenLayers; layerIndex++)
        {
            var layer = Layers[layerIndex];
            stream = Layer(stream, input => layer.Forward(input, mode, RecomputesActivations ? new AuxiliaryLosses() : losses, mask));
            observe?.Invoke(layerIndex, stream);
        }

        return _body.Norm.forward(stream);
    }

    /// <summary>Runs the prediction layers on what <c>Hidden</c> gave.</summary>
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
            var next = TokenEmbedding.Forward(tokenIds.narrow(1, depth, tokens - depth));
            hidden = layer.Forward(next, hidden.narrow(1, 0, tokens - depth), mode, losses);
            predictions.Add(hidden);
        }

        return predictions;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _rotary.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Stacked experts are published one by one.</summary>
    protected override void AddPublished(IDictionary<string, Tensor> state, string name, Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(tensor);
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
