using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Hadal.Checkpoints.Text;

/// <summary>One message of a conversation.</summary>
/// <param name="Role"><c>system</c>, <c>user</c>, <c>assistant</c>, <c>tool</c>, or another role that the template knows.</param>
/// <param name="Content">The text, or null, for example where an assistant only called tools.</param>
public sealed record ChatMessage(string Role, string? Content)
{
    /// <summary>Messages of one conversation at most.</summary>
    public const int MaxMessages = 100_000;

    /// <summary>Name of the speaker or of the tool that answers.</summary>
    public string? Name { get; init; }

    /// <summary>What an assistant thought before it answered (<c>reasoning_content</c>).</summary>
    public string? ReasoningContent { get; init; }

    /// <summary>Which call a tool message answers (<c>tool_call_id</c>).</summary>
    public string? ToolCallId { get; init; }

    /// <summary>The calls an assistant made: a JSON array in the OpenAI form (<c>[{ "type": "function", "function": { "name", "arguments" } }]</c>).
    /// Arguments may be JSON text or a JSON object; templates of either habit render both.</summary>
    public JsonElement? ToolCalls { get; init; }

    /// <summary>Fields without a property here, as they were read; templates see them under their names.</summary>
    public IReadOnlyDictionary<string, JsonElement>? OtherFields { get; init; }

    /// <summary>Reads messages in the OpenAI form: an array of objects with <c>role</c> and <c>content</c>, where content is text, null, or
    /// an array of parts of type <c>text</c>, of an assistant also <c>refusal</c>, whose texts are joined.</summary>
    /// <param name="messages">A JSON array.</param>
    /// <exception cref="ArgumentException">All faults, each with its path, for example <c>messages[2].content</c>.</exception>
    public static IReadOnlyList<ChatMessage> ReadMessages(JsonElement messages)
    {
        if (messages.ValueKind != JsonValueKind.Array)
            throw new ArgumentException($"messages: expected an array, found {Kind(messages)}");
        var count = messages.GetArrayLength();
        if (count > MaxMessages)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"messages: expected at most {MaxMessages}, found {count}"));

        var faults = new List<string>();
        var read = new List<ChatMessage>(count);
        foreach (var message in messages.EnumerateArray())
        {
            var reader = new Reader(string.Create(CultureInfo.InvariantCulture, $"messages[{read.Count}]"), faults);
            read.Add(reader.Read(message));
        }

        return faults.Count == 0 ? read : throw new ArgumentException(Summary(faults));
    }

    private static string Summary(List<string> faults)
    {
        const int shownAtMost = 10;
        var rest = faults.Count > shownAtMost ? string.Create(CultureInfo.InvariantCulture, $"; and {faults.Count - shownAtMost} more") : "";
        return string.Join("; ", faults.Take(shownAtMost)) + rest;
    }

    private static string Kind(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "text",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        JsonValueKind.Undefined => "nothing",
        _ => "true or false",
    };

    private sealed class Reader(string path, List<string> faults)
    {
        public ChatMessage Read(JsonElement message)
        {
            if (message.ValueKind != JsonValueKind.Object)
            {
                faults.Add($"{path}: expected an object, found {Kind(message)}");
                return new ChatMessage("", null);
            }

            string? role = null, content = null, name = null, reasoning = null, toolCallId = null;
            JsonElement? toolCalls = null;
            Dictionary<string, JsonElement>? others = null;
            foreach (var field in message.EnumerateObject())
            {
                switch (field.Name)
                {
                    case "role": role = Text(field.Name, field.Value); break;
                    case "content": content = Content(field.Value, message.TryGetProperty("role", out var author) && author.ValueKind == JsonValueKind.String && author.ValueEquals("assistant")); break;
                    case "name": name = Text(field.Name, field.Value); break;
                    case "reasoning_content": reasoning = Text(field.Name, field.Value); break;
                    case "tool_call_id": toolCallId = Text(field.Name, field.Value); break;
                    case "tool_calls": toolCalls = Calls(field.Value); break;
                    default: (others ??= [])[field.Name] = field.Value; break;
                }
            }

            if (string.IsNullOrEmpty(role)) faults.Add($"{path}.role: expected text, found nothing");
            return new ChatMessage(role ?? "", content)
            {
                Name = name, ReasoningContent = reasoning, ToolCallId = toolCallId, ToolCalls = toolCalls, OtherFields = others,
            };
        }

        private string? Content(JsonElement value, bool isAssistant)
        {
            if (value.ValueKind != JsonValueKind.Array) return Text("content", value);
            var text = new StringBuilder();
            var index = 0;
            foreach (var part in value.EnumerateArray())
            {
                var place = string.Create(CultureInfo.InvariantCulture, $"content[{index++}]");
                var member = isAssistant && IsRefusal(part) ? "refusal" : "text";
                if (part.ValueKind != JsonValueKind.Object) faults.Add($"{path}.{place}: expected an object, found {Kind(part)}");
                else if (!part.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String || !type.ValueEquals(member))
                    faults.Add($"{path}.{place}.type: expected \"text\", which is all this model reads");
                else if (!part.TryGetProperty(member, out var partText) || partText.ValueKind != JsonValueKind.String)
                    faults.Add($"{path}.{place}.{member}: expected text");
                else text.Append(Text($"{place}.{member}", partText));
            }

            return text.ToString();

            static bool IsRefusal(JsonElement part) =>
                part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("refusal");
        }

        private JsonElement? Calls(JsonElement value)
        {
            if (value.ValueKind == JsonValueKind.Null) return null;
            if (value.ValueKind != JsonValueKind.Array) faults.Add($"{path}.tool_calls: expected an array, found {Kind(value)}");
            else if (value.EnumerateArray().Any(call => call.ValueKind != JsonValueKind.Object)) faults.Add($"{path}.tool_calls: expected objects");
            return value;
        }

        private string? Text(string name, JsonElement value)
        {
            if (value.ValueKind == JsonValueKind.Null) return null;
            if (value.ValueKind != JsonValueKind.String)
            {
                faults.Add($"{path}.{name}: expected text, found {Kind(value)}");
                return null;
            }

            try
            {
                return value.GetString();
            }
            catch (InvalidOperationException)
            {
                faults.Add($"{path}.{name}: expected Unicode text, found half of a surrogate pair");
                return null;
            }
        }
    }
}
