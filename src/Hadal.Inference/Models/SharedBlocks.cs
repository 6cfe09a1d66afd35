using System.Diagnostics.CodeAnalysis;

namespace Hadal.Inference.Models;

/// <summary>Blocks by what they hold, and those of them that nobody uses at the moment, the longest unused first. Makes everything at once, so that naming a block allocates nothing.</summary>
internal sealed class SharedBlocks
{
    private readonly Dictionary<BlockHash, int> _blocks;
    private readonly BlockHash?[] _names;
    private readonly LinkedListNode<int>[] _nodes;
    private readonly LinkedList<int> _idle = [];

    public SharedBlocks(int blockCount)
    {
        _blocks = new Dictionary<BlockHash, int>(blockCount);
        _names = new BlockHash?[blockCount];
        _nodes = [.. Enumerable.Range(0, blockCount).Select(block => new LinkedListNode<int>(block))];
    }

    /// <summary>Blocks that hold something known and that nobody uses.</summary>
    public int IdleCount => _idle.Count;

    /// <summary>Whether a block holds something known.</summary>
    public bool Has(int block) => _names[block] is not null;

    /// <summary>Finds the block that holds something.</summary>
    public bool TryFind(BlockHash name, [MaybeNullWhen(false)] out int block) => _blocks.TryGetValue(name, out block);

    /// <summary>Says what a block holds, unless another holds the same.</summary>
    public void Name(int block, BlockHash name)
    {
        if (_names[block] is null && _blocks.TryAdd(name, block)) _names[block] = name;
    }

    /// <summary>Nobody uses a block any more; what it holds stays until the room is needed.</summary>
    public void SetIdle(int block) => _idle.AddLast(_nodes[block]);

    /// <summary>A block is used again.</summary>
    public void SetUsed(int block) => _idle.Remove(_nodes[block]);

    /// <summary>Forgets what the longest unused block holds, and gives it.</summary>
    public int TakeIdle()
    {
        var node = _idle.First!;
        _idle.Remove(node);
        _blocks.Remove(_names[node.Value]!.Value);
        _names[node.Value] = null;
        return node.Value;
    }
}
