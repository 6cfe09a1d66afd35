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

    private static string Arguments(JsonElement answer) => answer.GetProperty("choices")[0].GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function").GetProperty("arguments").GetString()!;
}
