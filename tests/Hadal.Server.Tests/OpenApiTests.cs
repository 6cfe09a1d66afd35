using System.Net;
using System.Text;
using System.Text.Json;

namespace Hadal.Server.Tests;

/// <summary>The document says what the server does. That all other tests' answers are in it, <see cref="DocumentedAnswers"/> sees to.</summary>
public sealed class OpenApiTests(SharedServer shared, LabelServer labels) : IClassFixture<LabelServer>
{
    private const string Tools = """ "tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"a":{"const":1}},"required":["a"],"additionalProperties":false}}}],"tool_choice":"required" """;
    private const string Messages = "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":30";

    [Fact]
    public async Task Every_path_is_there_with_and_without_its_version()
    {
        var document = await DocumentAsync();
        var prefixes = document.GetProperty("servers").EnumerateArray().Select(server => server.GetProperty("url").GetString()!.TrimEnd('/')).ToList();
        Assert.Equal(["/v1", "", "/beta", "/beta/v1"], prefixes);
        var paths = document.GetProperty("paths");
        foreach (var path in paths.EnumerateObject())
        {
            var isPost = path.Value.TryGetProperty("post", out _);
            foreach (var prefix in prefixes)
            {
                using var content = new StringContent("{}", Encoding.UTF8, "application/json");
                var url = prefix + path.Name.Replace("{id}", "chat", StringComparison.Ordinal);
                using var response = isPost ? await shared.Server.Client.PostAsync(url, content) : await shared.Server.Client.GetAsync(url);
                Assert.True((isPost ? HttpStatusCode.BadRequest : HttpStatusCode.OK) == response.StatusCode, $"{url}: {response.StatusCode}");
            }
        }

        Assert.Equal(16, paths.GetPropertyCount());
    }

    [Theory]
    [InlineData("/v1/chat/completions", "ChatCompletion", "messages", "[{\"role\":\"user\",\"content\":\"x\"}]")]
    [InlineData("/v1/completions", "Completion", "prompt", "\"x\"")]
    [InlineData("/v1/responses", "Response", "input", "\"x\"")]
    [InlineData("/v1/embeddings", "Embedding", "input", "\"x\"")]
    [InlineData("/v1/classify", "Classification", "input", "\"x\"")]
    [InlineData("/v1/tokenize", "Tokenize", "content", "\"x\"")]
    [InlineData("/v1/detokenize", "Detokenize", "tokens", "[5]")]
    public async Task Every_field_is_known_to_its_route(string path, string schema, string field, string value)
    {
        // The first field that is not known is named; the last one here is the only one.
        var fields = (await DocumentAsync()).GetProperty("components").GetProperty("schemas").GetProperty(schema + "Request").GetProperty("properties");
        var nulls = fields.EnumerateObject().Select(item => item.Name).Where(name => name != "model" && name != field).Select(name => $",\"{name}\":null");
        var (status, error) = await shared.Server.FaultAsync(path, $"{{\"model\":\"hadal-mini\",\"{field}\":{value}{string.Concat(nulls)},\"nobody\":1}}");
        Assert.Equal((400, "nobody"), (status, error.GetProperty("param").GetString()));
    }

    [Fact]
    public async Task Fields_that_ask_for_nothing_are_in_the_document_and_taken()
    {
        var schemas = (await DocumentAsync()).GetProperty("components").GetProperty("schemas");
        var nulls = 0;
        foreach (var schema in schemas.EnumerateObject().Where(schema => schema.Name.EndsWith("Request", StringComparison.Ordinal)))
        {
            var required = schema.Value.TryGetProperty("required", out var names) ? names.EnumerateArray().Select(name => name.GetString()).ToList() : [];
            foreach (var field in schema.Value.GetProperty("properties").EnumerateObject().Where(field => !required.Contains(field.Name)))
            {
                Assert.True(field.Value.GetRawText().Contains("null", StringComparison.Ordinal), $"{schema.Name}.{field.Name}: null is not in the document");
                nulls++;
            }
        }

        Assert.True(nulls > 50);
        const string harmless = """ "functions":[],"modalities":["text"],"store":false,"verbosity":"medium","service_tier":"auto" """;
        var known = schemas.GetProperty("ChatCompletionRequest").GetProperty("properties").EnumerateObject().Select(field => field.Name);
        Assert.Subset(known.ToHashSet(), JsonElement.Parse("{" + harmless + "}").EnumerateObject().Select(field => field.Name).ToHashSet());
        await shared.Server.PostAsync("/v1/chat/completions", """{"model":"chat","messages":[{"role":"user","content":"x"}],"max_tokens":1,""" + harmless + "}");
    }

    [Fact]
    public async Task Every_member_of_the_document_occurs_in_answers()
    {
        var document = ApiDocument.Read();
        var thought = "\"model\":\"reasoner\",\"logit_bias\":{\"" + await EndOfThoughtAsync() + "\":30},\"temperature\":0,\"logprobs\":true,\"top_logprobs\":1";
        foreach (var stream in (bool[])[false, true])
        {
            var how = stream ? ",\"stream\":true" : "";
            await AskAsync("/v1/chat/completions", $"{{{thought},{Messages}{how}}}");
            await AskAsync("/v1/chat/completions", $"{{\"model\":\"reasoner\",\"temperature\":0,\"ignore_eos\":true,{Messages}{how}}}");
            await AskAsync("/v1/chat/completions", $"{{\"model\":\"chat\",\"temperature\":0,{Tools},\"metadata\":{{\"a\":\"b\"}},{Messages}{how}{(stream ? ",\"mark_forced\":true,\"stream_options\":{\"include_usage\":true}" : "")}}}");
            await AskAsync("/v1/completions", $"{{\"model\":\"chat\",\"prompt\":\"x\",\"temperature\":0,\"logprobs\":1,\"max_tokens\":3{how}{(stream ? ",\"stream_options\":{\"include_usage\":true}" : "")}}}");
            await AskAsync("/v1/responses", $"{{\"model\":\"reasoner\",\"input\":\"x\",\"temperature\":0,\"max_output_tokens\":400,\"text\":{{\"format\":{{\"type\":\"json_schema\",\"name\":\"x\",\"schema\":{{\"const\":1}}}}}}{how}}}");
            await AskAsync("/v1/responses", $"{{\"model\":\"chat\",\"input\":\"x\",\"temperature\":0,\"max_output_tokens\":20{how}}}");
            await AskAsync("/v1/responses", $"{{\"model\":\"chat\",\"input\":\"x\",\"tools\":[{{\"type\":\"function\",\"name\":\"f\",\"parameters\":{{\"type\":\"object\"}}}}],\"tool_choice\":\"required\"{how}}}");
        }

        await AskAsync("/v1/embeddings", "{\"model\":\"chat\",\"input\":\"x\"}");
        foreach (var model in (string[])["news", "price", "terms"]) await AskAsync("/v1/classify", $"{{\"model\":\"{model}\",\"input\":\"whale\"}}", labels.Server);
        await AskAsync("/v1/tokenize", "{\"model\":\"chat\",\"content\":\"x\",\"with_pieces\":true}");
        await AskAsync("/v1/detokenize", "{\"model\":\"chat\",\"tokens\":[5]}");
        await AskAsync("/v1/chat/completions", "{}");
        foreach (var path in (string[])["/v1/models", "/health", "/v1/models/news"])
        {
            using var response = await labels.Server.Client.GetAsync(path);
            document.Check(response, JsonElement.Parse(await response.Content.ReadAsStringAsync()));
        }

        // An answer that fails when its stream has begun.
        using var begun = new ManualResetEventSlim();
        await using var failing = await TestServer.StartAsync(null, TestModel.Source("m", beforeForward: () =>
        {
            begun.Wait();
            throw new InvalidOperationException("on purpose");
        }));
        await AskAsync("/v1/responses", "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}", failing, begun.Set);
        Assert.Empty(document.Members.Except(document.Seen).Order());

        async Task AskAsync(string path, string json, TestServer? server = null, Action? hasBegun = null)
        {
            using var response = await (server ?? shared.Server).SendAsync(path, json);
            hasBegun?.Invoke();
            var text = await response.Content.ReadAsStringAsync();
            if (response.Content.Headers.ContentType!.MediaType == "application/json") document.Check(response, JsonElement.Parse(text));
            foreach (var line in text.Split('\n'))
                if (line.StartsWith("data: {", StringComparison.Ordinal)) document.Check(response, JsonElement.Parse(line[6..]));
        }
    }

    private async Task<int> EndOfThoughtAsync() =>
        (await shared.Server.PostAsync("/tokenize", "{\"model\":\"reasoner\",\"content\":\"</think>\",\"parse_special\":true}")).GetProperty("tokens")[0].GetInt32();

    private async Task<JsonElement> DocumentAsync() => JsonElement.Parse(await shared.Server.Client.GetStringAsync("/openapi.json"));
}
