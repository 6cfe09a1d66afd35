using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hadal.Server.Tests;

/// <summary>Every value of a request replaced by every odd one: the answer is an answer or names a fault of the client, never of the server.</summary>
public sealed class OddRequestTests(SharedServer shared)
{
    /// <summary>A long text without a space.</summary>
    private static readonly string Long = new('a', 200);

    private static readonly string[] OddValues =
    [
        "null", "true", "0", "-1", "1e999", "-9223372036854775809", "4294967296", "\"\"", "\"\\u0000\"", "\"\\u202e\\uFFFF😀\"", "[]", "[null]", "{}", "{\"type\":\"object\"}",
        "[1,\"a\",{}]", $"\"{Long}\"",
    ];

    [Theory]
    [InlineData("/v1/chat/completions", """
        {"model":"hadal-mini","messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}],"name":"c"}],"max_tokens":2,"max_completion_tokens":2,"temperature":1,"top_p":0.5,
         "top_k":3,"min_p":0.1,"n":1,"stop":["x"],"seed":1,"frequency_penalty":0.1,"presence_penalty":0.1,"logit_bias":{"5":1},"logprobs":true,"top_logprobs":2,"user":"u","metadata":{"a":"b"},"stream":false}
        """)]
    [InlineData("/v1/chat/completions", """
        {"model":"chat","messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},
         {"role":"tool","tool_call_id":"c1","content":"1"}],"tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"],"additionalProperties":false}}}],
         "tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"max_tokens":8,"stream":true,"stream_options":{"include_usage":true}}
        """)]
    [InlineData("/v1/chat/completions", """
        {"model":"hadal-mini","messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"a":{"type":"integer","minimum":1,"maximum":3}},
         "required":["a"],"additionalProperties":false}}},"max_tokens":8,"thinking":{"type":"disabled"},"chat_template_kwargs":{}}
        """)]
    [InlineData("/v1/completions", """{"model":"hadal-mini","prompt":["a",""],"suffix":null,"max_tokens":2,"echo":false,"logprobs":1,"best_of":1,"n":1,"stop":"x","stream":false,"seed":3,"logit_bias":{"3":-1}}""")]
    [InlineData("/v1/responses", """
        {"model":"chat","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]}],"instructions":"b","max_output_tokens":4,"temperature":0.5,"top_p":0.9,"store":false,"stream":false,
         "text":{"format":{"type":"text"}},"tools":[],"tool_choice":"none","reasoning":{"effort":"low"},"metadata":{}}
        """)]
    [InlineData("/v1/embeddings", """{"model":"hadal-mini","input":["a","b"],"encoding_format":"base64","dimensions":null,"user":"u"}""")]
    [InlineData("/tokenize", """{"model":"hadal-mini","content":"a b","prompt":null,"add_special":true,"parse_special":false,"with_pieces":true}""")]
    [InlineData("/detokenize", """{"model":"hadal-mini","tokens":[1,2,3]}""")]
    public async Task No_odd_value_is_a_fault_of_the_server(string route, string json)
    {
        using (var asIs = await shared.Server.SendAsync(route, json)) Assert.True(asIs.IsSuccessStatusCode, await asIs.Content.ReadAsStringAsync());
        var faults = new List<string>();
        foreach (var path in Paths(JsonNode.Parse(json)!, []))
            foreach (var value in OddValues)
            {
                using var response = await shared.Server.SendAsync(route, With(json, path, value));
                var text = await response.Content.ReadAsStringAsync();
                if ((int)response.StatusCode is not (200 or (>= 400 and < 500)) || text.Contains("\"server_error\"", StringComparison.Ordinal)) faults.Add($"{string.Join('.', path)} = {value}: {text}");
                if ((int)response.StatusCode >= 400) Assert.Equal(JsonValueKind.String, JsonElement.Parse(text).GetProperty("error").GetProperty("message").ValueKind);
            }

        Assert.True(faults.Count == 0, string.Join('\n', faults.Take(20)));
    }

    /// <summary>Every place of a document but its root.</summary>
    private static IEnumerable<object[]> Paths(JsonNode? node, object[] path)
    {
        if (path.Length > 0) yield return path;
        var inner = node switch
        {
            JsonObject item => item.SelectMany(member => Paths(member.Value, [.. path, member.Key])),
            JsonArray list => list.SelectMany((element, index) => Paths(element, [.. path, index])),
            _ => [],
        };
        foreach (var found in inner) yield return found;
    }

    /// <summary>The document with one place replaced by a text, which need not be JSON that a number fits in.</summary>
    private static string With(string json, object[] path, string value)
    {
        const string mark = "mark-of-the-place";
        var root = JsonNode.Parse(json)!;
        var place = path[..^1].Aggregate(root, (node, step) => step is string name ? node[name]! : node[(int)step]!);
        if (path[^1] is string last) place[last] = mark;
        else place[(int)path[^1]] = mark;
        return root.ToJsonString().Replace($"\"{mark}\"", value, StringComparison.Ordinal);
    }
}
