namespace Hadal.Inference.Grammars;

/// <summary>A node of a trie that lies in an array in preorder.</summary>
internal struct TrieNode
{
    /// <summary>Index of the first node behind this one's descendants.</summary>
    public int End;

    /// <summary>Index of the first token at or below this node; those at it come first, up to the next node's.</summary>
    public int FirstToken;

    /// <summary>Number of bytes on the way here, this node's included.</summary>
    public ushort Depth;

    /// <summary>The byte that leads here.</summary>
    public byte Value;

    /// <summary>All that follows from here on, this byte included, is plain text or the beginning of it (see <see cref="PlainTokens"/>).</summary>
    public bool IsPlain;
}

/// <summary>A trie of byte strings that carry tokens.</summary>
internal sealed class TrieNodes
{
    private TrieNodes(TrieNode[] nodes, int[] tokens)
    {
        Nodes = nodes;
        Tokens = tokens;
    }

    /// <summary>The nodes; the root is not among them. The last one is a sentinel that only says where tokens end.</summary>
    public TrieNode[] Nodes { get; }

    /// <summary>Token ids in the order of the nodes.</summary>
    public int[] Tokens { get; }

    /// <summary>Number of nodes without the sentinel.</summary>
    public int Count => Nodes.Length - 1;

    /// <summary>Largest depth of a node.</summary>
    public int MaxDepth { get; private init; }

    /// <summary>Builds the trie of some tokens.</summary>
    /// <param name="ids">Token ids; sorted by this method.</param>
    /// <param name="bytesOf">The string of a token; the empty string is left out.</param>
    public static TrieNodes Build(int[] ids, Func<int, ReadOnlyMemory<byte>> bytesOf)
    {
        var strings = ids.Select(bytesOf).ToArray();
        Array.Sort(strings, ids, Comparer<ReadOnlyMemory<byte>>.Create((x, y) => x.Span.SequenceCompareTo(y.Span)));
        var nodes = new List<TrieNode>();
        var tokens = new List<int>(ids.Length);
        var path = new List<int>();
        var last = ReadOnlyMemory<byte>.Empty;
        var maxDepth = 0;
        for (var index = 0; index < ids.Length; index++)
        {
            var text = strings[index].Span;
            if (text.Length == 0) continue;
            if (text.Length > ushort.MaxValue) throw new GrammarException($"token {ids[index]} has {text.Length} bytes; tokens of up to {ushort.MaxValue} can be constrained");
            Close(nodes, path, text.CommonPrefixLength(last.Span));
            for (var depth = path.Count; depth < text.Length; depth++)
            {
                path.Add(nodes.Count);
                nodes.Add(new TrieNode { FirstToken = tokens.Count, Depth = (ushort)(depth + 1), Value = text[depth] });
            }
            tokens.Add(ids[index]);
            last = strings[index];
            maxDepth = Math.Max(maxDepth, text.Length);
        }
        Close(nodes, path, 0);
        nodes.Add(new TrieNode { End = nodes.Count, FirstToken = tokens.Count });
        var array = nodes.ToArray();
        MarkPlain(array);
        return new TrieNodes(array, [.. tokens]) { MaxDepth = maxDepth };
    }

    /// <summary>Index of the first node below the root with a byte, or −1.</summary>
    public int ChildOfRoot(byte value)
    {
        for (var index = 0; index < Count; index = Nodes[index].End)
            if (Nodes[index].Value == value) return index;
        return -1;
    }

    private static void Close(List<TrieNode> nodes, List<int> path, int depth)
    {
        var span = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(nodes);
        for (var level = depth; level < path.Count; level++) span[path[level]].End = nodes.Count;
        path.RemoveRange(depth, path.Count - depth);
    }

    private static void MarkPlain(TrieNode[] nodes)
    {
        for (var index = nodes.Length - 2; index >= 0; index--)
        {
            ref var node = ref nodes[index];
            node.IsPlain = PlainTokens.IsPlainAscii(node.Value)
                ? Children(nodes, index, static (nodes, child, _, _, _) => nodes[child].IsPlain, 0, 0, 0)
                : Utf8Lead.TryGet(node.Value, out var length, out var low, out var high) && Continues(nodes, index, length - 1, low, high);
        }
    }

    /// <summary>True if all below a node goes on with so many continuation bytes, the first of them in a range, and with plain text behind.</summary>
    private static bool Continues(TrieNode[] nodes, int index, int count, byte low, byte high) => count == 0
        ? Children(nodes, index, static (nodes, child, _, _, _) => nodes[child].IsPlain, 0, 0, 0)
        : Children(
            nodes, index,
            static (nodes, child, count, low, high) => nodes[child].Value >= low && nodes[child].Value <= high && Continues(nodes, child, count - 1, 0x80, 0xBF),
            count, low, high);

    private static bool Children(TrieNode[] nodes, int index, Func<TrieNode[], int, int, byte, byte, bool> holds, int count, byte low, byte high)
    {
        for (var child = index + 1; child < nodes[index].End; child = nodes[child].End)
            if (!holds(nodes, child, count, low, high)) return false;
        return true;
    }
}

/// <summary>What the first byte of a plain character of several bytes says of it (Unicode 17, table 3-7). U+2000 to U+203F are left out: among them are
/// the line separators, which many patterns exclude.</summary>
internal static class Utf8Lead
{
    /// <summary>Length of the character in bytes, and the range of its second byte; false for bytes that begin no character of several bytes.</summary>
    public static bool TryGet(byte lead, out int length, out byte low, out byte high)
    {
        length = lead switch { >= 0xC2 and <= 0xDF => 2, >= 0xE0 and <= 0xEF => 3, >= 0xF0 and <= 0xF4 => 4, _ => 0 };
        low = lead switch { 0xE0 => 0xA0, 0xE2 => 0x81, 0xF0 => 0x90, _ => 0x80 };
        high = lead switch { 0xED => 0x9F, 0xF4 => 0x8F, _ => 0xBF };
        return length != 0;
    }
}
