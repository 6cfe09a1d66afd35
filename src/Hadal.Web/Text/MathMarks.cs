using System.Text;

namespace Hadal.Web.Text;

/// <summary>Models write formulas between <c>\(…\)</c> and <c>\[…\]</c> as often as between dollar signs; Markdown knows the latter only.</summary>
internal static class MathMarks
{
    /// <summary>The text with all formulas between dollar signs. Code stays as it is.</summary>
    public static string ToDollars(string text)
    {
        if (!text.Contains("\\(", StringComparison.Ordinal) && !text.Contains("\\[", StringComparison.Ordinal)) return text;
        var result = new StringBuilder(text.Length);
        var at = 0;
        while (at < text.Length)
        {
            if (text[at] == '`') at = CopyCode(text, at, result);
            else if (text[at] == '\\' && at + 1 < text.Length && Close(text[at + 1]) is { } close && text.IndexOf(close, at + 2, StringComparison.Ordinal) is var end and >= 0 && IsOne(text.AsSpan(at + 2, end - at - 2), close))
            {
                var isDisplay = close == "\\]";
                var mark = isDisplay ? "$$" : "$";
                var formula = text.AsSpan(at + 2, end - at - 2).Trim();
                result.Append(mark).Append(formula).Append(mark);
                at = end + 2;
            }
            else
            {
                // An escaped character is never a mark.
                var length = text[at] == '\\' && at + 1 < text.Length ? 2 : 1;
                result.Append(text, at, length);
                at += length;
            }
        }

        return result.ToString();
    }

    private static string? Close(char open) => open switch
    {
        '(' => "\\)",
        '[' => "\\]",
        _ => null,
    };

    /// <summary>Whether it is one formula: a formula in a line has no empty line in it, and no dollar signs.</summary>
    private static bool IsOne(ReadOnlySpan<char> formula, string close) =>
        !formula.IsWhiteSpace() && formula.IndexOf('$') < 0 && (close == "\\]" || !formula.Contains("\n\n", StringComparison.Ordinal));

    /// <summary>Copies code up to the same number of back ticks.</summary>
    private static int CopyCode(string text, int at, StringBuilder result)
    {
        var length = 1;
        while (at + length < text.Length && text[at + length] == '`') length++;
        var end = text.IndexOf(new string('`', length), at + length, StringComparison.Ordinal);

        // Code that has not ended goes on to the end, if it is a block.
        var stop = end >= 0 ? end + length : length >= 3 ? text.Length : at + length;
        result.Append(text, at, stop - at);
        return stop;
    }
}
