using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models.Adapters;
using Hadal.Inference.Models.DeepSeek;
using Hadal.Inference.Models.GroupedQuery;

namespace Hadal.Inference.Models;

/// <summary>A decoder that computes logits of the next token. Not thread-safe; owns its threads and scratch memory.</summary>
public abstract class DecoderModel : IDisposable
{
    /// <summary>Makes the decoder of a checkpoint. Weights stay in the checkpoint's memory map, or are repacked
    /// from it once (<see cref="Arithmetic.Integer"/>); caches and scratch are made here, once.</summary>
    /// <param name="checkpoint">Open, and kept open by the caller as long as the decoder lives.</param>
    /// <param name="options">Limits; <see cref="MemoryEstimate"/> says what they cost.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="CheckpointException">A tensor is missing or has a format without kernels.</exception>
    /// <exception cref="OutOfMemoryException">Caches or scratch do not fit the address space.</exception>
    public static DecoderModel Open(Checkpoint checkpoint, EngineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        options ??= new EngineOptions();
        options.Check();
        var weights = new WeightBinder(checkpoint.Tensors, options.Arithmetic, options.ThreadCount, options.DefersRepacking) { KeepsExpertsInFile = options.KeepsExpertsInFile };
        DecoderModel? model = null;
        try
        {
            return model = checkpoint.Config switch
            {
                GroupedQueryConfig config => new GroupedQueryModel(config, weights, options),
                DeepSeekConfig config => new DeepSeekModel(config, weights, options),
                var config => throw new CheckpointException($"{checkpoint.Path}: model_type \"{config.ModelType}\" has no forward pass"),
            };
        }
        finally
        {
            if (model is null) weights.Dispose();
        }
    }

    /// <summary>The model's config.</summary>
    public abstract ModelConfig Config { get; }

    /// <summary>Tokens of one sequence at most.</summary>
    public abstract int MaxContext { get; }

    /// <summary>Blocks of tokens that the caches have together.</summary>
    public abstract int BlockCount { get; }

    /// <summary>Blocks that no cache holds. Any thread may ask.</summary>
    public abstract int FreeBlockCount { get; }

    /// <summary>[rows wanted, hidden_size] what the head made the logits of the last batch from, after the final norm; of a batch of more than
    /// <see cref="EngineOptions.MaxBatchTokens"/> tokens, only the rows of its last part. Valid until the next batch.</summary>
    public abstract ReadOnlySpan<float> FinalHidden { get; }

    /// <summary>Makes an empty cache for one sequence.</summary>
    public abstract KvCache CreateCache();

    /// <summary>Makes an adapter ready, to be named by slices of batches. The model may compute meanwhile.</summary>
    /// <param name="adapter">Open, and opened for this model's config; it may be closed afterwards.</param>
    /// <exception cref="CheckpointException">It adapts projections that are not computed with adapters.</exception>
    public abstract DecoderAdapter AddAdapter(LoraAdapter adapter);

    /// <summary>Threads of the model; they are idle between its calls.</summary>
    internal abstract ThreadCrew Crew { get; }

    /// <summary>What guesses tokens of one sequence; null where the checkpoint has no layer for that. Used between forward passes.</summary>
    internal virtual TokenPredictor? CreatePredictor() => null;

    /// <summary>Whether no weights are left to repack.</summary>
    internal abstract bool IsRepacked { get; }

    /// <summary>Repacks some of the weights of a model that was opened with <see cref="EngineOptions.DefersRepacking"/>; no number changes.</summary>
    /// <param name="byteCount">Bytes after which it is enough for now.</param>
    /// <exception cref="OutOfMemoryException">There is no memory for more; what is left is computed from the file.</exception>
    internal abstract void Repack(long byteCount);

    /// <summary>Computes the tokens of a batch, adds them to their caches and writes the logits asked for. The numbers of a sequence depend
    /// on its own tokens only: not on its batch mates, nor on how its tokens are cut into batches.</summary>
    /// <param name="batch">The slices; <see cref="ScheduledBatch.Logits"/> is written.</param>
    /// <exception cref="ArgumentException">A token id is out of range, a sequence would pass <see cref="MaxContext"/>, appears twice, is closed or
    /// belongs to another model. Found before anything is computed.</exception>
    /// <exception cref="KvCacheFullException">The caches have no room for the tokens. Nothing was computed.</exception>
    /// <remarks>With <see cref="MlaForm.Auto"/> the cuts of a prompt may change last bits; see there.</remarks>
    public abstract void Forward(ScheduledBatch batch);

    /// <summary>Releases threads and memory; the checkpoint it reads from stays open.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc cref="Dispose()"/>
    /// <param name="disposing">True when called by <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
    }
}
