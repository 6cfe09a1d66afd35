using System.Text;
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

    [Fact]
    public void Bytes_are_spelt_as_published()
    {
        var points = TokenizerFixtures.Json(TokenizerFixtures.LocalFile("tokenizer_pieces.json")).GetProperty("byte_to_char");
        Assert.Equal(TokenizerFixtures.Ids(points), Enumerable.Range(0, 256).Select(value => (int)ByteAlphabet.CharOf((byte)value)));
        Assert.All(Enumerable.Range(0, 256), value => Assert.True(ByteAlphabet.TryGetByte(ByteAlphabet.CharOf((byte)value), out var back) && back == value));
    }

    [Theory]
    [InlineData("deepseek_llm_letters", "deepseek-llm", 1)]
    [InlineData("deepseek_llm_punct", "deepseek-llm", 2)]
    [InlineData("deepseek_llm_cjk", "deepseek-llm", 4)]
    [InlineData("deepseek_v3_cjk_kana", "deepseek-v3", 1)]
    public void Character_classes_are_the_published_ones(string fixture, string name, int stage)
    {
        // Every code point by itself, between characters that no class has.
        var text = new StringBuilder();
        for (var point = 0; point <= 0x10FFFF; point++)
            if (Rune.IsValid(point)) text.Append('\u0001').Append(new Rune(point));
        var matcher = new RunePatternMatcher(GgufPreTokenizers.Find(name).PreTokenizer.Stages[stage].Pattern!, text.ToString());
        matcher.Enter(0, text.Length);
        var found = new List<int>();
        for (var position = 0; matcher.TryFind(position, out var begin, out var end); position = end) found.Add(Rune.GetRuneAt(text.ToString(begin, end - begin), 0).Value);

        var ranges = TokenizerFixtures.Json(TokenizerFixtures.LocalFile("tokenizer_pieces.json")).GetProperty("char_classes").GetProperty(fixture).EnumerateArray();
        Assert.Equal(ranges.SelectMany(range => Enumerable.Range(range[0].GetInt32(), range[1].GetInt32() - range[0].GetInt32() + 1)).Distinct().Order(), found);
    }

    internal static string[] Pieces(PreTokenizer preTokenizer, string text)
    {
        var split = preTokenizer.Split(text);
        return [.. split.Pieces.Select(piece => split.Text[piece.Begin..piece.End])];
    }
}
