namespace Hadal.Inference.Grammars.Lexicons;

/// <summary>Spellings of English terms.</summary>
internal static class TermSpellings
{
    /// <summary>The term and its variants.</summary>
    public static IEnumerable<string> Of(string term, LexiconOptions options)
    {
        foreach (var number in options.PluralVariants && Plural(term) is { } plural ? [term, plural] : new[] { term })
        {
            yield return number;
            if (!options.CaseVariants || number.Length < 2 || !char.IsLetter(number[0]) || char.IsUpper(number[1]))
            {
                continue;
            }

            var other = char.IsUpper(number[0]) ? char.ToLowerInvariant(number[0]) : char.ToUpperInvariant(number[0]);
            yield return other + number[1..];
        }
    }

    /// <summary>The regular plural of the last word; null where it has none, as after a digit or where it looks like a plural.</summary>
    private static string? Plural(string term)
    {
        if (term.Length < 3 || !char.IsAsciiLetterLower(term[^1]) || !char.IsAsciiLetter(term[^2]))
        {
            return null;
        }

        return term switch
        {
            [.., 's', 'i', 's'] => term[..^2] + "es",
            [.., 's', 's'] or [.., 'x'] or [.., 'z'] or [.., 'c' or 's', 'h'] => term + "es",
            [.., 's'] => null,
            [.., 'a' or 'e' or 'i' or 'o' or 'u', 'y'] => term + "s",
            [.., 'y'] => term[..^1] + "ies",
            _ => term + "s",
        };
    }
}
