using CsCheck;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;

namespace Hadal.Inference.Tests.Engine;

/// <summary>Text of an answer: stop strings across the borders of tokens and characters, nothing lost, nothing leaked.</summary>
public sealed class StopStringsTests
{
    private static readonly Tokenizer Tokenizer = TinyEngine.Tokenizer;

    [Theory]
    [InlineData("abcabd", "abd", "abc")]
    [InlineData("aaab", "aab", "a")]
    [InlineData("xyz", "q", "xyz")]
    [InlineData("ends with sto", "stop", "ends with sto")]
    [InlineData("stop", "stop", "")]
    [InlineData("ein 😀 da", "😀", "ein ")]
    [InlineData("汉字汉", "字", "汉")]
    [InlineData("one\n\nUser: two", "\n\nUser:", "one")]
    public void A_stop_string_and_what_follows_are_left_out(string text, string stop, string expected) =>
        Assert.Equal(expected, string.Concat(Pieces(Tokenizer.Encode(text, addSpecial: false), [stop], out _)));

    [Fact]
    public void Text_is_held_back_only_while_a_stop_string_may_begin()
    {
        var ids = Tokenizer.Encode("a😀<b", addSpecial: false);
        Assert.Equal(7, ids.Count);
        Assert.Equal(["a", "", "", "", "😀", "", "<b", ""], Pieces(ids, ["<|"], out _));
    }

    [Fact]
    public void The_string_that_is_complete_first_wins_and_the_longest_of_those()
    {
        Assert.Equal("x", string.Concat(Pieces(Tokenizer.Encode("xabcd", addSpecial: false), ["cd", "abc", "bc"], out var stopped)));
        Assert.True(stopped);
    }

    [Fact]
    public void Half_a_character_that_the_model_ends_with_becomes_a_replacement_character()
    {
        var ids = Tokenizer.Encode("😀", addSpecial: false).Take(2);
        Assert.Equal("\uFFFD", string.Concat(Pieces([.. ids], ["\uFFFD\uFFFD"], out _)));
    }

    [Theory]
    [InlineData("a😀", 1, "a")]
    [InlineData("a😀", 2, "a")]
    [InlineData("a😀", 3, "a")]
    [InlineData("a😀", 0, "a😀")]
    [InlineData("ein <汉", 1, "ein <")]
    public void Half_a_character_that_a_limit_cuts_is_left_out_and_nothing_else(string text, int missing, string expected)
    {
        var ids = Tokenizer.Encode(text, addSpecial: false);
        Assert.Equal(expected, string.Concat(Pieces([.. ids.Take(ids.Count - missing)], ["<|"], out _, isCut: true)));
    }

    [Fact]
    public void Any_text_is_cut_where_a_plain_search_cuts_it()
    {
        // Few letters and a character of four bytes, so that strings overlap themselves and each other.
        string[] alphabet = ["a", "b", "<", "😀", " "];
        var letters = Gen.Int[0, alphabet.Length - 1].Select(index => alphabet[index]);
        var text = letters.List[0, 40].Select(string.Concat);
        var stops = letters.List[1, 5].Select(string.Concat).List[0, 4];
        Gen.Select(text, stops).Sample((answer, strings) =>
        {
            var pieces = Pieces(Tokenizer.Encode(answer, addSpecial: false), [.. strings], out var stopped);
            var (expected, isCut) = Cut(answer, strings);
            Assert.Equal(expected, string.Concat(pieces));
            Assert.Equal(isCut, stopped);
            Assert.DoesNotContain(pieces, piece => piece.Length > 0 && (char.IsHighSurrogate(piece[^1]) || char.IsLowSurrogate(piece[0])));
        }, iter: 5000);
    }

    /// <summary>The definition: unit by unit, until one of the strings stands at the end.</summary>
    private static (string Text, bool IsCut) Cut(string text, List<string> stops)
    {
        for (var end = 1; end <= text.Length; end++)
        {
            var longest = stops.Where(stop => text.AsSpan(0, end).EndsWith(stop, StringComparison.Ordinal)).Select(stop => stop.Length).DefaultIfEmpty(0).Max();
            if (longest > 0) return (text[..(end - longest)], true);
        }

        return (text, false);
    }

    private static List<string> Pieces(IReadOnlyList<int> tokenIds, string[] stops, out bool stopped, bool isCut = false)
    {
        var text = new AnswerText(Tokenizer, new GenerationOptions { StopStrings = stops });
        var pieces = new List<string>();
        foreach (var tokenId in tokenIds)
        {
            stopped = text.Append(tokenId);
            pieces.Add(text.Certain.ToString());
            text.DropCertain();
            if (stopped) return pieces;
        }

        stopped = false;
        if (isCut) text.Cut();
        else text.End();
        pieces.Add(text.Certain.ToString());
        return pieces;
    }
}
