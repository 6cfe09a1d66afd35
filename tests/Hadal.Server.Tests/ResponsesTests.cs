using System.ClientModel;
using System.Text.Json;
using OpenAI;
using OpenAI.Embeddings;

namespace Hadal.Server.Tests;

public sealed class ResponsesTests(SharedServer shared)
{
    private readonly TestServer _server = shared.Server;

    [Fact]
    public async Task Who_asks_for_sealed_thoughts_gets_an_answer()
    {
        const string body = """{"model":"chat","input":"x","max_output_tokens":4,"store":false,"include":["reasoning.encrypted_content"]}""";
        Assert.Equal("response", (await _server.PostAsync("/v1/responses", body)).GetProperty("object").GetString());
        var (status, error) = await _server.FaultAsync("/v1/responses", body.Replace("reasoning.encrypted_content", "message.output_text.logprobs", StringComparison.Ordinal));
        Assert.Equal((400, "include"), (status, error.GetProperty("param").GetString()));
    }

    [Theory]
    [InlineData("""[{"role":"user","content":"x"},{"type":"function_call_output","call_id":"b","output":"2"}]""", "input[1].call_id")]
    [InlineData("""[{"role":"user","content":"x"},{"type":"reasoning","summary":[]},{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"type":"function_call","call_id":"b","name":"f","arguments":["x"]}]""", "input[3].arguments")]
    [InlineData("""[{"role":"user","content":"x"},{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},{"role":"robot","content":"x"}]""", "input[2].role")]
    public async Task Faults_of_items_are_named_by_their_own_place(string input, string place)
    {
        var (status, error) = await _server.FaultAsync("/v1/responses", "{\"model\":\"chat\",\"instructions\":\"Be short.\",\"input\":" + input + "}");
        Assert.Equal((400, place), (status, error.GetProperty("param").GetString()));
        Assert.StartsWith(place + ": ", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_is_that_of_chat_in_other_words()
    {
        var chat = await _server.PostAsync("/v1/chat/completions", """{"model":"chat","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Whales"},{"role":"assistant","content":"Yes?"},{"role":"user","content":"Go on"}],"max_tokens":20,"temperature":0}""");
        var answer = await _server.PostAsync("/v1/responses", """
            {"model":"chat","instructions":"Be brief.","input":[{"role":"user","content":"Whales"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Yes?"}]},{"role":"user","content":[{"type":"input_text","text":"Go on"}]}],"max_output_tokens":20,"temperature":0}
            """);
        Assert.Equal("response", answer.GetProperty("object").GetString());
        Assert.Equal("incomplete", answer.GetProperty("status").GetString());
        Assert.Equal("max_output_tokens", answer.GetProperty("incomplete_details").GetProperty("reason").GetString());
        var item = Assert.Single(answer.GetProperty("output").EnumerateArray());
        Assert.Equal(ChatCompletionsTests.Content(chat), item.GetProperty("content")[0].GetProperty("text").GetString());
        Assert.Equal(20, answer.GetProperty("usage").GetProperty("output_tokens").GetInt32());
        Assert.Equal("Be brief.", answer.GetProperty("instructions").GetString());
    }

    [Fact]
    public async Task A_stream_builds_the_answer_item_by_item()
    {
        const string body = """{"model":"reasoner","input":"Whales","seed":3,"max_output_tokens":60,"text":{"format":{"type":"json_schema","name":"x","schema":{"type":"integer","minimum":1,"maximum":9}}},"stream":true}""";
        using var response = await _server.SendAsync("/v1/responses", body.Replace("\"seed\":3,", "", StringComparison.Ordinal));
        var events = new List<(string Name, JsonElement Data)>();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        string? name = null;
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.StartsWith("event: ", StringComparison.Ordinal)) name = line[7..];
            if (line.StartsWith("data: ", StringComparison.Ordinal)) events.Add((name!, JsonElement.Parse(line[6..])));
        }

        Assert.All(events, item => Assert.Equal(item.Name, item.Data.GetProperty("type").GetString()));
        Assert.Equal(Enumerable.Range(0, events.Count), events.Select(item => item.Data.GetProperty("sequence_number").GetInt32()));
        Assert.Equal(["response.created", "response.in_progress", "response.output_item.added"], events[..3].Select(item => item.Name));
        var last = events[^1].Data.GetProperty("response");
        Assert.Equal(events[^1].Name == "response.completed" ? "completed" : "incomplete", last.GetProperty("status").GetString());
        foreach (var (item, index) in last.GetProperty("output").EnumerateArray().Select((item, index) => (item, index)))
        {
            var kind = item.GetProperty("type").GetString() == "reasoning" ? "response.reasoning_text.delta" : "response.output_text.delta";
            var deltas = events.Where(entry => entry.Name == kind && entry.Data.GetProperty("output_index").GetInt32() == index).Select(entry => entry.Data.GetProperty("delta").GetString());
            Assert.Equal(item.GetProperty("content")[0].GetProperty("text").GetString(), string.Concat(deltas));
            Assert.Contains(events, entry => entry.Name == "response.output_item.done" && entry.Data.GetProperty("item").GetProperty("id").GetString() == item.GetProperty("id").GetString());
        }
    }

    [Fact]
    public async Task A_call_and_its_result_go_round()
    {
        const string tools = """ "tools":[{"type":"function","name":"get_rul","strict":true,"parameters":{"type":"object","properties":{"unit":{"type":"integer","minimum":1,"maximum":9}},"required":["unit"],"additionalProperties":false}}] """;
        var first = await _server.PostAsync("/v1/responses", "{\"model\":\"chat\",\"input\":\"How long?\",\"tool_choice\":\"required\"," + tools + "}");
        var call = Assert.Single(first.GetProperty("output").EnumerateArray());
        Assert.Equal(("function_call", "get_rul"), (call.GetProperty("type").GetString(), call.GetProperty("name").GetString()));
        Assert.InRange(JsonElement.Parse(call.GetProperty("arguments").GetString()!).GetProperty("unit").GetInt32(), 1, 9);
        var second = await _server.PostAsync("/v1/responses", "{\"model\":\"chat\",\"input\":[{\"role\":\"user\",\"content\":\"How long?\"}," + call.GetRawText()
            + ",{\"type\":\"function_call_output\",\"call_id\":\"" + call.GetProperty("call_id").GetString() + "\",\"output\":\"112\"}],\"tool_choice\":\"none\",\"max_output_tokens\":16," + tools + "}");
        Assert.Equal("message", Assert.Single(second.GetProperty("output").EnumerateArray()).GetProperty("type").GetString());
    }

    [Fact]
    public async Task Parameters_as_deep_as_a_body_may_be_are_taken()
    {
        // The body has depth 64; in the form of chat the parameters stand one level deeper.
        var deep = new string('[', 60) + new string(']', 60);
        var answer = await _server.PostAsync("/v1/responses", "{\"model\":\"chat\",\"input\":\"How long?\",\"tool_choice\":\"none\",\"max_output_tokens\":4,"
            + "\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"default\":" + deep + "}}]}");
        Assert.Equal("response", answer.GetProperty("object").GetString());
    }

    [Theory]
    [InlineData("previous_response_id", "\"previous_response_id\":\"resp_1\"")]
    [InlineData("store", "\"store\":true")]
    [InlineData("background", "\"background\":true")]
    [InlineData("truncation", "\"truncation\":\"auto\"")]
    [InlineData("max_output_tokens", "\"max_output_tokens\":0")]
    [InlineData("reasoning.effort", "\"reasoning\":{\"effort\":\"high\"}")]
    [InlineData("text.format.type", "\"text\":{\"format\":{\"type\":\"xml\"}}")]
    [InlineData("text.format.schema", "\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"x\",\"schema\":{\"type\":7}}}")]
    [InlineData("tools[0].type", "\"tools\":[{\"type\":\"web_search\"}]")]
    [InlineData("nothing", "\"nothing\":1")]
    public async Task A_field_that_cannot_be_kept_is_named(string field, string json)
    {
        var model = field == "tools[0].type" ? "chat" : "hadal-mini";
        var (status, error) = await _server.FaultAsync("/v1/responses", "{\"model\":\"" + model + "\",\"input\":\"x\"," + json + "}");
        Assert.Equal((400, field), (status, error.GetProperty("param").GetString()));
    }

    [Fact]
    public async Task Embeddings_are_of_unit_length_the_same_in_both_encodings_and_near_for_near_texts()
    {
        var floats = await _server.PostAsync("/v1/embeddings", """{"model":"hadal-mini","input":["The whale swims in the sea.","The whale swam in the sea.","Interest rates rose in March.",[5,6,7]]}""");
        var vectors = floats.GetProperty("data").EnumerateArray().Select(item => item.GetProperty("embedding").EnumerateArray().Select(value => value.GetSingle()).ToArray()).ToList();
        Assert.Equal(4, vectors.Count);
        Assert.All(vectors, vector => Assert.Equal(1, vector.Sum(value => value * value), 1e-5));
        var client = new OpenAIClient(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(_server.Server.Urls[0] + "/v1") }).GetEmbeddingClient("hadal-mini");
        OpenAIEmbeddingCollection embeddings = (await client.GenerateEmbeddingsAsync(["The whale swims in the sea.", "Interest rates rose in March."])).Value;
        Assert.Equal(vectors[0], embeddings[0].ToFloats().ToArray());
        Assert.Equal(vectors[2], embeddings[1].ToFloats().ToArray());
        Assert.True(embeddings.Usage.InputTokenCount > 10);
        Assert.True(Dot(vectors[0], vectors[1]) > Dot(vectors[0], vectors[2]));

        static double Dot(float[] a, float[] b) => a.Zip(b, (x, y) => (double)x * y).Sum();
    }

    [Theory]
    [InlineData("input", "\"input\":\"\"")]
    [InlineData("input", "\"input\":[]")]
    [InlineData("input", "\"input\":[\"a\",5]")]
    [InlineData("input", "\"input\":[99999]")]
    [InlineData("dimensions", "\"input\":\"x\",\"dimensions\":7")]
    [InlineData("encoding_format", "\"input\":\"x\",\"encoding_format\":\"hex\"")]
    public async Task An_embedding_that_cannot_be_made_is_refused_by_name(string field, string json)
    {
        var (status, error) = await _server.FaultAsync("/v1/embeddings", "{\"model\":\"hadal-mini\"," + json + "}");
        Assert.Equal((400, field), (status, error.GetProperty("param").GetString()));
    }
}
