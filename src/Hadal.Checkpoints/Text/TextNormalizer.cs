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

    /// <summary>Lower case, one code point for one.</summary>
    public static string Lowercase(string text) => Map(text, Rune.ToLowerInvariant);

    /// <summary>Drops marks that add to the character before them; what carries an accent in one code point keeps it unless decomposed before.</summary>
    public static string StripAccents(string text) => Keep(text, rune => Rune.GetUnicodeCategory(rune) != UnicodeCategory.NonSpacingMark);

    /// <summary>Drops white space at the ends.</summary>
    public static string Strip(string text, bool left, bool right)
    {
        if (left) text = text.TrimStart();
        return right ? text.TrimEnd() : text;
    }

    /// <summary>Puts a text in front of any text but the empty one.</summary>
    public static string Prepend(string text, string prefix) => text.Length == 0 ? text : prefix + text;

    private static string Map(string text, Func<Rune, Rune> map)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes()) result.Append(map(rune));
        return result.ToString();
    }

    private static string Keep(string text, Func<Rune, bool> keeps)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            if (keeps(rune)) result.Append(rune);
        return result.ToString();
    }
}
