using System.Text.Json;
using Hadal.Server.Http;

namespace Hadal.Server.Answers;

/// <summary>Writes the object of <c>/v1/responses</c>, which repeats what was asked.</summary>
internal sealed class ResponseWriter(ResponsesRequest request, string id, DateTimeOffset created)
{
    /// <summary>The object.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="output">The items by now.</param>
    /// <param name="end">The last step, or null while the answer grows.</param>
    /// <param name="error">What it failed with, or null.</param>
    public void Write(Utf8JsonWriter json, ResponseOutput output, ChatStep? end, ApiException? error = null)
    {
        var isCut = end?.FinishReason == "length";
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", "response");
        json.WriteNumber("created_at", created.ToUnixTimeSeconds());
        json.WriteString("status", error is not null ? "failed" : end is null ? "in_progress" : isCut ? "incomplete" : "completed");
        WriteError(json, error);
        if (isCut)
        {
            json.WriteStartObject("incomplete_details");
            json.WriteString("reason", "max_output_tokens");
            json.WriteEndObject();
        }
        else json.WriteNull("incomplete_details");
        json.WriteString("model", request.Chat.Choice.Name);
        output.Write(json);
        WriteUsage(json, end?.Usage);
        WriteAsked(json);
        json.WriteEndObject();
    }

    private static void WriteError(Utf8JsonWriter json, ApiException? error)
    {
        if (error is null)
        {
            json.WriteNull("error");
            return;
        }

        json.WriteStartObject("error");
        json.WriteString("code", error.Status == 429 ? "rate_limit_exceeded" : "server_error");
        json.WriteString("message", error.Message);
        json.WriteEndObject();
    }

    private static void WriteUsage(Utf8JsonWriter json, ChatUsage? usage)
    {
        if (usage is null)
        {
            json.WriteNull("usage");
            return;
        }

        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", usage.Engine.PromptTokens);
        json.WriteStartObject("input_tokens_details");
        json.WriteNumber("cached_tokens", usage.Engine.CachedTokens);
        json.WriteEndObject();
        json.WriteNumber("output_tokens", usage.CompletionTokens);
        json.WriteStartObject("output_tokens_details");
        json.WriteNumber("reasoning_tokens", usage.ReasoningTokens);
        json.WriteEndObject();
        json.WriteNumber("total_tokens", usage.Engine.PromptTokens + usage.CompletionTokens);
        json.WriteEndObject();
    }

    private void WriteAsked(Utf8JsonWriter json)
    {
        var sampling = request.Chat.Options.Sampling;
        Repeat(json, "instructions", "null");
        Repeat(json, "max_output_tokens", "null");
        Repeat(json, "metadata", "{}");
        Repeat(json, "parallel_tool_calls", "true");
        Repeat(json, "reasoning", """{"effort":null,"summary":null}""");
        Repeat(json, "text", """{"format":{"type":"text"}}""");
        Repeat(json, "tool_choice", "\"auto\"");
        Repeat(json, "tools", "[]");
        Repeat(json, "user", "null");
        json.WriteNumber("temperature", sampling.Temperature);
        json.WriteNumber("top_p", sampling.TopP);
        json.WriteString("truncation", "disabled");
        json.WriteBoolean("store", false);
        json.WriteNull("previous_response_id");
    }

    private void Repeat(Utf8JsonWriter json, string name, string otherwise)
    {
        json.WritePropertyName(name);
        if (request.Body.TryGetProperty(name, out var value)) value.WriteTo(json);
        else json.WriteRawValue(otherwise);
    }
}
