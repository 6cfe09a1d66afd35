using Hadal.Server.Answers;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Hadal.Server.InProcess;

/// <summary>Writes a request of Microsoft.Extensions.AI in the form of <c>/v1/chat/completions</c>.</summary>
internal static class ChatRequestJson
{
    /// <summary>A model that may invent members does; what a C# type does not have is not written.</summary>
    private static readonly AIJsonSchemaTransformOptions Closed = new() { DisallowAdditionalProperties = true };

    /// <exception cref="ArgumentException">Something has no place in a request of text.</exception>
    public static void Write(Utf8JsonWriter json, string model, IEnumerable<ChatMessage> messages, ChatOptions options)
    {
        if (options.ConversationId is not null) throw new ArgumentException("ConversationId: nothing is kept between requests; give all messages");
        if (options.AllowBackgroundResponses == true) throw new ArgumentException("AllowBackgroundResponses: nothing goes on behind a caller who has left");
        if (options.ContinuationToken is not null) throw new ArgumentException("ContinuationToken: nothing is kept between requests; ask again");
        if (options.Reasoning?.Output == ReasoningOutput.Summary) throw new ArgumentException("Reasoning.Output: thoughts are given in full or not at all, found Summary");
        json.WriteStartObject();
        json.WriteString("model", options.ModelId ?? model);
        json.WriteStartArray("messages");
        if (options.Instructions is { } instructions) WriteText(json, "system", instructions);
        foreach (var message in messages) WriteMessage(json, message);
        json.WriteEndArray();
        WriteNumber(json, "temperature", options.Temperature);
        WriteNumber(json, "top_p", options.TopP);
        WriteNumber(json, "top_k", options.TopK);
        WriteNumber(json, "max_completion_tokens", options.MaxOutputTokens);
        WriteNumber(json, "frequency_penalty", options.FrequencyPenalty);
        WriteNumber(json, "presence_penalty", options.PresencePenalty);
        if (options.Seed is { } seed) json.WriteNumber("seed", seed);
        if (options.StopSequences is { Count: > 0 } stops)
        {
            json.WriteStartArray("stop");
            foreach (var stop in stops) json.WriteStringValue(stop);
            json.WriteEndArray();
        }

        if (options.Reasoning?.Effort is { } effort) json.WriteString("reasoning_effort", effort == ReasoningEffort.ExtraHigh ? "xhigh" : effort.ToString().ToLowerInvariant());
        WriteFormat(json, options.ResponseFormat);
        WriteTools(json, options);
        foreach (var (name, value) in options.AdditionalProperties ?? [])
        {
            json.WritePropertyName(name);
            WriteValue(json, value);
        }

        json.WriteEndObject();
    }

    private static void WriteMessage(Utf8JsonWriter json, ChatMessage message)
    {
        // Each result of a tool is a message of its own.
        foreach (var result in message.Contents.OfType<FunctionResultContent>())
        {
            json.WriteStartObject();
            json.WriteString("role", "tool");
            json.WriteString("tool_call_id", result.CallId);
            json.WriteString("content", result.Result as string ?? JsonSerializer.Serialize(result.Result, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(object))));
            json.WriteEndObject();
        }

        foreach (var content in message.Contents)
            if (content is DataContent or UriContent) throw new ArgumentException($"messages: {content.GetType().Name} is not read by this model, which reads text");
        if (message.Contents.Count > 0 && message.Contents.All(content => content is FunctionResultContent)) return;
        var calls = message.Contents.OfType<FunctionCallContent>().ToList();
        json.WriteStartObject();
        json.WriteString("role", message.Role.Value);
        if (message.Text.Length == 0 && calls.Count > 0) json.WriteNull("content");
        else json.WriteString("content", message.Text);
        if (message.AuthorName is { } name) json.WriteString("name", name);
        if (string.Concat(message.Contents.OfType<TextReasoningContent>().Select(thought => thought.Text)) is { Length: > 0 } reasoning) json.WriteString("reasoning_content", reasoning);
        if (calls.Count > 0) WriteCalls(json, calls);
        json.WriteEndObject();
    }

    private static void WriteCalls(Utf8JsonWriter json, List<FunctionCallContent> calls)
    {
        json.WriteStartArray("tool_calls");
        foreach (var call in calls)
        {
            ToolCallJson.Write(json, call.CallId, call.Name, JsonSerializer.Serialize(call.Arguments ?? new Dictionary<string, object?>(), AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>))));
        }

        json.WriteEndArray();
    }

    private static void WriteFormat(Utf8JsonWriter json, ChatResponseFormat? format)
    {
        if (format is not ChatResponseFormatJson form) return;
        json.WriteStartObject("response_format");
        json.WriteString("type", form.Schema is null ? "json_object" : "json_schema");
        if (form.Schema is { } schema)
        {
            json.WriteStartObject("json_schema");
            json.WriteString("name", form.SchemaName ?? "answer");
            if (form.SchemaDescription is { } description) json.WriteString("description", description);
            json.WritePropertyName("schema");
            AIJsonUtilities.TransformSchema(schema, Closed).WriteTo(json);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteTools(Utf8JsonWriter json, ChatOptions options)
    {
        if (options.Tools is not { Count: > 0 } tools) return;
        json.WriteStartArray("tools");
        foreach (var tool in tools)
        {
            if (tool is not AIFunctionDeclaration function) throw new ArgumentException($"Tools: {tool.GetType().Name} is not called by this model, which calls functions");
            json.WriteStartObject();
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", function.Name);
            json.WriteString("description", function.Description);
            json.WritePropertyName("parameters");
            AIJsonUtilities.TransformSchema(function.JsonSchema, Closed).WriteTo(json);
            if (function.AdditionalProperties.TryGetValue("strict", out var strict) && strict is bool isStrict) json.WriteBoolean("strict", isStrict);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (options.AllowMultipleToolCalls is { } several) json.WriteBoolean("parallel_tool_calls", several);
        switch (options.ToolMode)
        {
            case NoneChatToolMode:
                json.WriteString("tool_choice", "none");
                break;
            case RequiredChatToolMode { RequiredFunctionName: { } name }:
                json.WriteStartObject("tool_choice");
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", name);
                json.WriteEndObject();
                json.WriteEndObject();
                break;
            case RequiredChatToolMode:
                json.WriteString("tool_choice", "required");
                break;
        }
    }

    private static void WriteText(Utf8JsonWriter json, string role, string content)
    {
        json.WriteStartObject();
        json.WriteString("role", role);
        json.WriteString("content", content);
        json.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, float? value)
    {
        if (value is { } number) json.WriteNumber(name, number);
    }

    private static void WriteValue(Utf8JsonWriter json, object? value) => JsonSerializer.Serialize(json, value, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(object)));
}
