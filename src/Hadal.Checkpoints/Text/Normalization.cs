using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>Unicode normalisation forms C, D, KC and KD (Unicode Standard Annex 15) from own tables. The runtime's
/// <see cref="string.Normalize()"/> leaves everything but ASCII as it is where globalization is invariant, as in this program.</summary>
internal static class Normalization
{
    private const int HangulSyllables = 0xAC00, HangulLead = 0x1100, HangulVowel = 0x1161, HangulTail = 0x11A7;
    private const int LeadCount = 19, VowelCount = 21, TailCount = 28, SyllableCount = LeadCount * VowelCount * TailCount;

    private static readonly Lazy<Tables> LoadedTables = new(Tables.Load);

    /// <summary>Normalises well-formed text.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="form">The form.</param>
    public static string Apply(string text, NormalizationForm form)
    {
        // Nothing below U+00A0 decomposes, nothing below U+0300 composes with its neighbour.
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', form == NormalizationForm.FormC ? '\u02FF' : '\u009F')) return text;

        var tables = LoadedTables.Value;
        var isCompatible = form is NormalizationForm.FormKC or NormalizationForm.FormKD;
        var points = new List<int>(text.Length);
        foreach (var rune in text.EnumerateRunes()) Decompose(rune.Value, tables, isCompatible, points);
        Reorder(points, tables);
        if (form is NormalizationForm.FormC or NormalizationForm.FormKC) Compose(points, tables);

        var result = new StringBuilder(text.Length);
        foreach (var point in points) result.Append(new Rune(point));
        return result.ToString();
    }

    private static void Decompose(int point, Tables tables, bool isCompatible, List<int> points)
    {
        var syllable = point - HangulSyllables;
        if (syllable is >= 0 and < SyllableCount)
        {
            points.Add(HangulLead + syllable / (VowelCount * TailCount));
            points.Add(HangulVowel + syllable % (VowelCount * TailCount) / TailCount);
            if (syllable % TailCount != 0) points.Add(HangulTail + syllable % TailCount);
        }
        else if (isCompatible && tables.Compatible.TryGetValue(point, out var parts)) points.AddRange(parts);
        else if (tables.Canonical.TryGetValue(point, out parts)) points.AddRange(parts);
        else points.Add(point);
    }

    /// <summary>Sorts each run of marks by combining class, stably.</summary>
    private static void Reorder(List<int> points, Tables tables)
    {
        for (var begin = 0; begin < points.Count; begin++)
        {
            if (tables.ClassOf(points[begin]) == 0) continue;
            var end = begin + 1;
            var isSorted = true;
            for (; end < points.Count && tables.ClassOf(points[end]) is var mark and not 0; end++) isSorted &= tables.ClassOf(points[end - 1]) <= mark;
            if (!isSorted)
            {
                var sorted = points.GetRange(begin, end - begin).OrderBy(tables.ClassOf).ToArray();
                for (var i = 0; i < sorted.Length; i++) points[begin + i] = sorted[i];
            }

            begin = end;
        }
    }

    private static void Compose(List<int> points, Tables tables)
    {
        int starter = -1, length = 0, lastClass = 0;
        for (var i = 0; i < points.Count; i++)
        {
            var point = points[i];
            var pointClass = tables.ClassOf(point);
            var isReachable = starter >= 0 && (starter == length - 1 || lastClass < pointClass);
            if (isReachable && TryCompose(points[starter], point, tables, out var composite))
            {
                points[starter] = composite;
                continue;
            }

            if (pointClass == 0) starter = length;
            lastClass = pointClass;
            points[length++] = point;
        }

        points.RemoveRange(length, points.Count - length);
    }

    private static bool TryCompose(int first, int second, Tables tables, out int composite)
    {
        int lead = first - HangulLead, vowel = second - HangulVowel, syllable = first - HangulSyllables, tail = second - HangulTail;
        if (lead is >= 0 and < LeadCount && vowel is >= 0 and < VowelCount)
        {
            composite = HangulSyllables + (lead * VowelCount + vowel) * TailCount;
            return true;
        }

        if (syllable is >= 0 and < SyllableCount && syllable % TailCount == 0 && tail is > 0 and < TailCount)
        {
            composite = first + tail;
            return true;
        }

        return tables.Composites.TryGetValue(((long)first << 32) | (uint)second, out composite);
    }

    private sealed record Tables(
        FrozenDictionary<int, byte> Classes, FrozenDictionary<int, int[]> Canonical, FrozenDictionary<int, int[]> Compatible,
        FrozenDictionary<long, int> Composites)
    {
        public int ClassOf(int point) => point < 0x300 ? 0 : Classes.GetValueOrDefault(point);

        public static Tables Load()
        {
            var classes = new Dictionary<int, byte>();
            Dictionary<int, int[]> canonical = [], compatible = [];
            var primaries = new List<int>();
            using var stream = typeof(Normalization).Assembly.GetManifestResourceStream("Hadal.Checkpoints.Text.Normalization.txt")
                ?? throw new InvalidOperationException("the normalisation tables are missing from the assembly");
            using var reader = new StreamReader(stream, Encoding.UTF8);
            while (reader.ReadLine() is { } line)
            {
                if (line.StartsWith('#')) continue;
                var fields = line.Split(' ');
                if (fields[0] == "M")
                {
                    var range = fields[1].Split('-');
                    for (var point = Hex(range[0]); point <= Hex(range[^1]); point++)
                        classes.Add(point, byte.Parse(fields[2], CultureInfo.InvariantCulture));
                    continue;
                }

                (fields[0] == "K" ? compatible : canonical).Add(Hex(fields[1]), [.. fields[2..].Select(Hex)]);
                if (fields[0] == "C") primaries.Add(Hex(fields[1]));
            }

            return new Tables(classes.ToFrozenDictionary(), canonical.ToFrozenDictionary(), compatible.ToFrozenDictionary(), Pairs(primaries, canonical));
        }

        /// <summary>From full decompositions back to pairs: the last code point, and the composite of those before it.</summary>
        private static FrozenDictionary<long, int> Pairs(List<int> primaries, Dictionary<int, int[]> canonical)
        {
            var composites = new Dictionary<long, int>();
            var byParts = primaries.ToDictionary(point => string.Join(' ', canonical[point]));
            foreach (var point in primaries)
            {
                var parts = canonical[point];
                var first = parts.Length == 2 ? parts[0] : byParts[string.Join(' ', parts[..^1])];
                composites.Add(((long)first << 32) | (uint)parts[^1], point);
            }

            return composites.ToFrozenDictionary();
        }

        private static int Hex(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
