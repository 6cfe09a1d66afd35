using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models;

/// <summary>How multi-head latent attention is computed from the latent cache.</summary>
public enum MlaForm
{
    /// <summary>Queries are carried into the latent space and attend to the cache as it is. No bit depends on how a prompt is cut.</summary>
    Absorbed,

    /// <summary>Keys and values of every head are expanded from the cache in each pass. No bit depends on how a prompt is cut.</summary>
    Plain,

    /// <summary>Plain for slices of <see cref="EngineOptions.PlainFromTokens"/> tokens and more, otherwise absorbed. Fastest for long prompts;
    /// logits then differ in the last bits with the cuts of a prompt, never with batch mates or threads.</summary>
    Auto,
}

/// <summary>The limits a decoder is made for; all its memory follows from them.</summary>
public sealed record EngineOptions
{
    /// <summary>Threads, 1 to 1024; by default the processors this process may use.</summary>
    public int ThreadCount { get; init; } = ThreadCrew.DefaultThreadCount;

    /// <summary>Tokens of one sequence at most. Null: <c>max_position_embeddings</c>, but no more than 4096.</summary>
    public int? MaxContext { get; init; }

    /// <summary>Sequences that may fill their context at the same time, 1 or more; the cache holds so many contexts.</summary>
    public int MaxSequences { get; init; } = 1;

    /// <summary>Tokens computed together, 1 or more; longer batches are cut. Scratch memory grows with it.</summary>
    public int MaxBatchTokens { get; init; } = 256;

    /// <summary>What products with quantised weights are computed with.</summary>
    public Arithmetic Arithmetic { get; init; } = Arithmetic.Exact;

    /// <summary>Whether a model with <see cref="Arithmetic.Integer"/> is opened before its weights are repacked. It computes from the file then, slower and with
    /// the same numbers, until <see cref="DecoderModel.Repack"/> has repacked them. <see cref="Engine.TextGenerator"/> does so behind the first answer.</summary>
    internal bool DefersRepacking { get; init; }

    /// <summary>Whether routed experts stay in the file also where they would be repacked: for models that are larger than the memory. The system keeps in
    /// memory what is used most; a pass asks for the experts of its tokens as soon as they are chosen. The numbers are the same, the time is not.</summary>
    public bool KeepsExpertsInFile { get; init; }

    /// <summary>How caches are stored. F32 is exact; the others trade last digits for memory and for speed at long context.</summary>
    public CacheFormat CacheFormat { get; init; } = CacheFormat.F32;

    /// <summary>Form of latent attention.</summary>
    public MlaForm MlaForm { get; init; } = MlaForm.Absorbed;

    /// <summary>With <see cref="MlaForm.Auto"/>: tokens of a slice from which the plain form is used. Measured crossovers lie near 128.</summary>
    public int PlainFromTokens { get; init; } = 128;

    /// <summary>The context in force for a model.</summary>
    /// <param name="maxPositionEmbeddings">What the model was made for.</param>
    internal int ContextFor(int maxPositionEmbeddings) => MaxContext ?? Math.Min(maxPositionEmbeddings, 4096);

    /// <summary>Throws unless every option is in its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is not positive.</exception>
    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ThreadCount, nameof(ThreadCount));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxContext ?? 1, nameof(MaxContext));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxSequences, nameof(MaxSequences));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxBatchTokens, nameof(MaxBatchTokens));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(PlainFromTokens, nameof(PlainFromTokens));
    }
}
