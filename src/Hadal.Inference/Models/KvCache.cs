namespace Hadal.Inference.Models;

/// <summary>What one sequence keeps between forward passes. Belongs to the model that made it; not thread-safe.</summary>
public abstract class KvCache : IDisposable
{
    /// <summary>Tokens computed so far.</summary>
    public abstract int Length { get; }

    /// <summary>Forgets all but the first tokens.</summary>
    /// <param name="length">Tokens to keep, 0 to <see cref="Length"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">More than there are, or negative.</exception>
    public abstract void Truncate(int length);

    /// <summary>Takes over what other sequences have computed of the same beginning, at most all tokens but the last: whole blocks as they are, and a copy of the one that agrees
    /// furthest behind them. The cache must be empty; from now on what was shared can be forgotten as a whole only.</summary>
    /// <param name="root">What stands in front of the first token.</param>
    /// <param name="tokenIds">Tokens of the sequence.</param>
    internal abstract void Reuse(BlockHash root, ReadOnlySpan<int> tokenIds);

    /// <summary>Lets other sequences find what was computed.</summary>
    /// <param name="tokenIds">Tokens of the sequence, at least <see cref="Length"/>.</param>
    /// <param name="isEnd">No further tokens will be computed: also what does not fill a block can be found.</param>
    internal abstract void Share(ReadOnlySpan<int> tokenIds, bool isEnd);

    /// <summary>Gives the memory back to the model.</summary>
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
