using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Tests.Text;

/// <summary>How a text is cut into tokens whose probabilities are measured.</summary>
public sealed class EvaluationTokensTests
{
    private const int Limit = EvaluationTokens.MaxPieceCharacters;

    [Fact]
    public void A_text_is_one_document_behind_a_start_token()
    {
        var tokenizer = TokenizerFixtures.Golden("deepseek-v3");
        var tokens = new EvaluationTokens(tokenizer, new StringReader("Tide 三 😀\nend"));
        Assert.Equal([0, .. tokenizer.Encode("Tide 三 😀\nend", addSpecial: false)], tokens.Read());
        Assert.Equal(17, tokens.ByteCount);
        Assert.Equal([0], new EvaluationTokens(tokenizer, new StringReader("")).Read());
    }

    [Fact]
    public void Long_texts_are_cut_behind_line_ends_and_never_inside_a_character()
    {
        var lines = string.Concat(Enumerable.Range(0, 9000).Select(i => $"line {i} of many\n"));
        AssertPieces(lines, piece => piece.EndsWith('\n'));
        AssertPieces(new string('x', Limit), _ => true, 1);
        AssertPieces(new string('x', Limit + 1), piece => piece.Length == Limit, 2);
        AssertPieces(new string('x', (2 * Limit) + 5), piece => piece.Length == Limit, 3);
        AssertPieces(new string('x', Limit - 1) + "😀" + new string('y', 9), piece => piece.Length == Limit - 1, 2);
        AssertPieces("\n" + new string('x', Limit), piece => piece == "\n", 2);
        AssertPieces("", _ => true, 1);
    }

    private static void AssertPieces(string text, Func<string, bool> isWhole, int? count = null)
    {
        var pieces = EvaluationTokens.Pieces(new StringReader(text)).ToArray();
        Assert.Equal(text, string.Concat(pieces));
        Assert.All(pieces[..^1], piece => Assert.True(isWhole(piece)));
        Assert.All(pieces, piece => Assert.InRange(piece.Length, 0, Limit));
        if (count is not null) Assert.Equal(count, pieces.Length);
    }
}
