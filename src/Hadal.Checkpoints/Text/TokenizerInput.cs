using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>The joined text of a prompt and which stretches of it are trusted.</summary>
internal sealed class TokenizerInput
{
    private readonly List<int> _trustedBegins = [];
    private readonly List<int> _trustedEnds = [];

    private TokenizerInput(string text) => Text = text;

    /// <summary>The text; well-formed UTF-16.</summary>
    public string Text { get; }

    public static TokenizerInput Join(IReadOnlyList<TextSegment> segments)
    {
        ArgumentNullException.ThrowIfNull(segments);
        foreach (var segment in segments)
            if (segment.Text is null) throw new ArgumentNullException(nameof(segments), "the text of a segment is null");

        var input = new TokenizerInput(WellFormed(segments.Count == 1 ? segments[0].Text : string.Concat(segments.Select(s => s.Text))));
        var offset = 0;
        foreach (var (text, isTrusted) in segments)
        {
            var end = offset + text.Length;
            if (isTrusted && text.Length > 0) input.Trust(offset, end);
            offset = end;
        }

        return input;
    }

    /// <summary>True if the UTF-16 units [begin, end) all lie within trusted text.</summary>
    public bool IsTrusted(int begin, int end)
    {
        var index = _trustedBegins.BinarySearch(begin);
        if (index < 0) index = ~index - 1;
        return index >= 0 && end <= _trustedEnds[index];
    }

    private void Trust(int begin, int end)
    {
        if (_trustedEnds.Count > 0 && _trustedEnds[^1] == begin)
        {
            _trustedEnds[^1] = end;
            return;
        }

        _trustedBegins.Add(begin);
        _trustedEnds.Add(end);
    }

    /// <summary>Replaces each lone surrogate by U+FFFD; both are one UTF-16 unit, so offsets stay.</summary>
    private static string WellFormed(string text)
    {
        var span = text.AsSpan();
        var index = 0;
        while (index < span.Length && (!char.IsSurrogate(span[index]) || StartsPair(span, index))) index += char.IsSurrogate(span[index]) ? 2 : 1;
        if (index >= span.Length) return text;

        var units = text.ToCharArray();
        for (; index < units.Length; index++)
        {
            if (!char.IsSurrogate(units[index])) continue;
            if (StartsPair(units, index)) index++;
            else units[index] = (char)Rune.ReplacementChar.Value;
        }

        return new string(units);
    }

    private static bool StartsPair(ReadOnlySpan<char> units, int index) =>
        index + 1 < units.Length && char.IsSurrogatePair(units[index], units[index + 1]);
}
