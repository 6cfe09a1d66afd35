using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Tests.Text;

/// <summary>Token ids that another engine computed, from the Hugging Face directory and from the GGUF file of each golden folder.</summary>
public sealed class GoldenTokenizationTests
{
    public static TheoryData<string> Folders { get; } =
        ["deepseek-v2-lite", "deepseek-v3", "deepseek-v32-dsa", "llama-gqa", "llama3-rope", "qwen2", "qwen3"];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Texts_give_the_golden_ids(string folder) => AssertTexts(TokenizerFixtures.Golden(folder), folder);

    [Theory]
    [MemberData(nameof(Folders))]
    public void Rendered_chats_give_the_golden_ids(string folder) => AssertChats(TokenizerFixtures.Golden(folder), folder);

    private static void AssertTexts(Tokenizer tokenizer, string folder)
    {
        var tokenization = TokenizerFixtures.GoldenNumbers(folder).GetProperty("tokenization");
        Assert.Equal(tokenization.GetProperty("bos_id").ValueKind == System.Text.Json.JsonValueKind.Null ? null : tokenization.GetProperty("bos_id").GetInt32(), tokenizer.BosTokenId);
        Assert.Equal(tokenization.GetProperty("eos_id").GetInt32(), Assert.Single(tokenizer.EosTokenIds));
        Assert.Equal(tokenization.GetProperty("add_bos").GetBoolean(), tokenizer.AddsBos);
        foreach (var item in tokenization.GetProperty("cases").EnumerateArray())
        {
            var text = item.GetProperty("text").GetString()!;
            var ids = TokenizerFixtures.Ids(item.GetProperty("ids"));
            Assert.Equal(ids, tokenizer.Encode(text, item.GetProperty("add_special").GetBoolean(), item.GetProperty("parse_special").GetBoolean()));
            var bosCount = item.GetProperty("add_special").GetBoolean() && tokenizer.AddsBos ? 1 : 0;
            Assert.Equal(text, tokenizer.Decode(ids.Skip(bosCount), skipSpecial: false));
        }
    }

    private static void AssertChats(Tokenizer tokenizer, string folder)
    {
        foreach (var chat in TokenizerFixtures.GoldenNumbers(folder).GetProperty("chat").EnumerateArray())
        {
            var text = chat.GetProperty("text").GetString()!;
            var ids = TokenizerFixtures.Ids(chat.GetProperty("ids"));
            Assert.Equal(ids, tokenizer.Encode(text, addSpecial: false, parseSpecial: true));

            // The same with each message as an untrusted segment of its own.
            var segments = new List<TextSegment>();
            var position = 0;
            foreach (var message in chat.GetProperty("messages").EnumerateArray())
            {
                var content = message.GetProperty("content").GetString()!;
                var begin = text.IndexOf(content, position, StringComparison.Ordinal);
                if (begin < 0) continue;
                segments.Add(new TextSegment(text[position..begin], IsTrusted: true));
                segments.Add(new TextSegment(content, IsTrusted: false));
                position = begin + content.Length;
            }

            segments.Add(new TextSegment(text[position..], IsTrusted: true));
            Assert.Equal(ids, tokenizer.Encode(segments, addSpecial: false));
        }
    }
}
