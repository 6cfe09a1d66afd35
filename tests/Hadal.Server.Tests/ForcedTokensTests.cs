using System.Text.Json;

namespace Hadal.Server.Tests;

/// <summary><c>mark_forced</c>: chunks say where the grammar left no choice.</summary>
public sealed class ForcedTokensTests(SharedServer shared)
{
    private const string Schema = """{"type":"object","properties":{"temperature_in_degrees":{"type":"integer","minimum":0,"maximum":99}},"required":["temperature_in_degrees"],"additionalProperties":false}""";

    [Fact]
    public async Task What_a_schema_forces_is_marked_and_what_the_model_chose_is_not()
    {
        var chunks = await shared.Server.StreamAsync("/v1/chat/completions", Body(""","mark_forced":true"""));
        var (forced, text) = ("", "");
        foreach (var choice in chunks.Where(chunk => chunk.GetProperty("choices").GetArrayLength() > 0).Select(chunk => chunk.GetProperty("choices")[0]))
        {
            if (!choice.GetProperty("delta").TryGetProperty("content", out var content)) continue;
            text += content.GetString();
            if (choice.GetProperty("forced").GetBoolean()) forced += content.GetString();
        }

        var degrees = JsonElement.Parse(text).GetProperty("temperature_in_degrees").GetRawText();
        Assert.Contains("in_degrees", forced, StringComparison.Ordinal);
        Assert.DoesNotContain(degrees[0], forced);
    }

    [Fact]
    public async Task Who_does_not_ask_gets_no_mark()
    {
        var chunks = await shared.Server.StreamAsync("/v1/chat/completions", Body(""));
        Assert.All(chunks, chunk => Assert.DoesNotContain("forced", chunk.GetRawText(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Log_probabilities_are_of_all_tokens_and_a_forced_one_is_certain()
    {
        const string more = ",\"logprobs\":true,\"top_logprobs\":2";
        var choice = (await shared.Server.PostAsync("/v1/chat/completions", Body(more).Replace("\"stream\":true,", "", StringComparison.Ordinal))).GetProperty("choices")[0];
        var tokens = choice.GetProperty("logprobs").GetProperty("content").EnumerateArray().ToList();
        var bytes = tokens.SelectMany(token => token.GetProperty("bytes").EnumerateArray()).Select(value => value.GetByte()).ToArray();
        Assert.Equal(choice.GetProperty("message").GetProperty("content").GetString(), System.Text.Encoding.UTF8.GetString(bytes));
        var certain = tokens.Where(token => token.GetProperty("top_logprobs").GetArrayLength() == 1).ToList();
        Assert.NotEmpty(certain);
        Assert.NotEqual(tokens.Count, certain.Count);
        foreach (var token in certain)
        {
            var alternative = token.GetProperty("top_logprobs")[0];
            Assert.Equal((0, 0), (token.GetProperty("logprob").GetDouble(), alternative.GetProperty("logprob").GetDouble()));
            Assert.Equal(token.GetProperty("token").GetString(), alternative.GetProperty("token").GetString());
        }

        var chunks = await shared.Server.StreamAsync("/v1/chat/completions", Body(more));
        var streamed = chunks.SelectMany(chunk => chunk.GetProperty("choices").EnumerateArray()).Select(item => item.GetProperty("logprobs")).Where(item => item.ValueKind == JsonValueKind.Object)
            .SelectMany(item => item.GetProperty("content").EnumerateArray()).Select(item => item.GetRawText());
        Assert.Equal(tokens.Select(token => token.GetRawText()), streamed);
    }

    [Fact]
    public async Task Marks_are_of_streams_only()
    {
        var (status, error) = await shared.Server.FaultAsync("/v1/chat/completions", """{"model":"hadal-mini","messages":[{"role":"user","content":"x"}],"mark_forced":true}""");
        Assert.Equal((400, "mark_forced"), (status, error.GetProperty("param").GetString()));
    }

    [Fact]
    public async Task Models_say_what_they_can_do()
    {
        var models = JsonElement.Parse(await shared.Server.Client.GetStringAsync("/v1/models")).GetProperty("data").EnumerateArray().ToDictionary(model => model.GetProperty("id").GetString()!);
        Assert.Equal(["never", "optional", "always"], new[] { "hadal-mini", "chat", "reasoner" }.Select(name => models[name].GetProperty("thinking").GetString()));
        Assert.Equal([false, true, true], new[] { "hadal-mini", "chat", "reasoner" }.Select(name => models[name].GetProperty("chat_template").GetBoolean()));
        Assert.All(models.Values, model => Assert.Equal("[\"text\"]", model.GetProperty("input_modalities").GetRawText()));
    }

    private static string Body(string more) =>
        $$$"""{"model":"hadal-mini","messages":[{"role":"user","content":"It is"}],"stream":true,"temperature":0,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{{{Schema}}}}}{{{more}}}}""";
}
