using System.Text.Json;

namespace Hadal.Server.Answers;

/// <summary>Writes answers in the form of <c>/v1/chat/completions</c>.</summary>
internal sealed class ChatWriter(ChatRequest request, string id, DateTimeOffset created)
{
    private readonly LogProbWriter _logProbs = new(request.Choice.Model.Generator.Tokenizer);

    /// <summary>Whether a stream ends with the usage, and all its other chunks say that it has not come.</summary>
    public bool IncludesUsage => request.Fields.IncludeUsage;

    /// <summary>A whole answer.</summary>
    public void WriteCompletion(Utf8JsonWriter json, IReadOnlyList<ChatChoice> choices)
    {
        Begin(json, "chat.completion");
        json.WriteStartArray("choices");
        for (var i = 0; i < choices.Count; i++) WriteChoice(json, choices[i], i);
        json.WriteEndArray();
        WriteUsage(json, [.. choices.Select(choice => choice.Usage!)]);
        if (request.Metadata is { } metadata)
        {
            json.WritePropertyName("metadata");
            metadata.WriteTo(json);
        }

        json.WriteEndObject();
    }

    /// <summary>A chunk about one answer.</summary>
    public void WriteChunk(Utf8JsonWriter json, ChatDelta delta)
    {
        Begin(json, "chat.completion.chunk");
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", delta.Choice);
        json.WriteStartObject("delta");
        if (delta.IsFirst) json.WriteString("role", "assistant");
        if (delta.Content is { } content) json.WriteString("content", content);
        if (delta.Reasoning is { } reasoning) json.WriteString("reasoning_content", reasoning);
        if (delta.Call is { } call) WriteCallDelta(json, delta, call);
        json.WriteEndObject();
        if (delta.LogProbs.Count > 0) _logProbs.WriteChat(json, delta.LogProbs);
        else json.WriteNull("logprobs");
        json.WriteString("finish_reason", delta.FinishReason);
        if (request.MarksForced) json.WriteBoolean("forced", delta.IsForced);
        json.WriteEndObject();
        json.WriteEndArray();
        if (IncludesUsage) json.WriteNull("usage");
        json.WriteEndObject();
    }

    /// <summary>The chunk behind the last answer.</summary>
    public void WriteUsageChunk(Utf8JsonWriter json, IReadOnlyList<ChatUsage> usages)
    {
        Begin(json, "chat.completion.chunk");
        json.WriteStartArray("choices");
        json.WriteEndArray();
        WriteUsage(json, usages);
        json.WriteEndObject();
    }

    private static void WriteUsage(Utf8JsonWriter json, IReadOnlyList<ChatUsage> usages) => UsageWriter.Write(
        json, usages[0].Engine.PromptTokens, usages[0].Engine.CachedTokens, usages.Sum(usage => usage.CompletionTokens), usages.Sum(usage => usage.ReasoningTokens));

    private static void WriteCallDelta(Utf8JsonWriter json, ChatDelta delta, int call)
    {
        json.WriteStartArray("tool_calls");
        json.WriteStartObject();
        json.WriteNumber("index", call);
        if (delta.CallId is { } callId)
        {
            json.WriteString("id", callId);
            json.WriteString("type", "function");
        }

        json.WriteStartObject("function");
        if (delta.CallName is { } name) json.WriteString("name", name);
        json.WriteString("arguments", delta.CallArguments);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private void Begin(Utf8JsonWriter json, string kind)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", kind);
        json.WriteNumber("created", created.ToUnixTimeSeconds());
        json.WriteString("model", request.Choice.Name);
    }

    private void WriteChoice(Utf8JsonWriter json, ChatChoice choice, int index)
    {
        json.WriteStartObject();
        json.WriteNumber("index", index);
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        if (choice.Content.Length == 0 && choice.Calls.Count > 0) json.WriteNull("content");
        else json.WriteString("content", choice.Content.ToString());
        json.WriteNull("refusal");
        if (choice.Reasoning.Length > 0) json.WriteString("reasoning_content", choice.Reasoning.ToString());
        if (choice.Calls.Count > 0) WriteCalls(json, choice.Calls);
        json.WriteEndObject();
        if (request.Options.TopLogProbs is not null) _logProbs.WriteChat(json, choice.LogProbs);
        else json.WriteNull("logprobs");
        json.WriteString("finish_reason", choice.FinishReason);
        json.WriteEndObject();
    }

    private static void WriteCalls(Utf8JsonWriter json, List<ChatCall> calls)
    {
        json.WriteStartArray("tool_calls");
        foreach (var call in calls)
        {
            ToolCallJson.Write(json, call.Id, call.Name, call.Arguments.ToString());
        }

        json.WriteEndArray();
    }
}

/// <summary>Writes the counts of tokens in the words of OpenAI and of DeepSeek.</summary>
internal static class UsageWriter
{
    /// <param name="json">Where to.</param>
    /// <param name="promptTokens">Tokens of the prompt.</param>
    /// <param name="cachedTokens">Of them, those that were not computed again.</param>
    /// <param name="completionTokens">Tokens of all answers.</param>
    /// <param name="reasoningTokens">Of them, those that were thought.</param>
    public static void Write(Utf8JsonWriter json, int promptTokens, int cachedTokens, int completionTokens, int reasoningTokens)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", promptTokens);
        json.WriteNumber("completion_tokens", completionTokens);
        json.WriteNumber("total_tokens", promptTokens + completionTokens);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", cachedTokens);
        json.WriteEndObject();
        json.WriteStartObject("completion_tokens_details");
        json.WriteNumber("reasoning_tokens", reasoningTokens);
        json.WriteEndObject();
        json.WriteNumber("prompt_cache_hit_tokens", cachedTokens);
        json.WriteNumber("prompt_cache_miss_tokens", promptTokens - cachedTokens);
        json.WriteEndObject();
    }
}
