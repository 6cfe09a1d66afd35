using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Adapters;

/// <summary>What an adapter does to one projection: <c>y = W x + b + s · B (A x)</c>; of the table of embeddings <c>y = W[token] + s · B A[:, token]</c>.</summary>
/// <param name="Name">Path of the module in the model, for example <c>model.layers.0.self_attn.q_proj</c>; <see cref="HeadName"/> for the output head.</param>
/// <param name="A">[r, in]; of an embedding [r, vocab_size].</param>
/// <param name="B">[out, r]; of an embedding [hidden_size, r].</param>
/// <param name="Scale">s.</param>
public sealed record LoraModule(string Name, WeightTensor A, WeightTensor B, double Scale)
{
    /// <summary>DoRA: trained lengths of the rows of <c>W + s B A</c>, [out]; otherwise null.</summary>
    public WeightTensor? Magnitude { get; init; }

    /// <summary>Whether it adapts a table of embeddings, whose inputs are token ids.</summary>
    public bool IsEmbedding { get; init; }

    /// <summary>Path of the output head. One that is tied to the table of embeddings is adapted by that name too, and the table stays as it was.</summary>
    public const string HeadName = "lm_head";

    /// <summary>Whether it adapts the output head.</summary>
    public bool IsHead => Name == HeadName;

    /// <summary>The table of embeddings or the head itself, which peft saves beside an adapter of it, [vocab_size, hidden_size]; null where the file leaves it out.</summary>
    public WeightTensor? Table { get; init; }

    /// <summary>A number of <see cref="Table"/> is the model's own, but for rounding to 8 bits of mantissa, within <see cref="TableAbsolute"/> and this share of the model's.</summary>
    public const float TableRelative = 1f / 256;

    /// <summary>The absolute part of that bound.</summary>
    public const float TableAbsolute = 1e-7f;

    /// <summary>The fault of an adapter whose <see cref="Table"/> is not the model's.</summary>
    /// <param name="path">The adapter.</param>
    public CheckpointException OtherTable(string path) =>
        new($"{path}: {Table!.Name} differs from the model's {(IsHead ? "output head" : "embeddings")}; an adapter cannot bring others along: work them into the model it is used with");

    /// <summary>The bias that takes the place of the model's, [out]; null where it was not trained.</summary>
    public WeightTensor? Bias { get; init; }

    /// <summary>Rank.</summary>
    public int Rank => A.Shape[0];

    /// <summary>Number of inputs.</summary>
    public int InputCount => A.Shape[1];

    /// <summary>Number of outputs.</summary>
    public int OutputCount => B.Shape[0];
}
