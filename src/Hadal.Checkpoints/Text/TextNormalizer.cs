using System.Globalization;
using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>The changes a tokenizer makes to text before it is split, in order.</summary>
internal sealed class TextNormalizer
{
    private readonly IReadOnlyList<Func<string, string>> _steps;

    private TextNormalizer(IReadOnlyList<Func<string, string>> steps) => _steps = steps;

    /// <summary>Changes nothing.</summary>
    public static TextNormalizer None { get; } = new([]);

    /// <summary>True if no text is ever changed.</summary>
    public bool IsNone => _steps.Count == 0;

    /// <summary>The given steps, each a function of <see cref="TextNormalizer"/> or <see cref="Normalization"/>.</summary>
    public static TextNormalizer Of(IReadOnlyList<Func<string, string>> steps) => steps.Count == 0 ? None : new TextNormalizer(steps);

    /// <summary>The normalised text.</summary>
    public string Apply(string text)
    {
        foreach (var step in _steps) text = step(text);
        return text;
    }

    /// <summary>Lower case of each code point by itself: no final sigma. One code point becomes two: U+0130, an i with its dot.</summary>
    public static string Lowercase(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value == 0x130) result.Append("i\u0307");
            else result.Append(Rune.ToLowerInvariant(rune));
        }

        return result.ToString();
    }

    /// <summary>Drops all marks; what carries an accent in one code point keeps it unless decomposed before.</summary>
    public static string StripAccents(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            if (Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark)) result.Append(rune);
        return result.ToString();
    }

    /// <summary>Drops white space at the ends.</summary>
    public static string Strip(string text, bool left, bool right)
    {
        if (left) text = text.TrimStart();
        return right ? text.TrimEnd() : text;
    }

    /// <summary>Puts a text in front of any text but the empty one.</summary>
    public static string Prepend(string text, string prefix) => text.Length == 0 ? text : prefix + text;
}
