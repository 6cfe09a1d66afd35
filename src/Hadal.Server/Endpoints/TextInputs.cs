using System.Text.Json;
using Hadal.Inference.Engine;
using Hadal.Server.Answers;
using Hadal.Server.Http;

namespace Hadal.Server.Endpoints;

/// <summary>The field <c>input</c> of requests that read texts and write none: a text, texts, or tokens.</summary>
internal static class TextInputs
{
    private const int MaxInputs = 2048;
    private const int MaxTogether = 8;

    /// <summary>The tokens of each text.</summary>
    /// <exception cref="ApiException">The field is missing, of another form, or a text too long.</exception>
    public static IReadOnlyList<IReadOnlyList<int>> Read(RequestReader request, ServedModel model)
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

    /// <summary>Computes all texts, as many together as the request gets places for; the others wait for those, and keep out nobody.</summary>
    /// <param name="scope">The request.</param>
    /// <param name="generator">The engine.</param>
    /// <param name="inputs">The texts.</param>
    /// <param name="options">Adapter, salt and tenant.</param>
    /// <param name="compute">Computes one.</param>
    public static async Task<(float[] Numbers, GenerationUsage Usage)[]> EachAsync(
        RequestScope scope, TextGenerator generator, IReadOnlyList<IReadOnlyList<int>> inputs, GenerationOptions options,
        Func<IReadOnlyList<int>, GenerationOptions, CancellationToken, Task<(float[] Numbers, GenerationUsage Usage)>> compute)
    {
        var places = scope.TakePlaces(generator, 1, Math.Min(inputs.Count, MaxTogether));
        options = options with { Places = places };
        var results = new (float[], GenerationUsage)[inputs.Count];
        await Parallel.ForAsync(0, inputs.Count, new ParallelOptions { MaxDegreeOfParallelism = places.Count, CancellationToken = scope.Cancel.Token }, async (i, _) =>
        {
            results[i] = await compute(inputs[i], options, scope.Cancel.Token).ConfigureAwait(false);
            scope.Answered(results[i].Item2, 0, 0, finishReason: null);
        }).ConfigureAwait(false);
        scope.GiveBackPlaces();
        return results;
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
}
