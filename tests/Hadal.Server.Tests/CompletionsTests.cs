using System.Text.Json;

namespace Hadal.Server.Tests;

public sealed class CompletionsTests(SharedServer shared)
{
    private readonly TestServer _server = shared.Server;

    [Fact]
    public async Task A_text_is_continued_and_streamed_to_the_same_text()
    {
        const string fields = "\"model\":\"hadal-mini\",\"prompt\":\"The river runs\",\"max_tokens\":24,\"seed\":3,\"logprobs\":2";
        var whole = (await _server.PostAsync("/v1/completions", "{" + fields + "}")).GetProperty("choices")[0];
        var chunks = await _server.StreamAsync("/v1/completions", "{" + fields + ",\"stream\":true}");
        Assert.Equal(whole.GetProperty("text").GetString(), string.Concat(chunks.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("text").GetString())));
        Assert.All(chunks, chunk => Assert.Equal("text_completion", chunk.GetProperty("object").GetString()));
        Assert.Equal("length", chunks[^1].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        var offsets = whole.GetProperty("logprobs").GetProperty("text_offset").EnumerateArray().Select(item => item.GetInt32());
        var streamed = chunks.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("logprobs")).Where(item => item.ValueKind == JsonValueKind.Object)
            .SelectMany(item => item.GetProperty("text_offset").EnumerateArray()).Select(item => item.GetInt32());
        Assert.Equal(offsets, streamed);
        Assert.Equal(24, offsets.Count());
    }

    [Fact]
    public async Task Offsets_are_those_of_the_text_also_where_tokens_share_a_character()
    {
        const string expected = "Wal 🐋 end";
        const string fields = "\"model\":\"hadal-mini\",\"prompt\":\"x\",\"max_tokens\":40,\"logprobs\":1,\"structured_outputs\":{\"choice\":[\"" + expected + "\"]}";
        var whole = (await _server.PostAsync("/v1/completions", "{" + fields + "}")).GetProperty("choices")[0];
        Assert.Equal(expected, whole.GetProperty("text").GetString());
        var tokens = whole.GetProperty("logprobs").GetProperty("tokens").EnumerateArray().Select(token => token.GetString()!).ToList();
        var offsets = whole.GetProperty("logprobs").GetProperty("text_offset").EnumerateArray().Select(item => item.GetInt32()).ToList();
        Assert.Equal(tokens.Count, offsets.Count);
        Assert.Contains(tokens, token => token.Contains('\uFFFD'));
        for (var i = 0; i < tokens.Count; i++)
            if (!tokens[i].Contains('\uFFFD')) Assert.Equal(tokens[i], expected.Substring(offsets[i], tokens[i].Length));
            else Assert.InRange(offsets[i], 3, 4);

        // Without a stop string every token has an event of its own, also one without text.
        var streamed = (await _server.StreamAsync("/v1/completions", "{" + fields + ",\"stream\":true}")).Select(chunk => chunk.GetProperty("choices")[0].GetProperty("logprobs"))
            .Where(item => item.ValueKind == JsonValueKind.Object).Select(item => Assert.Single(item.GetProperty("text_offset").EnumerateArray()).GetInt32());
        Assert.Equal(offsets, streamed);
    }

    [Theory]
    [InlineData("le sw")]
    [InlineData(" swims")]
    [InlineData("The")]
    public async Task Tokens_of_a_stop_string_are_not_among_the_probabilities(string stop)
    {
        const string full = "The whale swims far";
        var expected = full[..full.IndexOf(stop, StringComparison.Ordinal)];
        var fields = $"\"model\":\"hadal-mini\",\"max_tokens\":40,\"stop\":\"{stop}\",\"structured_outputs\":{{\"choice\":[\"{full}\"]}}";
        var all = Offsets((await _server.PostAsync("/v1/completions", $"{{{fields.Replace($"\"stop\":\"{stop}\",", "", StringComparison.Ordinal)},\"prompt\":\"x\",\"logprobs\":0}}")).GetProperty("choices")[0]);
        var whole = (await _server.PostAsync("/v1/completions", $"{{{fields},\"prompt\":\"x\",\"logprobs\":0}}")).GetProperty("choices")[0];
        Assert.Equal((expected, "stop"), (whole.GetProperty("text").GetString(), whole.GetProperty("finish_reason").GetString()));
        Assert.Equal(all.Where(offset => offset < expected.Length), Offsets(whole));
        Assert.NotEqual(all.Count, Offsets(whole).Count);
        var streamed = await _server.StreamAsync("/v1/completions", $"{{{fields},\"prompt\":\"x\",\"logprobs\":0,\"stream\":true}}");
        Assert.Equal(Offsets(whole), streamed.SelectMany(chunk => Offsets(chunk.GetProperty("choices")[0])));

        // What is streamed is never ahead of the text.
        var text = 0;
        foreach (var choice in streamed.Select(chunk => chunk.GetProperty("choices")[0]))
        {
            text += choice.GetProperty("text").GetString()!.Length;
            Assert.All(Offsets(choice), offset => Assert.True(offset < text));
        }

        var chat = (await _server.PostAsync("/v1/chat/completions", $"{{{fields},\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"logprobs\":true}}")).GetProperty("choices")[0];
        Assert.Equal(Offsets(whole).Count, chat.GetProperty("logprobs").GetProperty("content").GetArrayLength());
        var deltas = await _server.StreamAsync("/v1/chat/completions", $"{{{fields},\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"logprobs\":true,\"stream\":true}}");
        Assert.Equal(Offsets(whole).Count, deltas.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("logprobs")).Where(item => item.ValueKind == JsonValueKind.Object).Sum(item => item.GetProperty("content").GetArrayLength()));

        static List<int> Offsets(JsonElement choice) =>
            choice.GetProperty("logprobs") is { ValueKind: JsonValueKind.Object } logProbs ? [.. logProbs.GetProperty("text_offset").EnumerateArray().Select(item => item.GetInt32())] : [];
    }

    [Fact]
    public async Task Several_prompts_get_several_answers_in_order()
    {
        var answer = await _server.PostAsync("/v1/completions", """{"model":"hadal-mini","prompt":["Ice is","Fire is"],"n":2,"max_tokens":5,"seed":1,"echo":true}""");
        var choices = answer.GetProperty("choices").EnumerateArray().ToList();
        Assert.Equal([0, 1, 2, 3], choices.Select(choice => choice.GetProperty("index").GetInt32()));
        Assert.All(choices[..2], choice => Assert.StartsWith("Ice is", choice.GetProperty("text").GetString(), StringComparison.Ordinal));
        Assert.All(choices[2..], choice => Assert.StartsWith("Fire is", choice.GetProperty("text").GetString(), StringComparison.Ordinal));
        Assert.Equal(20, answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task Token_ids_and_their_text_get_the_same_answer()
    {
        var tokens = (await _server.PostAsync("/tokenize", """{"model":"hadal-mini","content":"The river runs","add_special":true}""")).GetProperty("tokens").GetRawText();
        var ofText = await _server.PostAsync("/v1/completions", """{"model":"hadal-mini","prompt":"The river runs","temperature":0}""");
        var ofIds = await _server.PostAsync("/v1/completions", "{\"model\":\"hadal-mini\",\"temperature\":0,\"prompt\":" + tokens + "}");
        Assert.Equal(ofText.GetProperty("choices").GetRawText(), ofIds.GetProperty("choices").GetRawText());
        Assert.Equal(16, ofIds.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Fact]
    public async Task A_gap_is_filled_between_the_marks_of_the_model()
    {
        var marks = (await _server.PostAsync("/tokenize", """{"model":"hadal-mini","content":"<｜begin▁of▁sentence｜><｜fim▁begin｜>The cat<｜fim▁hole｜>on the mat<｜fim▁end｜>","parse_special":true}""")).GetProperty("tokens").GetRawText();
        var expected = await _server.PostAsync("/v1/completions", "{\"model\":\"hadal-mini\",\"temperature\":0,\"prompt\":" + marks + "}");
        var filled = await _server.PostAsync("/beta/completions", """{"model":"hadal-mini","temperature":0,"prompt":"The cat","suffix":"on the mat"}""");
        Assert.Equal(expected.GetProperty("choices").GetRawText(), filled.GetProperty("choices").GetRawText());
    }

    [Fact]
    public async Task Tokens_and_text_go_both_ways()
    {
        const string text = "Whales sing — 鲸鱼 🐋 <｜User｜>";
        var tokens = await _server.PostAsync("/v1/tokenize", "{\"model\":\"hadal-mini\",\"prompt\":\"" + text + "\"}");
        Assert.Equal(tokens.GetProperty("count").GetInt32(), tokens.GetProperty("tokens").GetArrayLength());
        Assert.DoesNotContain(3, tokens.GetProperty("tokens").EnumerateArray().Select(item => item.GetInt32()));
        var back = await _server.PostAsync("/detokenize", "{\"model\":\"hadal-mini\",\"tokens\":" + tokens.GetProperty("tokens").GetRawText() + "}");
        Assert.Equal(text, back.GetProperty("content").GetString());
        var pieces = await _server.PostAsync("/tokenize", """{"model":"hadal-mini","content":"sea","with_pieces":true}""");
        Assert.Equal("sea", string.Concat(pieces.GetProperty("tokens").EnumerateArray().Select(item => item.GetProperty("piece").GetString())));
    }
}
