using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Hadal.Inference.Grammars;

namespace Hadal.Inference.Tests.Grammars;

/// <summary>Regular expressions over bytes: against .NET's, against their definition, and what they cost.</summary>
public sealed class RegexPoolTests
{
    private static readonly string[] Strings = [.. RegexShape.Strings(5)];

    [Fact]
    public void Derivatives_agree_with_the_regular_expressions_of_the_runtime() =>
        RegexShape.Plain(4).Sample(
            shape =>
            {
                var pool = new RegexPool();
                var regex = shape.In(pool);
                var expected = new Regex($"^(?:{shape.Pattern()})\\z", RegexOptions.CultureInvariant);
                return Strings.All(text =>
                {
                    // The runtime does not find the empty text in `^(?:(?:(?:cb){1,4}|){1,2})\z`, which has it: where it stands alone against the definition, it is wrong.
                    var isMatch = pool.IsMatch(regex, Encoding.ASCII.GetBytes(text));
                    return isMatch == expected.IsMatch(text) || isMatch == shape.Matches(text);
                });
            },
            iter: 600, threads: 1);

    [Fact]
    public void Intersections_and_complements_mean_what_they_say() =>
        RegexShape.All(4).Sample(
            shape =>
            {
                var pool = new RegexPool();
                var regex = shape.In(pool);
                return Strings.All(text => pool.IsMatch(regex, Encoding.ASCII.GetBytes(text)) == shape.Matches(text));
            },
            iter: 600, threads: 1);

    [Fact]
    public void Nothing_is_found_whatever_hides_it() =>
        RegexShape.All(4).Sample(
            shape =>
            {
                var pool = new RegexPool();
                var regex = shape.In(pool);
                var isNothing = pool.IsNothing(regex);
                if (Strings.Any(shape.Matches)) return !isNothing;
                // What matches no short string and is not Nothing must lead to a match by some derivatives.
                return isNothing || Reaches(pool, regex);
            },
            iter: 600, threads: 1);

    [Fact]
    public void Bounds_are_counters()
    {
        var pool = new RegexPool();
        var digit = pool.Bytes(ByteSet.Range((byte)'0', (byte)'9'));
        var regex = pool.Repeat(pool.Concat(digit, pool.Optional(pool.Literal("_"))), 1_000_000, 2_000_000);
        var before = pool.Count;
        for (var step = 0; step < 100; step++) regex = pool.Derivative(regex, (byte)'7');
        Assert.False(pool.IsNullable(regex));
        Assert.InRange(pool.Count, before, before + 600);

        var exact = pool.Repeat(digit, 3, 5);
        Assert.Equal([false, false, false, true, true, true, false], Enumerable.Range(0, 7).Select(n => pool.IsMatch(exact, Encoding.ASCII.GetBytes(new string('1', n)))));
    }

    [Fact]
    public void Bounds_of_an_ambiguous_repeat_are_joined()
    {
        var pool = new RegexPool();
        var regex = pool.Repeat(pool.Or(pool.Literal("a"), pool.Literal("aa"), pool.Literal("aaa")), 0, 10_000);
        for (var step = 0; step < 2_000; step++) regex = pool.Derivative(regex, (byte)'a');
        Assert.True(pool.IsNullable(regex));
        Assert.InRange(pool.Count, 1, 20_000);
    }

    [Fact]
    public void Code_points_are_their_utf8()
    {
        CodePointRange[] ranges = [new('é', 0x2FF), new(0x7E, 0x85), new(0xD000, 0xE005), new(0xFFFE, 0x10402), new(0x10FFF0, 0x10FFFF), new('A', 'C')];
        var pool = new RegexPool();
        var regex = pool.CodePoints(ranges);
        var bytes = new byte[4];
        for (var value = 0; value <= 0x10FFFF; value++)
        {
            if (!Rune.IsValid(value)) continue;
            var length = new Rune(value).EncodeToUtf8(bytes);
            Assert.Equal(ranges.Any(range => value >= range.First && value <= range.Last), pool.IsMatch(regex, bytes.AsSpan(0, length)));
        }
        Assert.False(pool.IsMatch(regex, [0xED, 0xA0, 0x80]));
        Assert.False(pool.IsMatch(pool.CodePoints(new CodePointRange(0, 0x10FFFF)), [0xC0, 0x80]));
        Assert.False(pool.IsMatch(pool.CodePoints(new CodePointRange(0, 0x10FFFF)), [0xF4, 0x90, 0x80, 0x80]));
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.CodePoints(new CodePointRange(5, 0x110000)));
    }

    [Fact]
    public void Many_literals_share_their_beginnings()
    {
        var pool = new RegexPool();
        var words = Enumerable.Range(0, 5_000).Select(i => $"prefix-{i:D6}-suffix").ToArray();
        var regex = pool.Or([.. words.Select(word => pool.Literal(word))]);
        var start = pool.Count;
        Assert.True(pool.IsMatch(regex, Encoding.ASCII.GetBytes("prefix-004711-suffix")));
        Assert.False(pool.IsMatch(regex, Encoding.ASCII.GetBytes("prefix-014711-suffix")));
        Assert.InRange(pool.Count, start, start + 100);
    }

    [Fact]
    public void What_costs_too_much_ends_with_an_error_that_names_the_limit()
    {
        var limits = new GrammarLimits { MaxRegexTerms = 2_000, MaxDepth = 50 };
        var pool = new RegexPool(limits);
        var deep = pool.Literal("a");
        var error = Assert.Throws<GrammarException>(() =>
        {
            for (var level = 0; level < 100; level++) deep = pool.Not(pool.Concat(deep, pool.Literal("b")));
        });
        Assert.Contains("MaxDepth", error.Message, StringComparison.Ordinal);

        // The subset automaton of this expression is exponential; the search for a match in the intersection must end.
        var letter = pool.Bytes(ByteSet.Of("ab"u8));
        var hard = pool.Concat(pool.Repeat(letter), pool.Literal("a"), pool.Repeat(letter, 40, 40));
        var harder = pool.Concat(pool.Repeat(letter), pool.Literal("b"), pool.Repeat(letter, 40, 40));
        error = Assert.Throws<GrammarException>(() => pool.IsNothing(pool.And(pool.Not(hard), pool.Not(harder), pool.Repeat(letter, 41))));
        Assert.Contains("MaxRegexTerms", error.Message, StringComparison.Ordinal);
    }

    private static bool Reaches(RegexPool pool, ByteRegex start)
    {
        var seen = new HashSet<ByteRegex> { start };
        var pending = new Stack<ByteRegex>(seen);
        while (pending.TryPop(out var regex))
        {
            if (pool.IsNullable(regex)) return true;
            foreach (var value in "abcd"u8)
                if (pool.Derivative(regex, value) is var next && seen.Add(next)) pending.Push(next);
        }
        return false;
    }
}
