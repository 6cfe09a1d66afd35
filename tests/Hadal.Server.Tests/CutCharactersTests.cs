using System.Text;
using System.Text.Json;

namespace Hadal.Server.Tests;

/// <summary>An answer that a limit cuts within a character ends before it, in all forms; the bytes stand beside it.</summary>
public sealed class CutCharactersTests(SharedServer shared)
{
    private const string Whole = "Wal 🐋";
    private readonly TestServer _server = shared.Server;

    [Theory]
    [InlineData(0, Whole)]
    [InlineData(1, "Wal ")]
    [InlineData(2, "Wal ")]
    public async Task A_character_whose_last_tokens_are_missing_is_left_out(int missing, string expected)
    {
        var limit = (await TokensAsync(Whole)).Count - missing;
        var fields = $"\"structured_outputs\":{{\"regex\":\"{Whole}\"}},\"max_tokens\":{limit}";
        var chat = ChatCompletionsTests.Body("hadal-mini", fields);
        Assert.Equal(expected, ChatCompletionsTests.Content(await _server.PostAsync("/v1/chat/completions", chat)));
        var deltas = await _server.StreamAsync("/v1/chat/completions", ChatCompletionsTests.Body("hadal-mini", fields + ",\"stream\":true"));
        Assert.Equal(expected, string.Concat(deltas.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta")).Select(delta => delta.TryGetProperty("content", out var text) ? text.GetString() : "")));

        var completion = "{\"model\":\"hadal-mini\",\"prompt\":\"x\"," + fields;
        Assert.Equal(expected, (await _server.PostAsync("/v1/completions", completion + "}")).GetProperty("choices")[0].GetProperty("text").GetString());
        var texts = await _server.StreamAsync("/v1/completions", completion + ",\"stream\":true}");
        Assert.Equal(expected, string.Concat(texts.Select(chunk => chunk.GetProperty("choices")[0].GetProperty("text").GetString())));
    }

    [Fact]
    public async Task Its_bytes_are_told_with_the_probabilities()
    {
        var first = (await TokensAsync("🐋"))[0].GetInt32();
        var fields = $"\"logit_bias\":{{\"{first}\":100}},\"temperature\":0,\"max_tokens\":1,\"logprobs\":true";
        var choice = (await _server.PostAsync("/v1/chat/completions", ChatCompletionsTests.Body("hadal-mini", fields))).GetProperty("choices")[0];
        Assert.Equal(("length", ""), (choice.GetProperty("finish_reason").GetString(), choice.GetProperty("message").GetProperty("content").GetString()));
        var bytes = BytesOf(choice);
        Assert.True(bytes.Length > 0);
        Assert.Equal(bytes, Encoding.UTF8.GetBytes("🐋")[..bytes.Length]);
        var chunks = await _server.StreamAsync("/v1/chat/completions", ChatCompletionsTests.Body("hadal-mini", fields + ",\"stream\":true"));
        Assert.Equal(bytes, BytesOf(Assert.Single(chunks, chunk => chunk.GetProperty("choices")[0].GetProperty("logprobs").ValueKind == JsonValueKind.Object).GetProperty("choices")[0]));

        static byte[] BytesOf(JsonElement choice) => [.. Assert.Single(choice.GetProperty("logprobs").GetProperty("content").EnumerateArray()).GetProperty("bytes").EnumerateArray().Select(value => value.GetByte())];
    }

    private async Task<List<JsonElement>> TokensAsync(string text) =>
        [.. (await _server.PostAsync("/tokenize", "{\"model\":\"hadal-mini\",\"content\":\"" + text + "\"}")).GetProperty("tokens").EnumerateArray()];
}
