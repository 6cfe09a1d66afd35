using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Tests.Text;

public sealed class PreTokenizerTests
{
    [Theory]
    [InlineData("deepseek_llm", "deepseek-v2-lite", "deepseek-llm")]
    [InlineData("deepseek_v3", "deepseek-v3", "deepseek-v3")]
    [InlineData("qwen2", "qwen2", "qwen2")]
    [InlineData("llama3", "llama3-rope", "llama-bpe")]
    public void Known_texts_split_as_published(string fixture, string folder, string ggufName)
    {
        var file = TokenizerFixtures.Json(Path.Combine(TokenizerFixtures.GoldenFolder(folder), "hf", "tokenizer.json"));
        var fromJson = PreTokenizerJson.Read(file.GetProperty("pre_tokenizer"));
        var fromGguf = GgufPreTokenizers.Find(ggufName).PreTokenizer;
        foreach (var split in TokenizerFixtures.Json(TokenizerFixtures.LocalFile("tokenizer_pieces.json")).GetProperty("splits").EnumerateArray())
        {
            var text = split.GetProperty("text").GetString()!;
            string[] expected = [.. split.GetProperty(fixture).EnumerateArray().Select(piece => piece.GetString()!)];
            Assert.Equal(expected, Pieces(fromJson, text));
            Assert.Equal(expected, Pieces(fromGguf, text));
        }
    }

    internal static string[] Pieces(PreTokenizer preTokenizer, string text)
    {
        var split = preTokenizer.Split(text);
        return [.. split.Pieces.Select(piece => split.Text[piece.Begin..piece.End])];
    }
}
