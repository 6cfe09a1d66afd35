using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Server.Http;

namespace Hadal.Server.Endpoints;

/// <summary><c>POST /v1/classify</c>, in the form of vLLM: what a head for labels says of each text. Of a tagger, labels of its tokens; of a model of values, the value.</summary>
internal static class Classify
{
    /// <summary>Tokens that a request may have tagged: each is a line of the answer.</summary>
    private const int MaxTagged = 1 << 16;

    /// <summary>Answers a request.</summary>
    public static async Task HandleAsync(RequestScope scope)
    {
        using var body = await RequestBody.ReadAsync(scope).ConfigureAwait(false);
        var request = new RequestReader(body.RootElement);
        var choice = scope.Find(request.RequiredText("model"));
        scope.Asked(choice);
        var inputs = TextInputs.Read(request, choice.Model);
        var options = new GenerationOptions { Adapter = choice.Adapter, CacheSalt = GenerationFields.Salt(request, scope.Caller), Tenant = scope.Caller.Tenant };
        request.Text("user", 512);
        request.End();
        var head = choice.Head ?? throw ApiException.Invalid(
            "model", $"model: '{choice.Name}' writes text and has no head for labels; ask it through /v1/chat/completions, or serve a model or an adapter that was trained with one", "unsupported_model");
        if (head.IsPerToken && inputs.Sum(ids => (long)ids.Count) is var tokens and > MaxTagged)
            throw ApiException.Invalid("input", FormattableString.Invariant($"input: expected at most {MaxTagged} tokens of all texts together, found {tokens}"));
        var results = await TextInputs.EachAsync(scope, choice.Model.Generator, inputs, options, choice.Model.Generator.ScoreAsync).ConfigureAwait(false);
        await JsonBody.WriteAsync(scope.Http, json =>
        {
            json.WriteStartObject();
            json.WriteString("id", "classify-" + ChatCompletions.NewId());
            json.WriteString("object", "list");
            json.WriteNumber("created", scope.Server.Options.Clock.GetUtcNow().ToUnixTimeSeconds());
            json.WriteString("model", choice.Name);
            json.WriteStartArray("data");
            for (var index = 0; index < results.Length; index++)
            {
                json.WriteStartObject();
                json.WriteNumber("index", index);
                if (head.IsPerToken) WriteTokens(json, head, choice.Model.Generator.Tokenizer, inputs[index], results[index].Numbers);
                else WriteScores(json, head, results[index].Numbers);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartObject("usage");
            var read = results.Sum(result => result.Usage.PromptTokens);
            json.WriteNumber("prompt_tokens", read);
            json.WriteNumber("completion_tokens", 0);
            json.WriteNumber("total_tokens", read);
            json.WriteEndObject();
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    /// <summary>Control tokens, such as the one a text begins with, are no part of the text and are left out.</summary>
    private static void WriteTokens(Utf8JsonWriter json, LabelHead head, Tokenizer tokenizer, IReadOnlyList<int> ids, float[] scores)
    {
        var count = head.Labels.Count;
        json.WriteStartArray("tokens");
        for (var row = 0; row < ids.Count; row++)
        {
            if (tokenizer.Decode([ids[row]]) is not { Length: > 0 } text) continue;
            json.WriteStartObject();
            json.WriteString("text", text);
            WriteScores(json, head, scores.AsSpan(row * count, count));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (!head.IsValue) json.WriteNumber("num_classes", count);
    }

    /// <summary>The value, or the likeliest label with the probabilities of all; of a token with its own.</summary>
    private static void WriteScores(Utf8JsonWriter json, LabelHead head, ReadOnlySpan<float> scores)
    {
        if (head.IsValue)
        {
            json.WriteNumber("value", scores[0]);
            return;
        }

        var probabilities = LabelHead.Probabilities(scores);
        var best = Array.IndexOf(probabilities, probabilities.Max());
        json.WriteString("label", head.Labels[best]);
        if (head.IsPerToken)
        {
            json.WriteNumber("prob", (float)probabilities[best]);
            return;
        }

        json.WriteStartArray("probs");
        foreach (var probability in probabilities) json.WriteNumberValue((float)probability);
        json.WriteEndArray();
        json.WriteNumber("num_classes", probabilities.Length);
    }
}
