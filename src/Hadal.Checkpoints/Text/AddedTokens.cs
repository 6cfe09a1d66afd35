using System.Buffers;
using System.Globalization;
using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>A token that is matched in the text itself, before the text is split.</summary>
/// <param name="Id">Token id.</param>
/// <param name="Content">Its text.</param>
/// <param name="IsControl">Recognised in trusted text only.</param>
/// <param name="IsNormalized">Matched in normalised text instead of the text as given.</param>
/// <param name="IsSingleWord">Matched only where no word character stands next to it.</param>
/// <param name="StripsLeft">Takes the white space before it.</param>
/// <param name="StripsRight">Takes the white space after it.</param>
internal sealed record AddedToken(
    int Id, string Content, bool IsControl, bool IsNormalized = false, bool IsSingleWord = false, bool StripsLeft = false, bool StripsRight = false)
{
    /// <summary>True for texts of the shape <c>&lt;|…|&gt;</c> or <c>&lt;｜…｜&gt;</c>, which mark roles and borders whatever their file says.</summary>
    public static bool LooksLikeMarker(string content) =>
        content.Length > 4 && ((content.StartsWith("<|", StringComparison.Ordinal) && content.EndsWith("|>", StringComparison.Ordinal))
            || (content.StartsWith("<\uFF5C", StringComparison.Ordinal) && content.EndsWith("\uFF5C>", StringComparison.Ordinal)));
}

/// <summary>Finds added tokens: at each position, from left to right, the longest one whose kind is allowed there. One that should stand
/// alone and does not is passed over as a whole: no other token is looked for in it.</summary>
internal sealed class AddedTokens
{
    // Edges of the tree of all tokens.
    private const int MaxEdges = 1 << 22;

    private readonly Dictionary<long, int> _edges = [];
    private readonly List<AddedToken?> _ends = [null];
    private readonly SearchValues<char> _firstUnits;

    public AddedTokens(IEnumerable<AddedToken> tokens)
    {
        var firstUnits = new HashSet<char>();
        foreach (var token in tokens)
        {
            var node = 0;
            foreach (var unit in token.Content)
            {
                if (!_edges.TryGetValue(Edge(node, unit), out var next))
                {
                    next = _ends.Count;
                    if (next > MaxEdges) throw new CheckpointException($"the added tokens have more than {MaxEdges} characters together");
                    _edges.Add(Edge(node, unit), next);
                    _ends.Add(null);
                }

                node = next;
            }

            _ends[node] ??= token;
            firstUnits.Add(token.Content[0]);
        }

        _firstUnits = SearchValues.Create([.. firstUnits]);
    }

    /// <summary>True if there are none.</summary>
    public bool IsEmpty => _edges.Count == 0;

    /// <summary>Splits a text at its added tokens.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="isTrusted">Whether the units [begin, end) lie within trusted text.</param>
    /// <param name="onText">Takes a stretch [begin, end) between tokens; never empty.</param>
    /// <param name="onToken">Takes a token.</param>
    public void Split(string text, Func<int, int, bool> isTrusted, Action<int, int> onText, Action<AddedToken> onToken)
    {
        var begin = 0;
        for (var position = 0; position < text.Length; position++)
        {
            var skipped = text.AsSpan(position).IndexOfAny(_firstUnits);
            if (skipped < 0) break;
            position += skipped;
            if (LongestAt(text, position, isTrusted) is not { } token) continue;

            int from = position, to = position + token.Content.Length;
            if (token.IsSingleWord && !StandsAlone(text, from, to))
            {
                position = to - 1;
                continue;
            }

            if (token.StripsLeft) while (from > begin && char.IsWhiteSpace(text[from - 1])) from--;
            if (token.StripsRight) while (to < text.Length && char.IsWhiteSpace(text[to])) to++;
            if (from > begin) onText(begin, from);
            onToken(token);
            begin = to;
            position = to - 1;
        }

        if (begin < text.Length) onText(begin, text.Length);
    }

    private AddedToken? LongestAt(string text, int begin, Func<int, int, bool> isTrusted)
    {
        AddedToken? longest = null;
        var node = 0;
        for (var position = begin; position < text.Length && _edges.TryGetValue(Edge(node, text[position]), out node); position++)
        {
            if (_ends[node] is { } token && (!token.IsControl || isTrusted(begin, position + 1))) longest = token;
        }

        return longest;
    }

    private static bool StandsAlone(string text, int begin, int end) =>
        (begin == 0 || Rune.DecodeLastFromUtf16(text.AsSpan(0, begin), out var before, out _) != OperationStatus.Done || !IsWordCharacter(before))
        && (end == text.Length || Rune.DecodeFromUtf16(text.AsSpan(end), out var after, out _) != OperationStatus.Done || !IsWordCharacter(after));

    /// <summary>What <c>\w</c> matches: letters, marks, decimal digits, connectors, joiners, and the signs that Unicode calls alphabetic.</summary>
    private static bool IsWordCharacter(Rune rune) => Rune.IsLetterOrDigit(rune)
        || Rune.GetUnicodeCategory(rune) is UnicodeCategory.ConnectorPunctuation or UnicodeCategory.NonSpacingMark
            or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark or UnicodeCategory.LetterNumber
        || rune.Value is 0x200C or 0x200D or (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189);

    private static long Edge(int node, char unit) => ((long)node << 16) | unit;
}
