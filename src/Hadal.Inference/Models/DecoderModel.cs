using Hadal.Checkpoints.Config;

namespace Hadal.Inference.Models;

/// <summary>A decoder that computes logits of the next token. Not thread-safe; owns its threads and scratch memory.</summary>
public abstract class DecoderModel : IDisposable
{
    /// <summary>The model's config.</summary>
    public abstract ModelConfig Config { get; }

    /// <summary>Tokens of one sequence at most.</summary>
    public abstract int MaxContext { get; }

    /// <summary>Makes an empty cache for one sequence.</summary>
    public abstract KvCache CreateCache();

    /// <summary>Computes the tokens of a batch, adds them to their caches and writes the logits asked for. The numbers of a sequence depend
    /// on its own tokens only: not on its batch mates, nor on how its tokens are cut into batches.</summary>
    /// <param name="batch">The slices; <see cref="ScheduledBatch.Logits"/> is written.</param>
    /// <exception cref="ArgumentException">A token id is out of range, or a sequence would pass <see cref="MaxContext"/>.</exception>
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
