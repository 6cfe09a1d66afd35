namespace Hadal.Inference.Models;

/// <summary>The cache has no room for the tokens of a batch. Nothing was computed and no cache has changed.</summary>
public sealed class KvCacheFullException : InvalidOperationException
{
    /// <summary>Creates the exception without figures.</summary>
    public KvCacheFullException()
    {
    }

    /// <summary>Creates the exception with a message.</summary>
    public KvCacheFullException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message and a cause.</summary>
    public KvCacheFullException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Creates the exception from what was asked for and what there is, in blocks of tokens.</summary>
    internal KvCacheFullException(int neededBlocks, int freeBlocks)
        : base($"the cache is full: the batch needs {neededBlocks} more blocks of {BlockPool.BlockTokens} tokens, {freeBlocks} are free; end a sequence or raise MaxSequences")
    {
    }
}
