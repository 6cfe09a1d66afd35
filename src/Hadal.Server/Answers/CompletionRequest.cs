using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Server.Http;

namespace Hadal.Server.Answers;

/// <summary>A prompt of a completion.</summary>
/// <param name="TokenIds">Its tokens.</param>
/// <param name="Text">Its text, for echo.</param>
internal sealed record CompletionPrompt(IReadOnlyList<int> TokenIds, string Text);

/// <summary>A request for texts to be continued, or filled in.</summary>
internal sealed record CompletionRequest
{
    private const int MaxPrompts = 128;
    private const int DefaultMaxTokens = 16;

    public required ModelChoice Choice { get; init; }

    public required GenerationFields Fields { get; init; }

    public required IReadOnlyList<CompletionPrompt> Prompts { get; init; }

    public required GenerationOptions Options { get; init; }

    public required bool Echo { get; init; }

    /// <summary>Reads a body in the form of <c>/v1/completions</c>.</summary>
    /// <exception cref="ApiException">A field is missing, out of range, not supported or not known.</exception>
    public static async Task<CompletionRequest> ReadAsync(JsonElement body, RequestScope scope)
    {
        var request = new RequestReader(body);
        var choice = scope.Find(request.RequiredText("model"));
        var fields = await GenerationFields.ReadAsync(request, choice, scope.Caller, scope.Cancel.Token).ConfigureAwait(false);
        var maxTokens = (int)(request.Integer("max_tokens", 1, int.MaxValue) ?? DefaultMaxTokens);
        var echo = request.Flag("echo") ?? false;
        var logProbs = request.Integer("logprobs", 0, GenerationOptions.MaxTopLogProbs);
        var suffix = request.Text("suffix");
        if (request.Integer("best_of", 0, 20) is { } best && best > fields.ChoiceCount)
            throw ApiException.Invalid("best_of", "best_of is not supported: ask for n answers and choose", "unsupported_parameter");
        if (echo && logProbs is not null) throw ApiException.Invalid("echo", "echo: expected only without logprobs, which the prompt has none of", "unsupported_parameter");
        var prompts = ReadPrompts(request, choice.Model, suffix);
        GenerationFields.CheckCount(fields.ChoiceCount == 1 ? "prompt" : "n", prompts.Count * fields.ChoiceCount, choice, scope.Caller);
        request.End();
        var options = fields.Options with { MaxTokens = maxTokens, TopLogProbs = (int?)logProbs };
        GenerationFields.Check(options, choice);
        return new CompletionRequest { Choice = choice, Fields = fields, Prompts = prompts, Options = options, Echo = echo };
    }

    private static IReadOnlyList<CompletionPrompt> ReadPrompts(RequestReader request, ServedModel model, string? suffix)
    {
        if (request.Take("prompt") is not { } value) return [OfText(model, "", suffix)];
        if (value.ValueKind == JsonValueKind.String) return [OfText(model, value.GetString()!, suffix)];
        var items = request.List("prompt", int.MaxValue)!;
        if (items.Count == 0) throw ApiException.Invalid("prompt", "prompt: expected a text, texts, or token ids, found an empty array");
        if (items[0].ValueKind == JsonValueKind.Number) return [OfIds(model, items, suffix)];
        if (items.Count > MaxPrompts) throw ApiException.Invalid("prompt", FormattableString.Invariant($"prompt: expected at most {MaxPrompts} prompts, found {items.Count}"));
        return [.. items.Select(item => item.ValueKind switch
        {
            JsonValueKind.String => OfText(model, item.GetString()!, suffix),
            JsonValueKind.Array when item.GetArrayLength() > 0 => OfIds(model, [.. item.EnumerateArray()], suffix),
            _ => throw ApiException.Invalid("prompt", "prompt: expected texts or arrays of token ids"),
        })];
    }

    private static CompletionPrompt OfIds(ServedModel model, IReadOnlyList<JsonElement> items, string? suffix)
    {
        if (suffix is not null) throw ApiException.Invalid("suffix", "suffix: expected only with a prompt of text", "unsupported_parameter");
        if (items.Count >= model.Generator.MaxContext)
            throw ApiException.Invalid("prompt", FormattableString.Invariant($"the prompt has {items.Count} tokens, at most {model.Generator.MaxContext - 1} fit the context of {model.Generator.MaxContext}; shorten it"), "context_length_exceeded");
        int[] ids = [.. items.Select(item => GenerationFields.Id(item, "prompt"))];
        if (Array.Find(ids, id => id >= model.VocabSize) is var beyond and > 0) throw ApiException.Invalid("prompt", FormattableString.Invariant($"prompt: expected token ids below {model.VocabSize}, found {beyond}"));
        return new CompletionPrompt(ids, model.Generator.Tokenizer.Decode(ids));
    }

    private static CompletionPrompt OfText(ServedModel model, string text, string? suffix)
    {
        var generator = model.Generator;
        PromptLength.Check(generator, text + suffix, "prompt");
        var tokenizer = generator.Tokenizer;
        IReadOnlyList<int> ids = suffix is null ? tokenizer.Encode(text, addSpecial: false) : tokenizer.Encode(FillIn(tokenizer, text, suffix), addSpecial: false);
        if (tokenizer.AddsBos) ids = [tokenizer.BosTokenId!.Value, .. ids];
        return ids.Count > 0 ? new CompletionPrompt(ids, text) : throw ApiException.Invalid("prompt", "prompt: is empty, and the model has no start token");
    }

    /// <summary>A text with a gap, between the marks the model was trained with.</summary>
    private static TextSegment[] FillIn(Tokenizer tokenizer, string prefix, string suffix)
    {
        foreach (var (begin, hole, end) in (ReadOnlySpan<(string, string, string)>)
            [
                ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
                ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
            ])
        {
            if (!tokenizer.TryGetTokenId(begin, out _) || !tokenizer.TryGetTokenId(hole, out _) || !tokenizer.TryGetTokenId(end, out _)) continue;
            return [new(begin, true), new(prefix, false), new(hole, true), new(suffix, false), new(end, true)];
        }

        throw ApiException.Invalid("suffix", "suffix: this model has no tokens for a gap to be filled", "unsupported_parameter");
    }
}
