using System.Buffers.Binary;
using System.Text.Json;
using Hadal.Inference.Engine;
using Hadal.Server.Http;

namespace Hadal.Server.Endpoints;

/// <summary><c>POST /v1/embeddings</c>: what the model has made of the last token of each text, of unit length.</summary>
internal static class Embeddings
{
    /// <summary>Answers a request.</summary>
    public static async Task HandleAsync(RequestScope scope)
    {
        using var body = await RequestBody.ReadAsync(scope).ConfigureAwait(false);
        var request = new RequestReader(body.RootElement);
        var choice = scope.Find(request.RequiredText("model"));
        scope.Asked(choice);
        var inputs = TextInputs.Read(request, choice.Model);
        var isBase64 = request.Word("encoding_format", "float", "base64") == "base64";
        if (request.Integer("dimensions", 1, int.MaxValue) is { } dimensions && dimensions != choice.Model.Generator.EmbeddingLength)
            throw ApiException.Invalid("dimensions", FormattableString.Invariant($"dimensions: expected {choice.Model.Generator.EmbeddingLength}, which this model has, found {dimensions}"), "unsupported_parameter");
        var options = new GenerationOptions { Adapter = choice.Adapter, CacheSalt = GenerationFields.Salt(request, scope.Caller), Tenant = scope.Caller.Tenant };
        request.Text("user", 512);
        request.End();

        var results = await TextInputs.EachAsync(scope, choice.Model.Generator, inputs, options, choice.Model.Generator.EmbedAsync).ConfigureAwait(false);
        await JsonBody.WriteAsync(scope.Http, json => Write(json, choice.Name, results, isBase64)).ConfigureAwait(false);
    }

    private static void Write(Utf8JsonWriter json, string model, (float[] Vector, GenerationUsage Usage)[] results, bool isBase64)
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        for (var i = 0; i < results.Length; i++)
        {
            json.WriteStartObject();
            json.WriteString("object", "embedding");
            json.WriteNumber("index", i);
            if (isBase64) json.WriteBase64String("embedding", LittleEndian(results[i].Vector));
            else
            {
                json.WriteStartArray("embedding");
                foreach (var value in results[i].Vector) json.WriteNumberValue(value);
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("model", model);
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", results.Sum(result => result.Usage.PromptTokens));
        json.WriteNumber("total_tokens", results.Sum(result => result.Usage.PromptTokens));
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static byte[] LittleEndian(float[] values)
    {
        var bytes = new byte[values.Length * sizeof(float)];
        for (var i = 0; i < values.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), values[i]);
        return bytes;
    }
}
