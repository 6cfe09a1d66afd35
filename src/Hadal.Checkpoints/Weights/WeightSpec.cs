namespace Hadal.Checkpoints.Weights;

/// <summary>One tensor a model consists of.</summary>
/// <param name="Name">Published name.</param>
/// <param name="Shape">Dimensions, [out, in] for projections.</param>
/// <param name="Role">What it is for.</param>
/// <param name="Quantizable">Whether quantisers may store it in fewer bits; embeddings, heads, norms, routers and biases stay as they are.</param>
public sealed record WeightSpec(string Name, IReadOnlyList<int> Shape, WeightRole Role, bool Quantizable)
{
    /// <summary>Whether a checkpoint may leave the tensor out: copies of the embedding or head, and parts some published files lack.</summary>
    public bool Optional { get; init; }

    /// <summary>The config key, or product of keys, behind each dimension; for messages.</summary>
    public IReadOnlyList<string> DimensionKeys { get; init; } = [];

    /// <summary>Number of elements.</summary>
    public long ElementCount
    {
        get
        {
            var count = 1L;
            foreach (var size in Shape) count *= size;
            return count;
        }
    }
}

/// <summary>What a tensor is for.</summary>
public enum WeightRole
{
    /// <summary>Token embedding, [vocab_size, hidden_size].</summary>
    Embedding,

    /// <summary>Weight of a norm.</summary>
    Norm,

    /// <summary>Bias of a projection or layer norm.</summary>
    Bias,

    /// <summary>Matrix every token passes through.</summary>
    Projection,

    /// <summary>Matrix of one routed expert.</summary>
    Expert,

    /// <summary>Router, [n_routed_experts, hidden_size].</summary>
    Router,

    /// <summary>Correction added to router scores when experts are chosen, [n_routed_experts].</summary>
    RouterBias,

    /// <summary>Output head, [vocab_size, hidden_size].</summary>
    OutputHead,

    /// <summary>Factors on something else, such as the rotary frequency factors of a GGUF file.</summary>
    Scale,
}
