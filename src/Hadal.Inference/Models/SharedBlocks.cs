using System.Diagnostics.CodeAnalysis;

namespace Hadal.Inference.Models;

/// <summary>Blocks by what they hold, and those of them that nobody uses at the moment, the longest unused first. Makes everything at once, so that naming a block allocates nothing.</summary>
internal sealed class SharedBlocks
{
    private const int None = -1;

    private readonly Dictionary<BlockHash, int> _blocks;
    private readonly Entry[] _entries;
    private readonly int[] _tokenIds;
    private readonly LinkedListNode<int>[] _nodes;
    private readonly LinkedList<int> _idle = [];

    /// <summary>For what is in front: the first of a chain of blocks that follow it.</summary>
    private readonly Dictionary<BlockHash, int> _followers;

    public SharedBlocks(int blockCount)
    {
        _blocks = new Dictionary<BlockHash, int>(blockCount);
        _followers = new Dictionary<BlockHash, int>(blockCount);
        _entries = new Entry[blockCount];
        _tokenIds = new int[blockCount * BlockPool.BlockTokens];
        _nodes = [.. Enumerable.Range(0, blockCount).Select(block => new LinkedListNode<int>(block))];
    }

    /// <summary>Blocks that hold something known and that nobody uses.</summary>
    public int IdleCount => _idle.Count;

    /// <summary>Whether a block holds something known.</summary>
    public bool Has(int block) => _entries[block].TokenCount > 0;

    /// <summary>Finds the block that holds something.</summary>
    public bool TryFind(BlockHash name, [MaybeNullWhen(false)] out int block) => _blocks.TryGetValue(name, out block);

    /// <summary>Finds the block whose beginning has most in common with some tokens.</summary>
    /// <param name="before">What is in front.</param>
    /// <param name="tokenIds">The tokens.</param>
    /// <param name="block">The block.</param>
    /// <returns>How many tokens they have in common; 0 where there is no such block.</returns>
    public int FindLongest(BlockHash before, ReadOnlySpan<int> tokenIds, out int block)
    {
        (block, var longest) = (None, 0);
        for (var next = _followers.GetValueOrDefault(before, None); next != None; next = _entries[next].Next)
        {
            var common = tokenIds.CommonPrefixLength(TokensOf(next)[.._entries[next].TokenCount]);
            if (common > longest) (block, longest) = (next, common);
        }

        return longest;
    }

    /// <summary>Says what a block holds, unless another holds the same.</summary>
    /// <param name="block">The block.</param>
    /// <param name="before">What is in front.</param>
    /// <param name="tokenIds">Its tokens.</param>
    /// <param name="name">The hash of both.</param>
    public void Name(int block, BlockHash before, ReadOnlySpan<int> tokenIds, BlockHash name)
    {
        if (Has(block) || !_blocks.TryAdd(name, block)) return;
        tokenIds.CopyTo(TokensOf(block));
        var next = _followers.GetValueOrDefault(before, None);
        if (next != None) _entries[next].Previous = block;
        _followers[before] = block;
        _entries[block] = new Entry { Name = name, Before = before, TokenCount = tokenIds.Length, Previous = None, Next = next };
    }

    /// <summary>Nobody uses a block any more; what it holds stays until the room is needed.</summary>
    public void SetIdle(int block) => _idle.AddLast(_nodes[block]);

    /// <summary>A block is used again.</summary>
    public void SetUsed(int block) => _idle.Remove(_nodes[block]);

    /// <summary>Forgets what the longest unused block holds, and gives it.</summary>
    public int TakeIdle()
    {
        var block = _idle.First!.Value;
        Forget(block);
        return block;
    }

    /// <summary>Forgets what a block holds that nobody uses.</summary>
    public void Forget(int block)
    {
        _idle.Remove(_nodes[block]);
        var entry = _entries[block];
        _blocks.Remove(entry.Name);
        if (entry.Next != None) _entries[entry.Next].Previous = entry.Previous;
        if (entry.Previous != None) _entries[entry.Previous].Next = entry.Next;
        else if (entry.Next != None) _followers[entry.Before] = entry.Next;
        else _followers.Remove(entry.Before);
        _entries[block] = default;
    }

    private Span<int> TokensOf(int block) => _tokenIds.AsSpan(block * BlockPool.BlockTokens, BlockPool.BlockTokens);

    /// <summary>What is known of a block; no tokens: nothing.</summary>
    private struct Entry
    {
        public BlockHash Name, Before;
        public int TokenCount, Previous, Next;
    }
}
