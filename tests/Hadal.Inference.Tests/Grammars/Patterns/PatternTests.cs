using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Tests.Grammars.Patterns;

/// <summary>Patterns as languages, against tables of our own and the runtime's regular expressions.</summary>
public class PatternTests
{
    [Theory]
    [InlineData("abc", "xabcx", "ab")]
    [InlineData("^abc$", "abc", "xabc")]
    [InlineData("^a|b$", "ax", "ba")]
    [InlineData("(^|,)x(,|$)", "a,x", "ax")]
    [InlineData("a.c", "abc", "a\nc")]
    [InlineData(@"^\d{2,3}$", "123", "1234")]
    [InlineData(@"^[^a-c\]]+$", "xyz", "xay")]
    [InlineData(@"^(?!foo)\w+$", "bar", "foobar")]
    [InlineData(@"^(?=.*\d)(?=.*[a-z]).{4,}$", "abc1", "abcd")]
    [InlineData(@"^(?:a|b)*?c$", "abac", "abad")]
    [InlineData(@"^(?<year>\d{4})$", "2024", "24")]
    [InlineData(@"^\p{Lu}\p{L}*$", "Äb", "äb")]
    [InlineData(@"^\P{L}$", "1", "a")]
    [InlineData(@"^\u{1F600}$", "😀", "😁")]
    [InlineData(@"^\uD83D\uDE00$", "😀", "x")]
    [InlineData("^.$", "😀", "ab")]
    [InlineData(@"^\x41\u0042\cJ$", "AB\n", "AB")]
    [InlineData("^(?i)straße$", "STRAßE", "strasse")]
    [InlineData("^a(?i:b)c$", "aBc", "aBC")]
    [InlineData(@"\bcat\b", "a cat!", "concat")]
    [InlineData(@"^a\Bb", "ab", "a b")]
    [InlineData("^a{,2}$", "a{,2}", "aa")]
    [InlineData("^[]$|^b$", "b", "")]
    [InlineData("^[^]$", "\n", "")]
    [InlineData(@"^[\w-]+$", "a-b", "a b")]
    [InlineData(@"^[a\-z]$", "-", "b")]
    [InlineData("", "anything", null)]
    public void A_pattern_is_found_where_it_should_be(string pattern, string found, string? notFound)
    {
        Assert.True(Search(pattern, found), found);
        if (notFound is not null) Assert.False(Search(pattern, notFound), notFound);
    }

    [Theory]
    [InlineData("(a", "does not end")]
    [InlineData("a)", "not opened")]
    [InlineData("[a", "does not end")]
    [InlineData("*a", "repeats nothing")]
    [InlineData("a{3,2}", "below the minimum")]
    [InlineData("[b-a]", "out of order")]
    [InlineData(@"(.)\1", "back references")]
    [InlineData(@"(?<n>.)\k<n>", "back references")]
    [InlineData("(?<!a)b", "lookbehind")]
    [InlineData(@"\q", "no escape")]
    [InlineData(@"\p{Klingon}", "not known")]
    [InlineData("(?>a)", "not supported")]
    [InlineData("a{9999999}", "more than")]
    [InlineData("(^a)+", "cannot be enforced")]
    [InlineData(@".*\bcat", "left side is not known")]
    public void What_is_no_regular_pattern_is_refused(string pattern, string expected) =>
        Assert.Contains(expected, Assert.Throws<GrammarException>(() => Search(pattern, "")).Message, StringComparison.Ordinal);

    [Fact]
    public void Hostile_patterns_end_with_an_error()
    {
        foreach (var pattern in (string[])[new string('(', 5000) + "a", string.Concat(Enumerable.Repeat("(?=a|", 90)), new string('a', 100_000), string.Concat(Enumerable.Repeat("(a?", 99)) + string.Concat(Enumerable.Repeat("){0,1000000}", 99)) + "("])
        {
            Assert.Throws<GrammarException>(() => Search(pattern, "a"));
        }
    }

    [Fact]
    public void Catastrophic_patterns_are_harmless()
    {
        Assert.True(Search("^(a+)+$", new string('a', 5_000)));
        Assert.False(Search("^(a|a)*b$", new string('a', 5_000)));
        Assert.False(Search("^(a?){500}a{500}$", new string('a', 499)));
    }

    [Fact]
    public void Random_patterns_find_what_the_runtime_finds()
    {
        var compiled = 0;
        var matched = 0;
        Gen.Select(Node(4), Gen.String[Gen.Char["ab1 \"\\"], 0, 6].Array[12]).Sample(
            drawn =>
            {
                var (pattern, texts) = drawn;
                var expected = new Regex(pattern, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
                var pool = new RegexPool();
                ByteRegex plain, json;
                try
                {
                    plain = PatternCompiler.Search(pattern, TextWriting.Utf8(pool));
                    json = PatternCompiler.Search(pattern, TextWriting.JsonString(pool));
                }
                catch (GrammarException)
                {
                    return;
                }

                Interlocked.Increment(ref compiled);
                foreach (var text in texts)
                {
                    bool isMatch;
                    try
                    {
                        isMatch = expected.IsMatch(text);
                    }
                    catch (RegexMatchTimeoutException)
                    {
                        // The runtime's own search never ends on some lazy loops of empty matches: `(?:(?:"?)*?)?(?="a)` on an empty text. Nothing to compare with.
                        continue;
                    }

                    if (isMatch) Interlocked.Increment(ref matched);
                    Assert.True(isMatch == pool.IsMatch(plain, Encoding.UTF8.GetBytes(text)), $"{pattern} on '{text}': expected {isMatch}");
                    Assert.True(isMatch == pool.IsMatch(json, Encoding.UTF8.GetBytes(Spelt(text))), $"{pattern} on JSON '{text}': expected {isMatch}");
                }
            },
            iter: 1_000);
        Assert.InRange(compiled, 500, 1_000);
        Assert.InRange(matched, 500, 12_000);
    }

    /// <summary>Every other character as an escape.</summary>
    private static string Spelt(string text) =>
        string.Concat(text.Select((c, i) => i % 2 == 0 || c is '"' or '\\' ? $"\\u{(i % 4 == 0 ? $"{(int)c:x4}" : $"{(int)c:X4}")}" : c.ToString()));

    private static Gen<string> Node(int depth)
    {
        var atom = OneOf("a", "b", "1", "[ab]", "[^a]", ".", @"\d", @"\w", @"\s", "\\\\", "\"", "^", "$", @"\b");
        if (depth == 0) return atom;
        var inner = Node(depth - 1);
        return Gen.Frequency(
            (3, atom),
            (4, Gen.Select(inner, inner, (x, y) => x + y)),
            (2, Gen.Select(inner, inner, (x, y) => $"(?:{x}|{y})")),
            (2, Gen.Select(inner, OneOf("*", "+", "?", "{1,2}", "{2}", "*?"), (x, q) => $"(?:{x}){q}")),
            (1, Gen.Select(inner, inner, (x, y) => $"(?={x}){y}")),
            (1, Gen.Select(inner, inner, (x, y) => $"(?!{x}){y}")));
    }

    private static Gen<string> OneOf(params string[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static bool Search(string pattern, string text)
    {
        var pool = new RegexPool();
        return pool.IsMatch(PatternCompiler.Search(pattern, TextWriting.Utf8(pool)), Encoding.UTF8.GetBytes(text));
    }
}
