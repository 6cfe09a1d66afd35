using System.Text.Json;
using Hadal.Server.Answers;

namespace Hadal.Server.Tests;

/// <summary>What requests say of tools, and what their arguments are.</summary>
public sealed class ToolTests(SharedServer shared)
{
    private const string Path = "/v1/chat/completions";

    [Theory]
    [InlineData("chat", "{\"name\":\"now\"}")]
    [InlineData("chat", "{\"name\":\"now\",\"parameters\":null,\"description\":null,\"strict\":null}")]
    [InlineData("chat", "{\"name\":\"now\",\"strict\":true}")]
    [InlineData("tagged", "{\"name\":\"now\"}")]
    public async Task A_tool_without_parameters_takes_none(string model, string function)
    {
        var answer = await shared.Server.PostAsync(Path, ChatCompletionsTests.Body(model, "\"max_tokens\":20,\"seed\":1,\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":" + function + "}]"));
        Assert.Equal("{}", Arguments(answer));
    }

    [Fact]
    public void Templates_get_what_they_ask_for_by_name()
    {
        JsonElement[] tools = [.. JsonElement.Parse("""[{"type":"function","function":{"name":"a","strict":null}},{"type":"function","function":{"name":"b","description":"d","parameters":{"type":"object"}}}]""").EnumerateArray()];
        Assert.Equal(
            """[{"type":"function","function":{"name":"a","description":"","parameters":{"type":"object","properties":{}}}},{"type":"function","function":{"name":"b","description":"d","parameters":{"type":"object"}}}]""",
            ChatTools.Whole(tools, needsDescriptions: true).GetRawText());
        Assert.DoesNotContain("\"\"", ChatTools.Whole(tools, needsDescriptions: false).GetRawText(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"properties":{"a":{"type":"integer"}}}""")]
    [InlineData("""{"type":["string","object"]}""")]
    [InlineData("""{"$ref":"https://a.b/c"}""")]
    [InlineData("""{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/definitions/any","definitions":{"any":{}}}""")]
    [InlineData("""{"$ref":"#/$defs/one","$defs":{"one":{"anyOf":[{"type":"object"},{"type":"string"}]}}}""")]
    public async Task Arguments_are_an_object_also_where_the_schema_does_not_say_so(string parameters)
    {
        var answer = await shared.Server.PostAsync(Path, ChatCompletionsTests.Body("chat", "\"max_tokens\":6,\"temperature\":0,\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":" + parameters + "}}]"));
        Assert.StartsWith("{", Arguments(answer), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"type":"string"}""", "tools[0].function.parameters.type")]
    [InlineData("""{"type":["string","null"]}""", "tools[0].function.parameters.type")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"any"}}}""", "tools")]
    [InlineData("""{"type":"obj"}""", "tools[0].function.parameters.type")]
    public async Task Parameters_that_are_no_object_or_of_an_unknown_type_are_refused(string parameters, string place)
    {
        var (status, error) = await shared.Server.FaultAsync(Path, ChatCompletionsTests.Body("chat", "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":" + parameters + "}}]"));
        Assert.Equal((400, place), (status, error.GetProperty("param").GetString()));
        Assert.Contains("type: ", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("chat")]
    [InlineData("tagged")]
    public async Task Stops_end_text_and_not_calls_and_probabilities_are_of_text(string model)
    {
        const string tools = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_rul\",\"strict\":true,\"parameters\":{\"type\":\"object\",\"properties\":{\"unit\":{\"const\":7}},\"required\":[\"unit\"],\"additionalProperties\":false}}}]";
        var brace = (await shared.Server.PostAsync("/tokenize", $"{{\"model\":\"{model}\",\"content\":\"7\"}}")).GetProperty("tokens")[0].GetInt32();
        var fields = $"{tools},\"tool_choice\":\"required\",\"max_tokens\":60,\"stop\":[\"unit\",\"}}\"],\"stop_token_ids\":[{brace}],\"logprobs\":true";
        var answer = await shared.Server.PostAsync(Path, ChatCompletionsTests.Body(model, fields));
        Assert.Equal(7, JsonElement.Parse(Arguments(answer)).GetProperty("unit").GetInt32());
        var choice = answer.GetProperty("choices")[0];
        Assert.Equal(("tool_calls", 0), (choice.GetProperty("finish_reason").GetString(), choice.GetProperty("logprobs").GetProperty("content").GetArrayLength()));
        var chunks = await shared.Server.StreamAsync(Path, ChatCompletionsTests.Body(model, fields + ",\"stream\":true"));
        Assert.All(chunks, chunk => Assert.Equal(JsonValueKind.Null, chunk.GetProperty("choices")[0].GetProperty("logprobs").ValueKind));
    }

    [Theory]
    [InlineData("<")]
    [InlineData("tool")]
    public async Task The_mark_that_a_call_begins_with_is_no_text(string stop)
    {
        var tools = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"parallel_tool_calls\":false,\"stop\":\"" + stop + "\",\"logprobs\":true,\"temperature\":0,\"max_tokens\":60,\"logit_bias\":{\"12\":100}";
        var choice = (await shared.Server.PostAsync(Path, ChatCompletionsTests.Body("chat", tools))).GetProperty("choices")[0];
        Assert.Equal(("tool_calls", 0), (choice.GetProperty("finish_reason").GetString(), choice.GetProperty("logprobs").GetProperty("content").GetArrayLength()));

        // Who names the token itself wants to be stopped there.
        choice = (await shared.Server.PostAsync(Path, ChatCompletionsTests.Body("chat", tools + ",\"stop_token_ids\":[12]"))).GetProperty("choices")[0];
        Assert.Equal("stop", choice.GetProperty("finish_reason").GetString());
        Assert.False(choice.GetProperty("message").TryGetProperty("tool_calls", out _));
    }

    [Fact]
    public async Task A_call_that_a_limit_has_cut_comes_back_with_its_result_and_is_answered()
    {
        const string tools = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\",\"minLength\":200}},\"required\":[\"text\"]}}}]";
        var choice = (await shared.Server.PostAsync(Path, ChatCompletionsTests.Body("chat", tools + ",\"tool_choice\":\"required\",\"max_tokens\":8,\"temperature\":0"))).GetProperty("choices")[0];
        Assert.Equal("length", choice.GetProperty("finish_reason").GetString());
        var message = choice.GetProperty("message");
        var arguments = message.GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").GetString()!;
        Assert.ThrowsAny<JsonException>(() => JsonElement.Parse(arguments));
        var id = message.GetProperty("tool_calls")[0].GetProperty("id").GetString();
        await shared.Server.PostAsync(Path, $$"""{"model":"chat","messages":[{"role":"user","content":"x"},{{message.GetRawText()}},{"role":"tool","tool_call_id":"{{id}}","content":"cut"}],{{tools}},"max_tokens":2}""");
    }

    private static string Arguments(JsonElement answer) => answer.GetProperty("choices")[0].GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").GetString()!;
}
