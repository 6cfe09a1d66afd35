using System.Globalization;

namespace Hadal.Inference.Grammars.Patterns;

/// <summary>A set of Unicode scalar values (no surrogates), as sorted ranges that neither touch nor overlap. Immutable.</summary>
internal sealed class CodePointSet : IEquatable<CodePointSet>
{
    private const int Last = 0x10FFFF;
    private readonly (int First, int Last)[] _ranges;
    private readonly int _hash;

    private CodePointSet((int First, int Last)[] ranges)
    {
        _ranges = ranges;
        var hash = new HashCode();
        foreach (var range in ranges)
        {
            hash.Add(range);
        }

        _hash = hash.ToHashCode();
    }

    /// <summary>No character.</summary>
    public static CodePointSet None { get; } = new([]);

    /// <summary>Every scalar value.</summary>
    public static CodePointSet All { get; } = new([(0, 0xD7FF), (0xE000, Last)]);

    /// <summary><c>\d</c>: ASCII digits.</summary>
    public static CodePointSet Digits { get; } = Of(('0', '9'));

    /// <summary><c>\w</c>: ASCII letters, digits and the underscore.</summary>
    public static CodePointSet WordCharacters { get; } = Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));

    /// <summary><c>\s</c>: white space and line terminators of ECMA-262.</summary>
    public static CodePointSet WhiteSpace { get; } = Of(
        (9, 13), (32, 32), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F),
        (0x3000, 0x3000), (0xFEFF, 0xFEFF));

    /// <summary>What <c>.</c> leaves out.</summary>
    public static CodePointSet LineTerminators { get; } = Of((10, 10), (13, 13), (0x2028, 0x2029));

    /// <summary>The ranges, ascending.</summary>
    public ReadOnlySpan<(int First, int Last)> Ranges => _ranges;

    /// <summary>Whether the set has no element.</summary>
    public bool IsEmpty => _ranges.Length == 0;

    /// <summary>The union of ranges in any order; surrogates in them are dropped.</summary>
    public static CodePointSet Of(params ReadOnlySpan<(int First, int Last)> ranges)
    {
        var sorted = new List<(int First, int Last)>();
        foreach (var (first, last) in ranges)
        {
            AddWithoutSurrogates(sorted, first, last);
        }

        sorted.Sort();
        var merged = new List<(int First, int Last)>(sorted.Count);
        foreach (var range in sorted)
        {
            if (merged.Count > 0 && range.First <= merged[^1].Last + 1)
            {
                merged[^1] = (merged[^1].First, Math.Max(merged[^1].Last, range.Last));
            }
            else
            {
                merged.Add(range);
            }
        }

        return new([.. merged]);
    }

    /// <summary>A single character.</summary>
    public static CodePointSet Of(int codePoint) => Of((codePoint, codePoint));

    /// <summary>All characters whose general category starts with <paramref name="category"/> (<c>L</c>, <c>Lu</c>, <c>Nd</c>, …); null where there is none of that name.</summary>
    /// <remarks>The categories are those of the runtime (<see cref="CharUnicodeInfo"/>), which do not depend on the machine's culture.</remarks>
    public static CodePointSet? OfCategory(string category)
    {
        var members = new List<(int First, int Last)>();
        for (var codePoint = 0; codePoint <= Last; codePoint++)
        {
            if (!CategoryName(CharUnicodeInfo.GetUnicodeCategory(codePoint)).StartsWith(category, StringComparison.Ordinal))
            {
                continue;
            }

            if (members.Count > 0 && members[^1].Last == codePoint - 1)
            {
                members[^1] = (members[^1].First, codePoint);
            }
            else
            {
                members.Add((codePoint, codePoint));
            }
        }

        return members.Count == 0 ? null : Of(members.ToArray());
    }

    /// <summary>Whether the character is in the set.</summary>
    public bool Contains(int codePoint)
    {
        var low = 0;
        var high = _ranges.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (codePoint < _ranges[middle].First)
            {
                high = middle - 1;
            }
            else if (codePoint > _ranges[middle].Last)
            {
                low = middle + 1;
            }
            else
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Characters of either set.</summary>
    public CodePointSet Union(CodePointSet other) => Of([.. _ranges, .. other._ranges]);

    /// <summary>Characters of neither the set nor the surrogates.</summary>
    public CodePointSet Complement()
    {
        var gaps = new List<(int First, int Last)>(_ranges.Length + 1);
        var next = 0;
        foreach (var (first, last) in _ranges)
        {
            if (first > next)
            {
                gaps.Add((next, first - 1));
            }

            next = last + 1;
        }

        if (next <= Last)
        {
            gaps.Add((next, Last));
        }

        return Of(gaps.ToArray());
    }

    /// <summary>Characters of both sets.</summary>
    public CodePointSet Intersect(CodePointSet other)
    {
        var common = new List<(int First, int Last)>();
        for (int i = 0, k = 0; i < _ranges.Length && k < other._ranges.Length;)
        {
            var first = Math.Max(_ranges[i].First, other._ranges[k].First);
            var last = Math.Min(_ranges[i].Last, other._ranges[k].Last);
            if (first <= last)
            {
                common.Add((first, last));
            }

            if (_ranges[i].Last < other._ranges[k].Last)
            {
                i++;
            }
            else
            {
                k++;
            }
        }

        return new([.. common]);
    }

    /// <summary>Characters of the set that are not in <paramref name="other"/>.</summary>
    public CodePointSet Except(CodePointSet other) => Intersect(other.Complement());

    /// <summary>The set with the upper and lower case of its members, one character to one (for the <c>i</c> flag).</summary>
    public CodePointSet WithBothCases()
    {
        var members = new List<(int First, int Last)>(_ranges);
        foreach (var (first, last) in Intersect(Cased)._ranges)
        {
            for (var codePoint = first; codePoint <= last; codePoint++)
            {
                var upper = System.Text.Rune.ToUpperInvariant(new System.Text.Rune(codePoint)).Value;
                var lower = System.Text.Rune.ToLowerInvariant(new System.Text.Rune(codePoint)).Value;
                members.Add((upper, upper));
                members.Add((lower, lower));
            }
        }

        return Of(members.ToArray());
    }

    /// <inheritdoc/>
    public bool Equals(CodePointSet? other) => other is not null && _ranges.AsSpan().SequenceEqual(other._ranges);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as CodePointSet);

    /// <inheritdoc/>
    public override int GetHashCode() => _hash;

    /// <summary>Where letters with two cases live; folding more would find nothing.</summary>
    private static CodePointSet Cased { get; } = Of(
        ('A', 'Z'), ('a', 'z'), (0xB5, 0x24F), (0x250, 0x2AF), (0x370, 0x587), (0x10A0, 0x10FF), (0x13A0, 0x13FF), (0x1C80, 0x1CBF), (0x1D79, 0x1D8E),
        (0x1E00, 0x1FFF), (0x2126, 0x2188), (0x24B6, 0x24E9), (0x2C00, 0x2D2D), (0xA640, 0xA7FF), (0xAB53, 0xABBF), (0xFF21, 0xFF5A),
        (0x10400, 0x104FB), (0x10570, 0x105BC), (0x10C80, 0x10CF2), (0x118A0, 0x118DF), (0x16E40, 0x16E7F), (0x1E900, 0x1E943));

    private static void AddWithoutSurrogates(List<(int First, int Last)> ranges, int first, int last)
    {
        if (first <= Math.Min(last, 0xD7FF))
        {
            ranges.Add((first, Math.Min(last, 0xD7FF)));
        }

        if (Math.Max(first, 0xE000) <= last)
        {
            ranges.Add((Math.Max(first, 0xE000), last));
        }
    }

    private static string CategoryName(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => "Lu",
        UnicodeCategory.LowercaseLetter => "Ll",
        UnicodeCategory.TitlecaseLetter => "Lt",
        UnicodeCategory.ModifierLetter => "Lm",
        UnicodeCategory.OtherLetter => "Lo",
        UnicodeCategory.NonSpacingMark => "Mn",
        UnicodeCategory.SpacingCombiningMark => "Mc",
        UnicodeCategory.EnclosingMark => "Me",
        UnicodeCategory.DecimalDigitNumber => "Nd",
        UnicodeCategory.LetterNumber => "Nl",
        UnicodeCategory.OtherNumber => "No",
        UnicodeCategory.SpaceSeparator => "Zs",
        UnicodeCategory.LineSeparator => "Zl",
        UnicodeCategory.ParagraphSeparator => "Zp",
        UnicodeCategory.Control => "Cc",
        UnicodeCategory.Format => "Cf",
        UnicodeCategory.PrivateUse => "Co",
        UnicodeCategory.ConnectorPunctuation => "Pc",
        UnicodeCategory.DashPunctuation => "Pd",
        UnicodeCategory.OpenPunctuation => "Ps",
        UnicodeCategory.ClosePunctuation => "Pe",
        UnicodeCategory.InitialQuotePunctuation => "Pi",
        UnicodeCategory.FinalQuotePunctuation => "Pf",
        UnicodeCategory.OtherPunctuation => "Po",
        UnicodeCategory.MathSymbol => "Sm",
        UnicodeCategory.CurrencySymbol => "Sc",
        UnicodeCategory.ModifierSymbol => "Sk",
        UnicodeCategory.OtherSymbol => "So",
        UnicodeCategory.OtherNotAssigned => "Cn",
        _ => "Cs",
    };
}
