using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Hadal.Cli;

/// <summary>Options that take numbers or one of some words, with messages that say what was expected and found.</summary>
internal static class Numbers
{
    /// <summary>A whole number within limits.</summary>
    public static Option<int?> Integer(string name, int minimum, int maximum, string description) => new(name)
    {
        Description = description,
        HelpName = "N",
        CustomParser = result => int.TryParse(Value(result), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= minimum && number <= maximum
            ? number
            : Refuse<int>(result, name, string.Create(CultureInfo.InvariantCulture, $"a whole number from {minimum} to {maximum}")),
    };

    /// <summary>A whole number of 64 bits without sign.</summary>
    public static Option<ulong?> Unsigned(string name, string helpName, string description) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = result => ulong.TryParse(Value(result), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : Refuse<ulong>(result, name, string.Create(CultureInfo.InvariantCulture, $"a whole number from 0 to {ulong.MaxValue}")),
    };

    /// <summary>A number; its range is checked by who uses it.</summary>
    public static Option<double?> Real(string name, string helpName, string description) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = result => double.TryParse(Value(result), NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? number
            : Refuse<double>(result, name, "a number"),
    };

    /// <summary>One of some words.</summary>
    public static Option<T?> Word<T>(string name, string description, params (string Word, T Value)[] words)
        where T : struct
    {
        string[] names = [.. words.Select(entry => entry.Word)];
        return new(name)
        {
            Description = description,
            HelpName = string.Join('|', names),
            CustomParser = result => words.FirstOrDefault(entry => entry.Word == Value(result)) is { Word: not null } found
                ? found.Value
                : Refuse<T>(result, name, $"{string.Join(", ", names[..^1])} or {names[^1]}"),
        };
    }

    /// <summary>Token ids separated by commas or spaces, as JSON arrays have them or without brackets.</summary>
    /// <param name="text">The text.</param>
    /// <param name="where">Names the source in messages.</param>
    /// <exception cref="FormatException">Something is no id.</exception>
    public static int[] TokenIds(string text, string where)
    {
        var span = text.AsSpan().Trim();
        if (span.StartsWith('[') && span.EndsWith(']')) span = span[1..^1];
        var ids = new List<int>();
        foreach (var range in span.SplitAny(" \t\r\n,"))
        {
            var word = span[range];
            if (word.IsEmpty) continue;
            if (!int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
                throw new FormatException($"{where}: expected token ids such as 1,2,3, found '{Excerpt(word)}'");
            ids.Add(id);
        }

        return [.. ids];
    }

    private static string Excerpt(ReadOnlySpan<char> word) => word.Length <= 32 ? word.ToString() : string.Concat(word[..32], "…");

    private static string Value(ArgumentResult result) => result.Tokens.Count > 0 ? result.Tokens[^1].Value : "";

    /// <summary>Says that an option was given something else than expected.</summary>
    private static T? Refuse<T>(ArgumentResult result, string name, string expected) where T : struct
    {
        result.AddError($"{name}: expected {expected}, found '{Excerpt(Value(result))}'");
        return null;
    }
}
