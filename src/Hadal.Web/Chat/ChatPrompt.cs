using System.Text.Json;
using Hadal.Web.Conversations;

namespace Hadal.Web.Chat;

/// <summary>What is asked of the server.</summary>
public sealed record ChatPrompt
{
    /// <summary>Model or adapter.</summary>
    public required string Model { get; init; }

    /// <summary>What stands above all messages; empty for nothing.</summary>
    public string SystemPrompt { get; init; } = "";

    /// <summary>The messages, first to last.</summary>
    public required IReadOnlyList<Message> Messages { get; init; }

    /// <summary>How the answer is drawn.</summary>
    public SamplingChoice Sampling { get; init; } = new();

    /// <summary>A JSON schema that the answer keeps to; with it, the server marks what the schema forced.</summary>
    public JsonElement? Schema { get; init; }

    /// <summary>The body of <c>POST /v1/chat/completions</c>.</summary>
    public byte[] ToJson()
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("model", Model);
            json.WriteStartArray("messages");
            if (SystemPrompt.Trim().Length > 0) WriteText(json, "system", SystemPrompt);
            foreach (var message in Messages) Write(json, message);
            json.WriteEndArray();
            json.WriteBoolean("stream", true);
            json.WriteStartObject("stream_options");
            json.WriteBoolean("include_usage", true);
            json.WriteEndObject();
            Write(json, Sampling);
            if (Schema is { } schema) WriteFormat(json, schema);
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void Write(Utf8JsonWriter json, SamplingChoice sampling)
    {
        if (sampling.Temperature is { } temperature) json.WriteNumber("temperature", temperature);
        if (sampling.TopP is { } topP) json.WriteNumber("top_p", topP);
        if (sampling.MaxTokens is { } maxTokens) json.WriteNumber("max_tokens", maxTokens);
        if (sampling.Seed is { } seed) json.WriteNumber("seed", seed);
        if (sampling.Thinks is not { } thinks) return;
        json.WriteStartObject("thinking");
        json.WriteString("type", thinks ? "enabled" : "disabled");
        json.WriteEndObject();
    }

    private static void WriteFormat(Utf8JsonWriter json, JsonElement schema)
    {
        json.WriteStartObject("response_format");
        json.WriteString("type", "json_schema");
        json.WriteStartObject("json_schema");
        json.WriteString("name", "answer");
        json.WritePropertyName("schema");
        schema.WriteTo(json);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteBoolean("mark_forced", true);
    }

    private static void WriteText(Utf8JsonWriter json, string role, string text)
    {
        json.WriteStartObject();
        json.WriteString("role", role);
        json.WriteString("content", text);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, Message message)
    {
        var role = message.Role switch { MessageRole.User => "user", MessageRole.Tool => "tool", _ => "assistant" };
        if (message.ToolCalls is not null || message.ToolCallId is not null)
        {
            WriteTool(json, role, message);
            return;
        }

        if (message.Attachments is not { Count: > 0 } attachments)
        {
            WriteText(json, role, message.Content);
            return;
        }

        json.WriteStartObject();
        json.WriteString("role", role);
        json.WriteStartArray("content");
        foreach (var attachment in attachments) Write(json, attachment);
        json.WriteStartObject();
        json.WriteString("type", "text");
        json.WriteString("text", message.Content);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>An answer that calls tools, or the result of a call.</summary>
    private static void WriteTool(Utf8JsonWriter json, string role, Message message)
    {
        json.WriteStartObject();
        json.WriteString("role", role);
        json.WriteString("content", message.Content);
        if (message.ToolCallId is { } id) json.WriteString("tool_call_id", id);
        if (message.ToolCalls is { } calls)
        {
            json.WriteStartArray("tool_calls");
            foreach (var call in calls)
            {
                json.WriteStartObject();
                json.WriteString("id", call.Id);
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", call.Name);
                json.WriteString("arguments", call.Arguments);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    /// <summary>OpenAI's forms: pictures as addresses, sounds with their format.</summary>
    private static void Write(Utf8JsonWriter json, Attachment attachment)
    {
        json.WriteStartObject();
        if (attachment.MediaType.StartsWith("image/", StringComparison.Ordinal))
        {
            json.WriteString("type", "image_url");
            json.WriteStartObject("image_url");
            json.WriteString("url", $"data:{attachment.MediaType};base64,{attachment.Base64}");
        }
        else
        {
            json.WriteString("type", "input_audio");
            json.WriteStartObject("input_audio");
            json.WriteString("data", attachment.Base64);
            json.WriteString("format", attachment.MediaType is "audio/mpeg" ? "mp3" : "wav");
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}
