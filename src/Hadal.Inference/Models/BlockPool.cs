using System.Runtime.InteropServices;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models;

/// <summary>What one token leaves in the cache: two rows per layer.</summary>
/// <param name="LayerCount">Layers that have a cache.</param>
/// <param name="First">Keys of all heads, or latent and rotated key.</param>
/// <param name="Second">Values of all heads, or the key of the indexer.</param>
internal readonly record struct CacheLayout(int LayerCount, CacheRows First, CacheRows Second)
{
    /// <summary>Bytes of one block over all layers.</summary>
    public long BlockBytes => LayerCount * LayerBytes;

    /// <summary>Bytes of one block in one layer.</summary>
    public long LayerBytes => First.BlockBytes + Second.BlockBytes;

    /// <summary>Blocks that hold so many tokens.</summary>
    public static int BlocksFor(int tokens) => (tokens + BlockPool.BlockTokens - 1) / BlockPool.BlockTokens;
}

/// <summary>The memory of all caches of a model: blocks of <see cref="BlockTokens"/> tokens over all layers, made once.</summary>
/// <remarks>Pages are touched when first written, so an idle pool costs address space only. Not thread-safe, like its model.</remarks>
internal sealed unsafe class BlockPool : IDisposable
{
    /// <summary>Tokens of a block.</summary>
    public const int BlockTokens = BlockedAttention.BlockTokens;

    private readonly int[] _free;
    private readonly int[] _users;
    private readonly SharedBlocks _shared;
    private byte* _memory;
    private int _freeCount;

    /// <exception cref="OutOfMemoryException">The system does not give so much address space.</exception>
    public BlockPool(CacheLayout layout, int blockCount)
    {
        Layout = layout;
        BlockCount = blockCount;
        _free = new int[blockCount];
        _users = new int[blockCount];
        _shared = new SharedBlocks(blockCount);
        for (var i = 0; i < blockCount; i++) _free[i] = blockCount - 1 - i;
        _freeCount = blockCount;
        _memory = (byte*)NativeMemory.AlignedAlloc(checked((nuint)(blockCount * layout.BlockBytes)), 64);
    }

    public CacheLayout Layout { get; }

    public int BlockCount { get; }

    /// <summary>Blocks that no cache uses, whether they hold something known or nothing.</summary>
    public int FreeCount => Volatile.Read(ref _freeCount);

    public bool IsDisposed => _memory == null;

    /// <summary>Takes a block that holds nothing, or the one that was not used for longest.</summary>
    public int Take()
    {
        var block = _freeCount > _shared.IdleCount ? _free[_freeCount - _shared.IdleCount - 1] : _shared.TakeIdle();
        _freeCount--;
        _users[block] = 1;
        return block;
    }

    /// <summary>Gives a block back; what it holds, if that is known, can be found until the room is needed.</summary>
    public void Return(int block)
    {
        if (--_users[block] > 0) return;
        if (_shared.Has(block)) _shared.SetIdle(block);
        else _free[_freeCount - _shared.IdleCount] = block;
        _freeCount++;
    }

    /// <summary>Uses the block that holds something, beside others that use it.</summary>
    public bool TryShare(BlockHash name, out int block)
    {
        if (!_shared.TryFind(name, out block)) return false;
        Use(block);
        return true;
    }

    /// <summary>Takes a block with a copy of one that begins with the same tokens; the holder of the copy writes behind them.</summary>
    /// <param name="before">What is in front.</param>
    /// <param name="tokenIds">Tokens looked for.</param>
    /// <param name="block">The copy.</param>
    /// <returns>How many of the tokens it holds; 0: no block begins so, or there is no room for a copy.</returns>
    public int Copy(BlockHash before, ReadOnlySpan<int> tokenIds, out int block)
    {
        block = -1;
        var count = _shared.FindLongest(before, tokenIds, out var source);
        if (count == 0) return 0;

        // In use meanwhile, so that it is not itself the room that is taken.
        Use(source);
        if (_freeCount == 0)
        {
            count = 0;
        }
        else
        {
            block = Take();
            NativeMemory.Copy(First(source, 0), First(block, 0), (nuint)Layout.BlockBytes);
        }

        Return(source);
        return count;
    }

    /// <summary>Says what a block holds, so that others find it. It is not written any more. Where a block that nobody uses holds the same, that one is free for something else.</summary>
    /// <param name="block">The block.</param>
    /// <param name="before">What is in front.</param>
    /// <param name="tokenIds">Its tokens.</param>
    /// <param name="name">The hash of both.</param>
    public void Name(int block, BlockHash before, ReadOnlySpan<int> tokenIds, BlockHash name)
    {
        if (_shared.TryFind(name, out var other) && _users[other] == 0)
        {
            _shared.Forget(other);
            _free[_freeCount - _shared.IdleCount - 1] = other;
        }

        _shared.Name(block, before, tokenIds, name);
    }

    /// <summary>The first rows of a layer in a block.</summary>
    public byte* First(int block, int layer) => _memory + (block * Layout.BlockBytes) + (layer * Layout.LayerBytes);

    /// <summary>The second rows of a layer in a block.</summary>
    public byte* Second(int block, int layer) => First(block, layer) + Layout.First.BlockBytes;

    private void Use(int block)
    {
        if (_users[block]++ > 0) return;
        _shared.SetUsed(block);
        _freeCount--;
    }

    public void Dispose()
    {
        if (_memory == null) return;
        NativeMemory.AlignedFree(_memory);
        _memory = null;
    }
}
