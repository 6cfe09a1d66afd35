using System.Text.Json;

namespace Hadal.Checkpoints.Text.Jinja;

/// <summary>Messages as the mappings that templates expect.</summary>
internal static class ChatValues
{
    public static MappingValue Of(JinjaRun run, ChatMessage message)
    {
        var mapping = MappingValue.Empty(8);
        if (message.OtherFields is { } fields)
            foreach (var (name, value) in fields)
                mapping[TextValue.Untrusted(name)] = JinjaGlobals.FromJson(run, value);
        Set(mapping, "role", Text(run, message.Role));
        Set(mapping, "content", message.Content is null ? NoneValue.Instance : Text(run, message.Content));
        if (message.ReasoningContent is not null) Set(mapping, "reasoning_content", Text(run, message.ReasoningContent));
        if (message.Name is not null) Set(mapping, "name", Text(run, message.Name));
        if (message.ToolCallId is not null) Set(mapping, "tool_call_id", Text(run, message.ToolCallId));
        if (message.ToolCalls is { ValueKind: JsonValueKind.Array } calls)
            Set(mapping, "tool_calls", run.List([.. calls.EnumerateArray().Select(call => Call(run, call, "function"))]));
        return run.Mapping(mapping);
    }

    /// <summary>A tool call, its <c>arguments</c> readable as text and as a mapping, directly and inside <paramref name="inner"/>.</summary>
    private static JinjaValue Call(JinjaRun run, JsonElement call, string? inner)
    {
        if (call.ValueKind != JsonValueKind.Object) return JinjaGlobals.FromJson(run, call);
        var mapping = MappingValue.Empty(4);
        foreach (var field in call.EnumerateObject())
            mapping[TextValue.Untrusted(field.Name)] = field.Name == "arguments" ? Arguments(run, field.Value)
                : field.Name == inner ? Call(run, field.Value, null) : JinjaGlobals.FromJson(run, field.Value);
        return run.Mapping(mapping);
    }

    private static JinjaValue Arguments(JinjaRun run, JsonElement arguments)
    {
        var value = JinjaGlobals.FromJson(run, arguments);
        if (value is MappingValue) return new ArgumentsValue(PythonText.Json(run, value, new JsonStyle()), value);
        if (value is not TextValue text) return value;
        try
        {
            using var document = JsonDocument.Parse(text.Text);
            return document.RootElement.ValueKind == JsonValueKind.Object ? new ArgumentsValue(text, JinjaGlobals.FromJson(run, document.RootElement)) : text;
        }
        catch (JsonException)
        {
            return text;
        }
    }

    private static TextValue Text(JinjaRun run, string text)
    {
        run.ChargeText(text.Length);
        return TextValue.Untrusted(text);
    }

    private static void Set(OrderedDictionary<JinjaValue, JinjaValue> mapping, string name, JinjaValue value) => mapping[TextValue.Trusted(name)] = value;
}
