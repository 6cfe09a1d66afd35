using System.Text;

namespace Hadal.Inference.Grammars;

/// <summary>Turns bytes that must come into the tokens a tokenizer would use for them.</summary>
internal static class ForcedText
{
    /// <summary>Tokens of the bytes, without those at the end that would be others once more text follows.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="bytes">The bytes.</param>
    /// <param name="endsHere">Nothing can follow the bytes.</param>
    public static IReadOnlyList<int> Tokens(TokenTrie vocabulary, byte[] bytes, bool endsHere)
    {
        var tokens = Encoded(vocabulary, bytes) ?? Longest(vocabulary, bytes);
        var keep = endsHere ? bytes.Length : bytes.Length - OpenEnd(vocabulary.Whole, bytes);
        var (kept, length) = (0, 0);
        while (kept < tokens.Count && length + vocabulary.TokenBytes(tokens[kept]).Length <= keep) length += vocabulary.TokenBytes(tokens[kept++]).Length;
        return kept == tokens.Count ? tokens : tokens.Take(kept).ToArray();
    }

    /// <summary>The tokenizer's own choice, or null where there is no tokenizer or its tokens are not these bytes.</summary>
    private static IReadOnlyList<int>? Encoded(TokenTrie vocabulary, byte[] bytes)
    {
        if (vocabulary.Tokenizer is not { } tokenizer) return null;
        var length = bytes.Length;
        while (length > 0 && length > bytes.Length - 4 && !System.Text.Unicode.Utf8.IsValid(bytes.AsSpan(0, length))) length--;
        if (!System.Text.Unicode.Utf8.IsValid(bytes.AsSpan(0, length))) return null;

        var ids = tokenizer.Encode(Encoding.UTF8.GetString(bytes, 0, length), addSpecial: false);
        var position = 0;
        foreach (var id in ids)
        {
            var token = vocabulary.TokenBytes(id);
            if (token.Length == 0 || !bytes.AsSpan(position).StartsWith(token)) return null;
            position += token.Length;
        }
        return ids;
    }

    /// <summary>The longest token at every place, as far as there is one.</summary>
    private static List<int> Longest(TokenTrie vocabulary, byte[] bytes)
    {
        var tokens = new List<int>();
        for (var position = 0; position < bytes.Length;)
        {
            var (id, length) = LongestAt(vocabulary.Whole, bytes.AsSpan(position));
            if (length == 0) break;
            tokens.Add(id);
            position += length;
        }
        return tokens;
    }

    private static (int Id, int Length) LongestAt(TrieNodes trie, ReadOnlySpan<byte> bytes)
    {
        var best = (Id: -1, Length: 0);
        var (index, end) = (0, trie.Count);
        for (var depth = 0; depth < bytes.Length && Child(trie, index, end, bytes[depth]) is var child && child >= 0; depth++)
        {
            if (trie.Nodes[child + 1].FirstToken > trie.Nodes[child].FirstToken) best = (trie.Tokens[trie.Nodes[child].FirstToken], depth + 1);
            (index, end) = (child + 1, trie.Nodes[child].End);
        }
        return best;
    }

    /// <summary>Length of the longest end of the bytes that some token goes on from.</summary>
    private static int OpenEnd(TrieNodes trie, byte[] bytes)
    {
        for (var start = Math.Max(0, bytes.Length - trie.MaxDepth); start < bytes.Length; start++)
            if (GoesOn(trie, bytes.AsSpan(start))) return bytes.Length - start;
        return 0;
    }

    private static bool GoesOn(TrieNodes trie, ReadOnlySpan<byte> bytes)
    {
        var (index, end) = (0, trie.Count);
        foreach (var value in bytes)
        {
            var child = Child(trie, index, end, value);
            if (child < 0) return false;
            (index, end) = (child + 1, trie.Nodes[child].End);
        }
        return index < end;
    }

    private static int Child(TrieNodes trie, int index, int end, byte value)
    {
        for (; index < end; index = trie.Nodes[index].End)
            if (trie.Nodes[index].Value == value) return index;
        return -1;
    }
}
