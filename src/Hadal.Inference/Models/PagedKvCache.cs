namespace Hadal.Inference.Models;

/// <summary>The cache of one sequence: a table of blocks of its model's pool.</summary>
internal sealed unsafe class PagedKvCache : KvCache
{
    private readonly BlockPool _pool;
    private readonly int[] _blocks;
    private int _blockCount;
    private int _length;
    private bool _isDisposed;
    private bool _shares;
    private BlockHash _hash;
    private int _hashedCount;

    public PagedKvCache(BlockPool pool, int maxContext)
    {
        _pool = pool;
        _blocks = new int[CacheLayout.BlocksFor(maxContext)];
    }

    /// <inheritdoc/>
    public override int Length => _length;

    public BlockPool Pool => _pool;

    public bool IsDisposed => _isDisposed;

    /// <summary>Mark of the batch this cache was last seen in, to find a sequence that appears twice.</summary>
    public long BatchMark { get; set; }

    /// <inheritdoc/>
    public override void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, _length);
        if (_shares && length > 0 && length < _hashedCount * BlockPool.BlockTokens) throw new InvalidOperationException("shared blocks can be forgotten as a whole only");
        _length = length;
        _shares &= length > 0;
        var kept = CacheLayout.BlocksFor(length);
        while (_blockCount > kept) _pool.Return(_blocks[--_blockCount]);
    }

    /// <inheritdoc/>
    internal override void Reuse(BlockHash root, ReadOnlySpan<int> tokenIds)
    {
        if (_length > 0) throw new InvalidOperationException("expected an empty cache");
        (_shares, _hash, _hashedCount) = (true, root, 0);
        while ((_hashedCount + 1) * BlockPool.BlockTokens < tokenIds.Length)
        {
            var next = NextHash(tokenIds);
            if (!_pool.TryShare(next, out var block)) break;
            _blocks[_blockCount++] = block;
            (_hash, _hashedCount) = (next, _hashedCount + 1);
        }

        var begin = _hashedCount * BlockPool.BlockTokens;
        var rest = tokenIds[begin..^1];
        var common = _pool.Copy(_hash, rest[..Math.Min(rest.Length, BlockPool.BlockTokens)], out var copy);
        if (common > 0) _blocks[_blockCount++] = copy;
        _length = begin + common;
    }

    /// <inheritdoc/>
    internal override void Share(ReadOnlySpan<int> tokenIds, bool isEnd)
    {
        if (!_shares) return;
        for (; (_hashedCount + 1) * BlockPool.BlockTokens <= _length; _hashedCount++) _hash = Name(tokenIds.Slice(_hashedCount * BlockPool.BlockTokens, BlockPool.BlockTokens));
        var begin = _hashedCount * BlockPool.BlockTokens;
        if (isEnd && begin < _length) Name(tokenIds[begin.._length]);
    }

    /// <summary>Blocks that are missing for so many tokens.</summary>
    public int BlocksMissing(int length) => Math.Max(0, CacheLayout.BlocksFor(length) - _blockCount);

    /// <summary>Takes the blocks for so many tokens; the caller has seen that there are enough.</summary>
    public void Reserve(int length)
    {
        for (var missing = BlocksMissing(length); missing > 0; missing--) _blocks[_blockCount++] = _pool.Take();
    }

    /// <summary>Counts tokens whose rows were written, up to a position.</summary>
    public void AdvanceTo(int length) => _length = length;

    /// <summary>The first rows of a layer in block <paramref name="blockIndex"/> of this sequence.</summary>
    public byte* FirstBlock(int layer, int blockIndex) => _pool.First(_blocks[blockIndex], layer);

    /// <summary>The second rows of a layer in block <paramref name="blockIndex"/> of this sequence.</summary>
    public byte* SecondBlock(int layer, int blockIndex) => _pool.Second(_blocks[blockIndex], layer);

    /// <summary>Writes the first row of a head at a position.</summary>
    public void WriteFirst(int layer, int position, int head, ReadOnlySpan<float> values) =>
        _pool.Layout.First.Write(FirstBlock(layer, position / BlockPool.BlockTokens), head, position % BlockPool.BlockTokens, values);

    /// <summary>Writes the second row of a head at a position.</summary>
    public void WriteSecond(int layer, int position, int head, ReadOnlySpan<float> values) =>
        _pool.Layout.Second.Write(SecondBlock(layer, position / BlockPool.BlockTokens), head, position % BlockPool.BlockTokens, values);

    private BlockHash Name(ReadOnlySpan<int> tokenIds)
    {
        var name = BlockHash.Next(_hash, tokenIds);
        _pool.Name(_blocks[_hashedCount], _hash, tokenIds, name);
        return name;
    }

    private BlockHash NextHash(ReadOnlySpan<int> tokenIds) =>
        BlockHash.Next(_hash, tokenIds.Slice(_hashedCount * BlockPool.BlockTokens, BlockPool.BlockTokens));

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!_isDisposed && !_pool.IsDisposed) Truncate(0);
        _isDisposed = true;
        _length = 0;
        base.Dispose(disposing);
    }
}
