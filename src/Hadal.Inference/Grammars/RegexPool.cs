using System.Runtime.InteropServices;
using System.Text;

namespace Hadal.Inference.Grammars;

/// <summary>Makes regular expressions over bytes. Equal expressions are one: terms are kept once, and put into a normal form in which the
/// derivatives of an expression stay few and small.</summary>
/// <remarks>
/// <para>The language of an expression is an exact set of byte strings; there are no greedy or lazy repeats, no anchors and no captures. Bounds of
/// repeats are counters and are never written out: a derivative of r{m,n} is a derivative of r, then r{m−1,n−1} (Brzozowski, "Derivatives of
/// regular expressions", 1964). Many alternatives are best given to one call of <see cref="Or(ReadOnlySpan{ByteRegex})"/>, which shares
/// their beginnings.</para>
/// <para>A pool is for one thread.</para>
/// </remarks>
public sealed partial class RegexPool
{
    private readonly GrammarLimits _limits;
    private readonly IntLists _codePoints = new();
    private readonly List<int> _codePointTerms = [];

    /// <summary>Makes an empty pool.</summary>
    /// <param name="limits">What its terms may cost; the defaults where null.</param>
    public RegexPool(GrammarLimits? limits = null)
    {
        _limits = limits ?? GrammarLimits.Default;
        Steps = new StepBudget(_limits);
        Intern(TermKind.Nothing, 0, 0, 0);
        Intern(TermKind.Empty, 0, 0, 0);
        SetTerm(ByteSet.All);
        RepeatTerm(AnyByteId, 0, Unbounded);
    }

    /// <summary>Matches one byte of a set.</summary>
    /// <param name="set">The bytes.</param>
    public ByteRegex Bytes(ByteSet set) => new(SetTerm(set));

    /// <summary>Matches exactly these bytes.</summary>
    /// <param name="bytes">The bytes, usually UTF-8.</param>
    public ByteRegex Literal(ReadOnlySpan<byte> bytes)
    {
        var term = EmptyId;
        for (var index = bytes.Length - 1; index >= 0; index--) term = ConcatTerm(SetTerm(ByteSet.Of(bytes[index])), term);
        return new ByteRegex(term);
    }

    /// <summary>Matches exactly this text in UTF-8.</summary>
    /// <param name="text">The text; a lone surrogate stands for U+FFFD.</param>
    public ByteRegex Literal(string text) => Literal(Encoding.UTF8.GetBytes(text));

    /// <summary>Matches one Unicode scalar value of some ranges, as UTF-8. Surrogates within a range are left out.</summary>
    /// <param name="ranges">Ranges in any order; they may overlap.</param>
    /// <exception cref="ArgumentOutOfRangeException">A range lies outside of U+0000 to U+10FFFF or ends before it starts.</exception>
    public ByteRegex CodePoints(params ReadOnlySpan<CodePointRange> ranges)
    {
        foreach (var range in ranges)
            if (range.First < 0 || range.Last > 0x10FFFF || range.First > range.Last)
                throw new ArgumentOutOfRangeException(nameof(ranges), $"range U+{range.First:X4} to U+{range.Last:X4} is not within U+0000 to U+10FFFF in rising order");
        if (ranges is [{ Last: < 0x80 } ascii]) return new ByteRegex(SetTerm(ByteSet.Range((byte)ascii.First, (byte)ascii.Last)));
        if (_codePoints.Intern(MemoryMarshal.Cast<CodePointRange, int>(ranges), out var id)) _codePointTerms.Add(new Utf8Ranges(this, ranges).Term());
        return new ByteRegex(_codePointTerms[id]);
    }

    /// <summary>Matches the expressions one after the other.</summary>
    /// <param name="parts">The expressions; none give <see cref="ByteRegex.Empty"/>.</param>
    public ByteRegex Concat(params ReadOnlySpan<ByteRegex> parts)
    {
        var term = EmptyId;
        for (var index = parts.Length - 1; index >= 0; index--) term = ConcatTerm(Check(parts[index]), term);
        return new ByteRegex(term);
    }

    /// <summary>Matches what any of the expressions matches.</summary>
    /// <param name="alternatives">The expressions; none give <see cref="ByteRegex.Nothing"/>.</param>
    public ByteRegex Or(params ReadOnlySpan<ByteRegex> alternatives)
    {
        var terms = new List<int>(alternatives.Length);
        foreach (var alternative in alternatives) terms.Add(Check(alternative));
        return new ByteRegex(OrTerm(terms));
    }

    /// <summary>Matches what all of the expressions match.</summary>
    /// <param name="parts">The expressions; none give <see cref="ByteRegex.Anything"/>.</param>
    public ByteRegex And(params ReadOnlySpan<ByteRegex> parts)
    {
        var terms = new List<int>(parts.Length);
        foreach (var part in parts) terms.Add(Check(part));
        return new ByteRegex(AndTerm(terms));
    }

    /// <summary>Matches the byte strings that the expression does not match, those that are no UTF-8 among them.</summary>
    /// <param name="regex">The expression.</param>
    public ByteRegex Not(ByteRegex regex) => new(NotTerm(Check(regex)));

    /// <summary>Matches the expression some number of times.</summary>
    /// <param name="regex">The expression.</param>
    /// <param name="min">Least number.</param>
    /// <param name="max">Largest number; null for any.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="min"/> is negative or above <paramref name="max"/>.</exception>
    public ByteRegex Repeat(ByteRegex regex, int min = 0, int? max = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(min);
        if (max is { } bound) ArgumentOutOfRangeException.ThrowIfGreaterThan(min, bound);
        return new ByteRegex(RepeatTerm(Check(regex), min, max ?? Unbounded));
    }

    /// <summary>Matches the expression or the empty string.</summary>
    /// <param name="regex">The expression.</param>
    public ByteRegex Optional(ByteRegex regex) => Or(ByteRegex.Empty, regex);

    /// <summary>True if the expression matches the empty string.</summary>
    /// <param name="regex">The expression.</param>
    public bool IsNullable(ByteRegex regex) => _terms[Check(regex)].Nullable;

    /// <summary>True if the expression matches nothing. Decided by searching its derivatives, so that intersections and complements count.</summary>
    /// <param name="regex">The expression.</param>
    /// <exception cref="GrammarException">The search passed a limit.</exception>
    public bool IsNothing(ByteRegex regex) => IsNothing(Check(regex));

    /// <summary>What may follow the byte in a string that the expression matches.</summary>
    /// <param name="regex">The expression.</param>
    /// <param name="value">The byte.</param>
    public ByteRegex Derivative(ByteRegex regex, byte value) => new(Derivative(Check(regex), value));

    /// <summary>True if the expression matches the bytes.</summary>
    /// <param name="regex">The expression.</param>
    /// <param name="bytes">The whole string.</param>
    public bool IsMatch(ByteRegex regex, ReadOnlySpan<byte> bytes)
    {
        var term = Check(regex);
        foreach (var value in bytes)
        {
            term = Derivative(term, value);
            if (term == NothingId) return false;
        }
        return _terms[term].Nullable;
    }

    private int Check(ByteRegex regex) =>
        (uint)regex.Id < (uint)_count ? regex.Id : throw new ArgumentException($"expression {regex.Id} is not of this pool, which has {_count}", nameof(regex));
}
