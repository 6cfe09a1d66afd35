using System.Collections.Concurrent;

namespace Hadal.Inference.Grammars.Patterns;

/// <summary>The sets that <c>\p{…}</c> names: general categories, short and long, and the scripts and binary properties that patterns in use ask for.</summary>
internal static class UnicodeProperty
{
    private static readonly ConcurrentDictionary<string, CodePointSet> Known = new(StringComparer.Ordinal);

    private static readonly Dictionary<string, string> LongNames = new(StringComparer.Ordinal)
    {
        ["Letter"] = "L", ["Uppercase_Letter"] = "Lu", ["Lowercase_Letter"] = "Ll", ["Titlecase_Letter"] = "Lt", ["Modifier_Letter"] = "Lm", ["Other_Letter"] = "Lo",
        ["Mark"] = "M", ["Combining_Mark"] = "M", ["Nonspacing_Mark"] = "Mn", ["Spacing_Mark"] = "Mc", ["Enclosing_Mark"] = "Me",
        ["Number"] = "N", ["Decimal_Number"] = "Nd", ["digit"] = "Nd", ["Letter_Number"] = "Nl", ["Other_Number"] = "No",
        ["Separator"] = "Z", ["Space_Separator"] = "Zs", ["Line_Separator"] = "Zl", ["Paragraph_Separator"] = "Zp",
        ["Other"] = "C", ["Control"] = "Cc", ["cntrl"] = "Cc", ["Format"] = "Cf", ["Private_Use"] = "Co", ["Unassigned"] = "Cn",
        ["Punctuation"] = "P", ["punct"] = "P", ["Connector_Punctuation"] = "Pc", ["Dash_Punctuation"] = "Pd", ["Open_Punctuation"] = "Ps",
        ["Close_Punctuation"] = "Pe", ["Initial_Punctuation"] = "Pi", ["Final_Punctuation"] = "Pf", ["Other_Punctuation"] = "Po",
        ["Symbol"] = "S", ["Math_Symbol"] = "Sm", ["Currency_Symbol"] = "Sc", ["Modifier_Symbol"] = "Sk", ["Other_Symbol"] = "So",
    };

    /// <summary>The set of that name, with or without <c>General_Category=</c>; null where it is not known.</summary>
    public static CodePointSet? Find(string name)
    {
        if (!Known.TryGetValue(name, out var set) && Compute(name) is { } found)
        {
            set = Known.GetOrAdd(name, found);
        }

        return set;
    }

    private static CodePointSet? Compute(string name)
    {
        switch (name)
        {
            case "ASCII":
                return CodePointSet.Of((0, 127));
            case "Any":
                return CodePointSet.All;
            case "White_Space":
                return CodePointSet.WhiteSpace.Except(CodePointSet.Of(0xFEFF)).Union(CodePointSet.Of(0x85));
            case "ASCII_Hex_Digit" or "AHex":
                return CodePointSet.Of(('0', '9'), ('A', 'F'), ('a', 'f'));
        }

        foreach (var prefix in (ReadOnlySpan<string>)["General_Category=", "gc="])
        {
            if (name.StartsWith(prefix, StringComparison.Ordinal))
            {
                name = name[prefix.Length..];
            }
        }

        var category = LongNames.GetValueOrDefault(name, name);
        if (category == "LC" || category == "Cased_Letter")
        {
            return CodePointSet.OfCategory("Lu")!.Union(CodePointSet.OfCategory("Ll")!).Union(CodePointSet.OfCategory("Lt")!);
        }

        return category.Length is 1 or 2 && char.IsAsciiLetterUpper(category[0]) ? CodePointSet.OfCategory(category) : null;
    }
}
