using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>A decoder that predicts the next token, to differentiate: the twin of the engine's model of the same family.</summary>
/// <remarks>Weights are float32; activations are of the compute type, the residual stream and everything that is summed over many terms float32.
/// Not thread-safe.</remarks>
public abstract class CausalModel : NamedModule
{
    /// <summary>Starts libtorch and remembers where and in what to compute.</summary>
    private protected CausalModel(string name, ScalarType computeType, Device? device) : base(Prepare(name))
    {
        ComputeType = computeType;
        Device = device ?? CPU;
    }

    /// <summary>The config it was made from.</summary>
    public abstract ModelConfig Config { get; }

    /// <summary>Dtype of activations.</summary>
    public ScalarType ComputeType { get; }

    /// <summary>Where its weights live.</summary>
    public Device Device { get; }

    /// <summary>Whether activations of a layer are computed again in the backward pass instead of being kept. Auxiliary losses are not collected then.</summary>
    public bool RecomputesActivations { get; set; }

    /// <summary>The projections of the layers by module path, for example <c>model.layers.0.self_attn.q_proj</c>.</summary>
    public IEnumerable<(string Name, Projection Projection)> Projections =>
        named_modules().Where(named => named.module is Projection && named.name.StartsWith("model.layers.", StringComparison.Ordinal)).Select(named => (named.name, (Projection)named.module));

    /// <summary>The table of token embeddings, and what an adapter adds to it. A head that is tied to the table reads it as it is.</summary>
    protected abstract AdaptableEmbedding TokenEmbedding { get; }

    /// <summary>The output head, [vocab_size, hidden_size], over the weight of the embedding where they are tied; null in a model with a head for labels.</summary>
    public Projection? Head { get; private protected set; }

    /// <summary>Every matrix that an adapter can be put on, by path: the embedding, projections, the output head, routed experts.</summary>
    public virtual IEnumerable<(string Name, IAdaptable Matrix)> Adaptable =>
        Projections.Select(named => (named.Name, (IAdaptable)named.Projection)).Prepend(("model.embed_tokens", TokenEmbedding)).Concat(Head is null ? [] : [(LoraModule.HeadName, Head)]);

    /// <summary>Whether matrices are in few bits: an adapter can be trained beside them, they themselves cannot.</summary>
    public bool IsQuantized { get; internal set; }

    /// <summary>Runs the decoder layers as the engine does.</summary>
    /// <param name="tokenIds">[batch, tokens], int64.</param>
    /// <param name="observe">Called with the layer index and the stream after each layer, before that −1 with the embeddings; for tests that look inside.</param>
    /// <param name="documents">[batch, tokens], int64: attention does not cross from one number to another. Null where each row is one document.</param>
    /// <returns>[batch, tokens, hidden_size] after the final norm, in the compute type.</returns>
    public abstract Tensor Hidden(Tensor tokenIds, Action<int, Tensor>? observe = null, Tensor? documents = null);

    /// <summary>Runs one layer, or has it run again when its gradient is asked for.</summary>
    private protected Tensor Layer(Tensor stream, Func<Tensor, Tensor> layer) => RecomputesActivations && is_grad_enabled() ? Recomputed.Apply(stream, layer) : layer(stream);

    /// <summary>The head for labels, where the config calls for one: [labels, hidden_size]; null in a model that writes text.</summary>
    public Projection? Score { get; private protected set; }

    /// <summary>Scores of labels, computed in float32.</summary>
    /// <param name="hidden">[…, hidden_size], normalised.</param>
    /// <returns>[…, labels].</returns>
    /// <exception cref="InvalidOperationException">The model has no head for labels.</exception>
    public Tensor Scores(Tensor hidden)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        return (Score ?? throw new InvalidOperationException("the model has no head for labels")).forward(hidden.to(ScalarType.Float32));
    }

    /// <summary>The output head.</summary>
    /// <param name="hidden">[…, hidden_size], normalised.</param>
    /// <returns>[…, vocab_size] in the dtype of <paramref name="hidden"/>.</returns>
    /// <exception cref="InvalidOperationException">The model has a head for labels instead.</exception>
    public Tensor Logits(Tensor hidden)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        return LanguageHead.forward(hidden);
    }

    /// <summary>The log-probability of each of <paramref name="targets"/>, computed in float32.</summary>
    /// <param name="hidden">[rows, hidden_size], normalised.</param>
    /// <param name="targets">[rows], int64.</param>
    /// <returns>[rows], float32.</returns>
    /// <remarks>Logits exist for some rows at a time, and again in the backward pass.</remarks>
    public Tensor LogProbabilities(Tensor hidden, Tensor targets)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        ArgumentNullException.ThrowIfNull(targets);
        const long RowBlock = 512;
        var blocks = new List<Tensor>();
        for (var begin = 0L; begin < hidden.shape[0]; begin += RowBlock)
        {
            var count = Math.Min(RowBlock, hidden.shape[0] - begin);
            var (rows, wanted) = (hidden.narrow(0, begin, count), targets.narrow(0, begin, count).unsqueeze(1));
            blocks.Add(is_grad_enabled() ? Recomputed.Apply(rows, Each) : Each(rows));

            Tensor Each(Tensor input)
            {
                using var scope = NewDisposeScope();
                return Logits(input).to(ScalarType.Float32).log_softmax(-1).gather(1, wanted).squeeze(1).MoveToOuterDisposeScope();
            }
        }

        return cat(blocks, 0);
    }

    /// <summary>Mean cross-entropy of the output head against <paramref name="targets"/>.</summary>
    /// <param name="hidden">[…, hidden_size], normalised.</param>
    /// <param name="targets">[…], int64.</param>
    public Tensor Loss(Tensor hidden, Tensor targets)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        ArgumentNullException.ThrowIfNull(targets);
        var (rows, wanted) = (hidden.reshape(-1, hidden.shape[^1]), targets.reshape(-1));
        // One product of floats is what HeadLoss is made of.
        return LanguageHead is { Update: null, Codes: null } head ? HeadLoss.Apply(rows, head.Weight, wanted) : LogProbabilities(rows, wanted).mean().neg();
    }

    private Projection LanguageHead => Head ?? throw new InvalidOperationException("the model has a head for labels, none that writes text");

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

    /// <summary>Adds a tensor under the names it is published by.</summary>
    protected virtual void AddPublished(IDictionary<string, Tensor> state, string name, Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(state);
        state.Add(name, tensor);
    }

    private static string Prepare(string name)
    {
        TorchRuntime.Initialize();
        return name;
    }
}
