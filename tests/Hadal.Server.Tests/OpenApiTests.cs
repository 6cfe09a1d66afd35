using System.Net;
using System.Text;
using System.Text.Json;

namespace Hadal.Server.Tests;

/// <summary>The document says what the server does.</summary>
public sealed class OpenApiTests(SharedServer shared)
{
    [Fact]
    public async Task Every_path_is_there_with_and_without_its_version()
    {
        var paths = (await DocumentAsync()).GetProperty("paths");
        foreach (var path in paths.EnumerateObject())
        {
            var isPost = path.Value.TryGetProperty("post", out _);
            var url = path.Name.Replace("{id}", "chat", StringComparison.Ordinal);
            foreach (var form in new[] { url, url.Replace("/v1/", "/", StringComparison.Ordinal), url.Replace("/v1/", "/beta/", StringComparison.Ordinal) })
            {
                using var content = new StringContent("{}", Encoding.UTF8, "application/json");
                using var response = isPost ? await shared.Server.Client.PostAsync(form, content) : await shared.Server.Client.GetAsync(form);
                Assert.Equal(isPost ? HttpStatusCode.BadRequest : HttpStatusCode.OK, response.StatusCode);
            }
        }

        Assert.Equal(14, paths.GetPropertyCount());
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
        var fields = (await DocumentAsync()).GetProperty("components").GetProperty("schemas").GetProperty(schema).GetProperty("properties");
        var nulls = fields.EnumerateObject().Select(item => item.Name).Where(name => name != "model" && name != field).Select(name => $",\"{name}\":null");
        var (status, error) = await shared.Server.FaultAsync(path, $"{{\"model\":\"hadal-mini\",\"{field}\":{value}{string.Concat(nulls)},\"nobody\":1}}");
        Assert.Equal((400, "nobody"), (status, error.GetProperty("param").GetString()));
    }

    private async Task<JsonElement> DocumentAsync() => JsonElement.Parse(await shared.Server.Client.GetStringAsync("/openapi.json"));
}
