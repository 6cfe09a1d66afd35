using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Tests.Text;

public sealed class RunePatternTests
{
    private static readonly Gen<string> Texts = Gen.String[Gen.Char["aabB'sSlL11  \t\n\r.,!é中\u0301\u00A0"], 0, 24];

    [Theory]
    [InlineData(PreTokenizer.Gpt2Pattern)]
    [InlineData(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")]
    [InlineData(@"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+(?!\S)|\s+")]
    [InlineData(@"\s*\S\s{2,}(?=a|bb?)|(a|ab)(bB|1){0,2}[^a]?")]
    [InlineData(@"\s*\s*\s+1|[ab]*[aB]*[b1]+ ")]
    public void Without_characters_above_the_basic_plane_matches_are_those_of_the_framework(string source)
    {
        var framework = new Regex(source, RegexOptions.CultureInvariant);
        var pattern = RunePattern.Parse(source);
        Texts.Sample(text => Assert.Equal(framework.Matches(text).Where(match => match.Length > 0).Select(match => match.Value), Matches(pattern, text)), iter: 2000);
    }

    [Fact]
    public void Characters_above_the_basic_plane_are_single_characters()
    {
        Assert.Equal(["\U00010400\U0001044F", "\U00020000x"], Matches(RunePattern.Parse("[\U00010400-\U0001044F]+|\\p{Lo}\\p{L}"), "\U00010400\U0001044F1\U00020000x"));
        Assert.Equal(["\U0001F600", "\U0001F600"], Matches(RunePattern.Parse(@"\S"), "\U0001F600 \U0001F600"));
    }

    [Fact]
    public void Case_is_folded_as_unicode_does()
    {
        var pattern = RunePattern.Parse("(?i:'s|'ll)x");
        Assert.Equal(["'Sx", "'lLx", "'\u017Fx"], Matches(pattern, "'Sx'lLx'\u017Fx'l\u017Fx'sX"));
    }

    [Fact]
    public void A_possessive_repetition_gives_nothing_back()
    {
        Assert.Equal(["b"], Matches(RunePattern.Parse("a++a|b"), "aaab"));
        Assert.Equal(["aaa", "b"], Matches(RunePattern.Parse("a+a|b"), "aaab"));
        Assert.Equal(["xb"], Matches(RunePattern.Parse("x?+x|x?+b"), "xb"));
    }

    [Fact]
    public void A_dollar_sign_holds_at_the_end_and_before_a_line_feed()
    {
        Assert.Equal(["  ", " "], Matches(RunePattern.Parse(@" +$"), " a  \nb "));
    }

    /// <summary>Inputs on which backtracking engines take quadratic time or worse.</summary>
    public static TheoryData<string, string> Hostile { get; } = new()
    {
        { @"\s+$", Repeat(" ", 20_000) + "a" },
        { @"\s+$", Repeat(Repeat(" ", 99) + "a", 200) },
        { @"\s*[\r\n]+|\s+(?!\S)|\s+", Repeat(" ", 20_000) + "a" },
        { @"\s*[\r\n]+|\s+(?!\S)|\s+", Repeat("\n ", 10_000) },
        { @"a*a*a*a*b", Repeat("a", 20_000) },
        { @"[ab]*a[ab]*b[ab]*c", Repeat("ab", 10_000) },
        { @"\s?\p{L}+\d", Repeat("a", 20_000) },
        { @"(a|aa)(a|aa)(a|aa)[ab]*c", Repeat("a", 20_000) },
        { @"a++b", Repeat("a", 20_000) },
        { @"[ab]*+c|a*+b++d", Repeat("ab", 10_000) },
        { @" ?[^\s\p{L}\p{N}]++[\r\n]*|\s++$|\s+(?!\S)|\s+", Repeat("- ", 10_000) + Repeat(" ", 10_000) + "a" },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Work_grows_linearly_with_the_text(string source, string text)
    {
        var matcher = new RunePatternMatcher(RunePattern.Parse(source), text);
        matcher.Enter(0, text.Length);
        for (var position = 0; matcher.TryFind(position, out _, out var end);) position = end;
        Assert.InRange(matcher.Steps, 1, 80L * text.Length);
    }

    [Theory]
    [InlineData(@"(a+)+b", "unbounded repetition of a group")]
    [InlineData(@"(?<=a)b", "a group of the kind '(?<='")]
    [InlineData(@"(a)\1", @"the escape \1")]
    [InlineData(@"\bword", @"the escape \b")]
    [InlineData(@"a+?", "a repetition of a repetition")]
    [InlineData(@"[a[b]]", "a class within a class")]
    [InlineData(@"\p{Han}+", "the property Han")]
    [InlineData(@"(?=\d+)a", "unbounded repetition inside a lookahead")]
    [InlineData(@"[a", "an unclosed '['")]
    [InlineData(@"(a", "an unclosed '('")]
    [InlineData(@"a)", "an unmatched ')'")]
    [InlineData(@"a{2000}", "the repetition {2000}")]
    [InlineData(@"*a", "nothing to repeat")]
    [InlineData(@"a\", "a '\\' at the end")]
    [InlineData("(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)b", "too many steps")]
    [InlineData("(((((){1000}){1000}){1000}){1000}){1000}", "too many steps")]
    [InlineData("[ab]{0,1000}[ab]{0,1000}c", "too many steps")]
    [InlineData("", "it is empty")]
    public void What_is_not_supported_is_refused_by_name(string source, string reason)
    {
        var fault = Assert.Throws<CheckpointException>(() => RunePattern.Parse(source));
        Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_pattern_is_either_parsed_or_refused() => Gen.String[Gen.Char["ab()[]{}|*+?\\^$.-,12pL:=!iP "], 0, 16].Sample(source =>
    {
        try
        {
            Matches(RunePattern.Parse(source), "ab1 (L) [p]\n");
        }
        catch (CheckpointException)
        {
            // Refused: fine.
        }
    }, iter: 20_000);

    private static List<string> Matches(RunePattern pattern, string text)
    {
        var matches = new List<string>();
        var matcher = new RunePatternMatcher(pattern, text);
        matcher.Enter(0, text.Length);
        for (var position = 0; matcher.TryFind(position, out var begin, out var end); position = end) matches.Add(text[begin..end]);
        return matches;
    }

    private static string Repeat(string text, int count) => new StringBuilder(text.Length * count).Insert(0, text, count).ToString();
}
