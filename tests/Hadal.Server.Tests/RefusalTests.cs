using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace Hadal.Server.Tests;

/// <summary>What a request may not say, and how it is told.</summary>
public sealed class RefusalTests(SharedServer shared)
{
    private readonly TestServer _server = shared.Server;

    [Theory]
    [InlineData("temperature", "\"temperature\":2.1")]
    [InlineData("temperature", "\"temperature\":1e999")]
    [InlineData("temperature", "\"temperature\":\"warm\"")]
    [InlineData("top_p", "\"top_p\":-0.1")]
    [InlineData("max_tokens", "\"max_tokens\":0")]
    [InlineData("max_tokens", "\"max_tokens\":9223372036854775808")]
    [InlineData("n", "\"n\":2147483648")]
    [InlineData("n", "\"n\":0")]
    [InlineData("n", "\"n\":73")]
    [InlineData("seed", "\"seed\":1.5")]
    [InlineData("stop", "\"stop\":\"\"")]
    [InlineData("stop", "\"stop\":[1]")]
    [InlineData("stop", "\"stop\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]")]
    [InlineData("logit_bias", "\"logit_bias\":{\"x\":1}")]
    [InlineData("logit_bias", "\"logit_bias\":{\"99999\":1}")]
    [InlineData("logit_bias[5]", "\"logit_bias\":{\"5\":101}")]
    [InlineData("top_logprobs", "\"logprobs\":true,\"top_logprobs\":21")]
    [InlineData("top_logprobs", "\"top_logprobs\":2")]
    [InlineData("frequency_penalty", "\"frequency_penalty\":-3")]
    [InlineData("presence_penalty", "\"presence_penalty\":3")]
    [InlineData("stream", "\"stream\":1")]
    [InlineData("stream_options", "\"stream_options\":{\"include_usage\":true}")]
    [InlineData("stream_options.include_obfuscation", "\"stream\":true,\"stream_options\":{\"include_obfuscation\":true}")]
    [InlineData("response_format.type", "\"response_format\":{\"type\":\"xml\"}")]
    [InlineData("response_format.json_schema", "\"response_format\":{\"type\":\"json_schema\"}")]
    [InlineData("response_format.json_schema.schema", "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\"}}")]
    [InlineData("response_format.json_schema.schema", "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":null}}")]
    [InlineData("response_format.json_schema.schema", "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"type\":\"nonsense\"}}}")]
    [InlineData("response_format.json_schema.schema", "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"$ref\":\"http://a/b\"}}}")]
    [InlineData("structured_outputs.regex", "\"structured_outputs\":{\"regex\":\"(a\"}")]
    [InlineData("structured_outputs", "\"structured_outputs\":{}")]
    [InlineData("tools", "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]")]
    [InlineData("tool_choice", "\"tool_choice\":\"required\"")]
    [InlineData("functions", "\"functions\":[{\"name\":\"f\"}]")]
    [InlineData("function_call", "\"function_call\":\"auto\"")]
    [InlineData("audio", "\"audio\":{\"voice\":\"x\"}")]
    [InlineData("modalities", "\"modalities\":[\"audio\"]")]
    [InlineData("prediction", "\"prediction\":{}")]
    [InlineData("store", "\"store\":true")]
    [InlineData("metadata", "\"metadata\":true")]
    [InlineData("metadata", "\"metadata\":{\"a\":1}")]
    [InlineData("metadata", "\"metadata\":{\"\":\"\",\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\",\"8\":\"\",\"9\":\"\",\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\",\"e\":\"\",\"f\":\"\",\"g\":\"\"}")]
    [InlineData("verbosity", "\"verbosity\":\"low\"")]
    [InlineData("service_tier", "\"service_tier\":\"flex\"")]
    [InlineData("web_search_options", "\"web_search_options\":{}")]
    [InlineData("moderation", "\"moderation\":{}")]
    [InlineData("reasoning_effort", "\"reasoning_effort\":\"high\"")]
    [InlineData("reasoning_effort", "\"reasoning_effort\":\"huge\"")]
    [InlineData("thinking", "\"thinking\":{\"type\":\"enabled\"}")]
    [InlineData("chat_template_kwargs", "\"chat_template_kwargs\":{\"messages\":1}")]
    [InlineData("messages_", "\"messages_\":1")]
    public async Task A_field_that_cannot_be_kept_is_named(string field, string json)
    {
        var (status, error) = await _server.FaultAsync("/v1/chat/completions", ChatCompletionsTests.Body("hadal-mini", json));
        Assert.Equal((400, field, "invalid_request_error"), (status, error.GetProperty("param").GetString(), error.GetProperty("type").GetString()));
        Assert.Contains(field, error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]", "messages")]
    [InlineData("{}", "messages")]
    [InlineData("[1]", "messages[0]")]
    [InlineData("[{\"role\":\"robot\",\"content\":\"x\"}]", "messages[0].role")]
    [InlineData("[{\"role\":\"user\"}]", "messages[0].content")]
    [InlineData("[{\"role\":\"user\",\"content\":7}]", "messages[0].content")]
    [InlineData("[{\"role\":\"tool\",\"content\":\"x\"}]", "messages[0].tool_call_id")]
    [InlineData("[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://127.0.0.1/x\"}}]}]", "messages[0].content[0].type")]
    public async Task A_message_that_cannot_be_read_is_named(string messages, string place)
    {
        var (status, error) = await _server.FaultAsync("/v1/chat/completions", "{\"model\":\"hadal-mini\",\"messages\":" + messages + "}");
        Assert.Equal((400, place), (status, error.GetProperty("param").GetString()));
    }

    [Theory]
    [InlineData("n", "\"prompt\":\"x\",\"n\":73")]
    [InlineData("n", "\"prompt\":[\"x\",\"y\"],\"n\":37")]
    [InlineData("prompt", "\"prompt\":[]")]
    [InlineData("prompt", "\"prompt\":[1,\"a\"]")]
    [InlineData("prompt", "\"prompt\":[-1]")]
    [InlineData("prompt", "\"prompt\":[6144]")]
    [InlineData("prompt", "\"prompt\":[[]]")]
    [InlineData("best_of", "\"prompt\":\"x\",\"best_of\":3")]
    [InlineData("logprobs", "\"prompt\":\"x\",\"logprobs\":21")]
    [InlineData("echo", "\"prompt\":\"x\",\"echo\":true,\"logprobs\":1")]
    [InlineData("suffix", "\"prompt\":[5],\"suffix\":\"x\"")]
    [InlineData("messages", "\"prompt\":\"x\",\"messages\":[]")]
    public async Task A_prompt_that_cannot_be_kept_is_named(string field, string json)
    {
        var (status, error) = await _server.FaultAsync("/v1/completions", "{\"model\":\"hadal-mini\"," + json + "}");
        Assert.Equal((400, field), (status, error.GetProperty("param").GetString()));
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("{\"model\":\"a\",\"model\":\"b\"}")]
    [InlineData("{\"model\":\"a\",}")]
    [InlineData("{\"model\":\"\\ud800\"}")]
    [InlineData("{/**/}")]
    [InlineData("")]
    public async Task What_is_no_json_object_is_refused(string body) => Assert.Equal(400, (await _server.FaultAsync("/v1/chat/completions", body)).Status);

    [Fact]
    public async Task Bytes_that_are_not_utf8_and_json_without_end_are_refused()
    {
        foreach (var bytes in new[] { [(byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)':', (byte)'1', (byte)'}'], Encoding.ASCII.GetBytes(new string('[', 100_000)) })
        {
            using var content = new ByteArrayContent(bytes) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            using var response = await _server.Client.PostAsync("/v1/chat/completions", content);
            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
            await TestServer.ErrorAsync(response);
        }
    }

    [Fact]
    public async Task Unknown_models_routes_and_methods_are_told_apart()
    {
        var (status, error) = await _server.FaultAsync("/v1/chat/completions", ChatCompletionsTests.Body("gpt-4", "\"n\":1"));
        Assert.Equal((404, "model_not_found", "model"), (status, error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
        Assert.Equal(404, (await _server.FaultAsync("/v1/nothing", "{}")).Status);
        Assert.Equal(404, (await _server.FaultAsync("/v1//chat/completions", "{}")).Status);
        Assert.Equal(405, (await _server.FaultAsync("/v1/models", "{}")).Status);
        using var missing = await _server.Client.GetAsync("/v1/models/owner/name");
        Assert.Equal("model_not_found", (await TestServer.ErrorAsync(missing)).GetProperty("code").GetString());
        Assert.Equal(400, (await _server.FaultAsync("/v1/chat/completions", """{"messages":[]}""")).Status);
    }

    [Theory]
    [InlineData("tool_choice.allowed_tools.more", """ "tools":[],"more":1 """)]
    [InlineData("tool_choice.allowed_tools.tools[0].type", """ "tools":[{"type":"custom","function":{"name":"f"}}] """)]
    [InlineData("tool_choice.allowed_tools.tools[0].more", """ "tools":[{"type":"function","function":{"name":"f"},"more":1}] """)]
    [InlineData("tool_choice.allowed_tools.tools[0].function.more", """ "tools":[{"type":"function","function":{"name":"f","more":1}}] """)]
    public async Task What_is_said_of_allowed_tools_is_known_or_refused(string field, string allowed)
    {
        var fields = """ "tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto", """ + allowed + "}}";
        var (status, error) = await _server.FaultAsync("/v1/chat/completions", ChatCompletionsTests.Body("chat", fields));
        Assert.Equal((400, field), (status, error.GetProperty("param").GetString()));
    }

    [Fact]
    public async Task A_call_that_must_be_made_of_no_tool_is_refused()
    {
        const string fields = """
            "tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[]}}
            """;
        var (status, error) = await _server.FaultAsync("/v1/chat/completions", ChatCompletionsTests.Body("chat", fields));
        Assert.Equal((400, "tool_choice.allowed_tools.tools"), (status, error.GetProperty("param").GetString()));
    }

    [Fact]
    public async Task A_prompt_beyond_the_context_is_refused_with_openai_s_code()
    {
        foreach (var text in new[] { new string('x', 200_000), string.Join(' ', Enumerable.Repeat("whale", 1500)) })
        {
            var (status, error) = await _server.FaultAsync("/v1/chat/completions", "{\"model\":\"hadal-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"" + text + "\"}]}");
            Assert.Equal((400, "context_length_exceeded", "messages"), (status, error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
            (status, error) = await _server.FaultAsync("/v1/responses", "{\"model\":\"hadal-mini\",\"input\":\"" + text + "\"}");
            Assert.Equal((400, "context_length_exceeded", "input"), (status, error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
        }
    }

    [Fact]
    public async Task Only_plain_json_of_this_site_is_read()
    {
        using var text = await _server.Client.PostAsync("/v1/chat/completions", new StringContent("{}", Encoding.UTF8, "text/plain"));
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, text.StatusCode);
        using var zipped = new ByteArrayContent([1, 2]) { Headers = { ContentType = new MediaTypeHeaderValue("application/json"), ContentEncoding = { "gzip" } } };
        using var packed = await _server.Client.PostAsync("/v1/chat/completions", zipped);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, packed.StatusCode);
        using var foreign = await _server.SendAsync("/v1/chat/completions", "{}", default, ("Origin", "https://evil.example"));
        Assert.Equal(HttpStatusCode.Forbidden, foreign.StatusCode);
        using var rebound = await _server.SendAsync("/v1/chat/completions", "{}", default, ("Host", "evil.example"));
        Assert.Equal(HttpStatusCode.Forbidden, rebound.StatusCode);
    }

    [Theory]
    [InlineData("abc-123", true)]
    [InlineData("a b", false)]
    [InlineData("", false)]
    public async Task A_request_id_that_is_a_word_comes_back(string id, bool isKept)
    {
        using var response = await _server.SendAsync("/v1/chat/completions", "{}", default, ("x-request-id", id));
        var given = Assert.Single(response.Headers.GetValues("x-request-id"));
        Assert.Equal(isKept, given == id);
        Assert.True(given.Length > 0);
        Assert.True(int.Parse(Assert.Single(response.Headers.GetValues("openai-processing-ms")), System.Globalization.CultureInfo.InvariantCulture) >= 0);
    }
}
