using System.Text.Json;

namespace Hadal.Server.Answers;

/// <summary>A call of a tool as messages and answers carry it.</summary>
internal static class ToolCallJson
{
    /// <summary>Writes <c>{"id", "type": "function", "function": {"name", "arguments"}}</c>.</summary>
    public static void Write(Utf8JsonWriter json, string id, string name, string arguments)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", name);
        json.WriteString("arguments", arguments);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
