using System.Buffers.Binary;
using System.Text.Json;
using Hadal.Inference.Engine;
using Hadal.Server.Answers;
using Hadal.Server.Http;

namespace Hadal.Server.Endpoints;

/// <summary><c>POST /v1/embeddings</c>: what the model has made of the last token of each text, of unit length.</summary>
internal static class Embeddings
{
    private const int MaxInputs = 2048;
    private const int MaxTogether = 8;

    /// <summary>Answers a request.</summary>
    public static async Task HandleAsync(RequestScope scope)
    {
        using var body = await RequestBody.ReadAsync(scope).ConfigureAwait(false);
        var request = new RequestReader(body.RootElement);
        var choice = scope.Server.Catalog.Find(request.RequiredText("model"));
        scope.Asked(choice);
        var inputs = Inputs(request, choice.Model);
        var isBase64 = request.Word("encoding_format", "float", "base64") == "base64";
        if (request.Integer("dimensions", 1, int.MaxValue) is { } dimensions && dimensions != choice.Model.Generator.EmbeddingLength)
            throw ApiException.Invalid("dimensions", FormattableString.Invariant($"dimensions: expected {choice.Model.Generator.EmbeddingLength}, which this model has, found {dimensions}"), "unsupported_parameter");
        var options = new GenerationOptions { Adapter = choice.Adapter, CacheSalt = GenerationFields.Salt(request, scope.Caller), Tenant = scope.Caller.Name };
        request.Text("user", 512);
        request.End();

        // The first text asks whether there is room; the others belong to a request that was taken.
        var results = new (float[] Vector, GenerationUsage Usage)[inputs.Count];
        results[0] = await EmbedAsync(0).ConfigureAwait(false);
        await Parallel.ForAsync(1, inputs.Count, new ParallelOptions { MaxDegreeOfParallelism = MaxTogether, CancellationToken = scope.Cancel.Token }, async (i, _) =>
            results[i] = await EmbedAsync(i).ConfigureAwait(false)).ConfigureAwait(false);
        await JsonBody.WriteAsync(scope.Http, json => Write(json, choice.Name, results, isBase64)).ConfigureAwait(false);

        async Task<(float[], GenerationUsage)> EmbedAsync(int index)
        {
            var result = await choice.Model.Generator.EmbedAsync(inputs[index], options with { IsContinuation = index > 0 }, scope.Cancel.Token).ConfigureAwait(false);
            scope.Answered(result.Usage, 0, 0, finishReason: null);
            return result;
        }
    }

    private static IReadOnlyList<IReadOnlyList<int>> Inputs(RequestReader request, ServedModel model)
    {
        if (request.Take("input") is not { } value) throw request.Missing("input");
        if (value.ValueKind == JsonValueKind.String) return [OfText(model, value.GetString()!)];
        var items = request.List("input", int.MaxValue)!;
        if (items.Count == 0) throw ApiException.Invalid("input", "input: expected a text, texts, or token ids, found an empty array");
        if (items[0].ValueKind == JsonValueKind.Number) return [OfIds(model, items)];
        if (items.Count > MaxInputs) throw ApiException.Invalid("input", FormattableString.Invariant($"input: expected at most {MaxInputs} texts, found {items.Count}"));
        return [.. items.Select(item => item.ValueKind switch
        {
            JsonValueKind.String => OfText(model, item.GetString()!),
            JsonValueKind.Array when item.GetArrayLength() > 0 => OfIds(model, [.. item.EnumerateArray()]),
            _ => throw ApiException.Invalid("input", "input: expected texts or arrays of token ids"),
        })];
    }

    private static IReadOnlyList<int> OfText(ServedModel model, string text)
    {
        if (text.Length == 0) throw ApiException.Invalid("input", "input: expected a text, found an empty one");
        PromptLength.Check(model.Generator, text, "input");
        return model.Generator.Tokenizer.Encode(text);
    }

    private static int[] OfIds(ServedModel model, IReadOnlyList<JsonElement> items)
    {
        int[] ids = [.. items.Select(item => GenerationFields.Id(item, "input"))];
        return Array.Find(ids, id => id >= model.VocabSize) is var beyond and > 0
            ? throw ApiException.Invalid("input", FormattableString.Invariant($"input: expected token ids below {model.VocabSize}, found {beyond}"))
            : ids;
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
