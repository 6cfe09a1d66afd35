using System.Globalization;
using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>A set of code points: ranges, general categories and white space, as a character class of a pattern writes them.</summary>
internal sealed class RuneClass
{
    private const int AsciiCount = 128;

    private readonly UInt128 _ascii;
    private readonly uint _categories;
    private readonly (int First, int Last)[] _ranges;
    private readonly bool _hasWhiteSpace, _hasNonWhiteSpace, _isNegated;

    private RuneClass(Builder builder)
    {
        _categories = builder.Categories;
        _ranges = [.. builder.Ranges.OrderBy(range => range.First)];
        _hasWhiteSpace = builder.HasWhiteSpace;
        _hasNonWhiteSpace = builder.HasNonWhiteSpace;
        _isNegated = builder.IsNegated;
        for (var point = 0; point < AsciiCount; point++)
            if (ContainsSlow(point)) _ascii |= UInt128.One << point;
    }

    /// <summary>True if the code point belongs to the set.</summary>
    public bool Contains(int point) => point < AsciiCount ? (_ascii >> point & UInt128.One) != UInt128.Zero : ContainsSlow(point);

    /// <summary>UTF-16 units of the code point at <paramref name="position"/> if it belongs to the set, otherwise 0.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="position">Index of a code point's first unit, below the length.</param>
    public int MatchAt(ReadOnlySpan<char> text, int position)
    {
        var unit = text[position];
        if (!char.IsHighSurrogate(unit)) return Contains(unit) ? 1 : 0;
        return Contains(char.ConvertToUtf32(unit, text[position + 1])) ? 2 : 0;
    }

    private bool ContainsSlow(int point)
    {
        var isWhite = Rune.IsWhiteSpace(new Rune(point));
        var isMember = (_categories >> (int)CharUnicodeInfo.GetUnicodeCategory(point) & 1) != 0
            || (isWhite ? _hasWhiteSpace : _hasNonWhiteSpace) || IsInRange(point);
        return isMember != _isNegated;
    }

    private bool IsInRange(int point)
    {
        int low = 0, high = _ranges.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (point < _ranges[middle].First) high = middle - 1;
            else if (point > _ranges[middle].Last) low = middle + 1;
            else return true;
        }

        return false;
    }

    /// <summary>Collects the parts of a class.</summary>
    internal sealed class Builder
    {
        /// <summary>Inclusive ranges; overlapping ones are merged when the class is built.</summary>
        public List<(int First, int Last)> Ranges { get; } = [];

        /// <summary>Bit i: category <c>(UnicodeCategory)i</c>.</summary>
        public uint Categories { get; private set; }

        public bool HasWhiteSpace { get; private set; }

        public bool HasNonWhiteSpace { get; private set; }

        public bool IsNegated { get; set; }

        public Builder AddWhiteSpace(bool isNegated)
        {
            if (isNegated) HasNonWhiteSpace = true;
            else HasWhiteSpace = true;
            return this;
        }

        /// <summary>Adds a general category by its short name (<c>L</c>, <c>Lu</c>, …); false for an unknown name.</summary>
        public bool TryAddCategory(string name, bool isNegated)
        {
            uint mask = 0;
            for (var i = 0; i < CategoryNames.Length; i++)
                if (CategoryNames[i].StartsWith(name, StringComparison.Ordinal)) mask |= 1u << i;
            if (name.Length is < 1 or > 2 || mask == 0) return false;
            Categories |= isNegated ? ~mask & ((1u << CategoryNames.Length) - 1) : mask;
            return true;
        }

        /// <summary>Adds the other case of each ASCII letter, and what case folding counts with it (s: U+017F, k: U+212A).</summary>
        public void AddOtherCases()
        {
            foreach (var (first, last) in Ranges.ToArray())
            {
                for (var point = first; point <= Math.Min(last, 'z'); point++)
                {
                    if (!char.IsAsciiLetter((char)point)) continue;
                    Ranges.Add((point ^ 0x20, point ^ 0x20));
                    if ((point | 0x20) == 's') Ranges.Add((0x17F, 0x17F));
                    if ((point | 0x20) == 'k') Ranges.Add((0x212A, 0x212A));
                }
            }
        }

        public RuneClass Build()
        {
            Ranges.Sort();
            var length = 0;
            foreach (var (first, last) in Ranges.ToArray())
            {
                if (length > 0 && first <= Ranges[length - 1].Last + 1) Ranges[length - 1] = (Ranges[length - 1].First, Math.Max(last, Ranges[length - 1].Last));
                else Ranges[length++] = (first, last);
            }

            Ranges.RemoveRange(length, Ranges.Count - length);
            return new RuneClass(this);
        }

        // In the order of System.Globalization.UnicodeCategory.
        private static readonly string[] CategoryNames =
        [
            "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Pc", "Pd", "Ps", "Pe",
            "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cn",
        ];
    }
}
