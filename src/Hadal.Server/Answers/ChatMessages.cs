using System.Buffers;
using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Server.Http;

namespace Hadal.Server.Answers;

/// <summary>Reads the messages of a request: what they say is kept or refused by name. Members that clients send along and that ask for nothing are left out.</summary>
internal static class ChatMessages
{
    private const int MostCalls = 1024;

    /// <summary>Reads them; answers of tools stand in the order of the calls, since templates tell them apart by nothing else.</summary>
    /// <exception cref="ApiException">Something in them is malformed, not known, or has no place.</exception>
    public static List<ChatMessage> Read(RequestReader request, ServedModel model)
    {
        if (request.Take("messages") is not { } value) throw request.Missing("messages");
        IReadOnlyList<ChatMessage> messages;
        try
        {
            messages = ChatMessage.ReadMessages(value);
        }
        catch (ArgumentException fault)
        {
            throw ApiException.OfSentence(fault.Message);
        }

        if (messages.Count == 0) throw ApiException.Invalid("messages", "messages: expected at least one");
        return InOrderOfCalls([.. messages.Select((message, index) => Checked(message, index, index == messages.Count - 1, model))]);
    }

    /// <summary>Whether the model is to go on behind this message, as behind its own text.</summary>
    public static bool IsPrefix(ChatMessage message) => message.OtherFields?.ContainsKey("prefix") == true;

    private static ChatMessage Checked(ChatMessage message, int index, bool isLast, ServedModel model)
    {
        var place = FormattableString.Invariant($"messages[{index}]");
        var isAssistant = message.Role == "assistant";
        if (message.Role is not ("system" or "developer" or "user" or "assistant" or "tool"))
            throw ApiException.Invalid($"{place}.role", $"{place}.role: expected system, developer, user, assistant or tool");
        if (message.ToolCalls is { } calls) message = message with { ToolCalls = Calls(calls, place) };
        if (message is { ToolCalls: not null } && !isAssistant) throw Misplaced("tool_calls", "assistant");
        if (message is { ToolCallId: not null } and not { Role: "tool" }) throw Misplaced("tool_call_id", "tool");
        if (message is { ReasoningContent.Length: > 0 } && !isAssistant) throw Misplaced("reasoning_content", "assistant");
        message = WithMembers(message, place, isLast, model);
        if (message is { Content: null, ToolCalls: null } and not { Role: "assistant", ReasoningContent: not null }) throw ApiException.Invalid($"{place}.content", $"{place}.content: missing");
        if (message is { Role: "tool", ToolCallId: null }) throw ApiException.Invalid($"{place}.tool_call_id", $"{place}.tool_call_id: missing");

        // OpenAI's name for what is above the user.
        return message.Role == "developer" ? message with { Role = "system" } : message;

        ApiException Misplaced(string member, string role) => ApiException.Invalid($"{place}.{member}", $"{place}.{member}: expected only with role {role}");
    }

    /// <summary>Members beside those that all chat templates know.</summary>
    private static ChatMessage WithMembers(ChatMessage message, string place, bool isLast, ServedModel model)
    {
        if (message.OtherFields is not { } given) return message;
        var kept = new Dictionary<string, JsonElement>();
        foreach (var (name, value) in given)
        {
            if (value.ValueKind is JsonValueKind.Null || (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0) || (value.ValueKind == JsonValueKind.Object && value.GetPropertyCount() == 0)) continue;
            switch (name)
            {
                case "prefix":
                    if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False)) throw Fault(name, "expected true or false");
                    if (value.ValueKind == JsonValueKind.False) break;
                    if (!isLast || message.Role != "assistant") throw Fault(name, "expected only in the last message, of the assistant");
                    if (message.ToolCalls is not null) throw Fault(name, "expected only without tool_calls");
                    kept[name] = value;
                    break;
                case "reasoning" when message.Role == "assistant" && value.ValueKind == JsonValueKind.String:
                    // vLLM's name for what a model thought.
                    message = message with { ReasoningContent = message.ReasoningContent ?? value.GetString() };
                    kept[name] = value;
                    break;
                case "refusal" when message.Role == "assistant" && value.ValueKind == JsonValueKind.String:
                    if (IsEmptyText(value) && (message.Content is not null || message.ToolCalls is not null)) break;
                    if (!string.IsNullOrEmpty(message.Content)) throw Fault(name, "expected only without content");
                    message = message with { Content = value.GetString() };
                    break;
                case "annotations" or "parsed" when message.Role == "assistant":
                    // Said of the content, which stands there.
                    break;
                case "audio" or "function_call":
                    if (IsEmptyText(value)) break;
                    throw ApiException.Invalid($"{place}.{name}", $"{place}.{name} is not supported: {(name == "audio" ? "messages are text" : "use tool_calls")}", "unsupported_parameter");
                default:
                    if (IsEmptyText(value) && !model.TemplateReads(name)) break;
                    if (!model.TemplateReads(name)) throw ApiException.Invalid($"{place}.{Shown(name)}", $"unknown field '{place}.{Shown(name)}', which this model's chat template does not read either", "unknown_parameter");
                    kept[name] = value;
                    break;
            }
        }

        return message with { OtherFields = kept.Count > 0 ? kept : null };

        ApiException Fault(string name, string expected) => ApiException.Invalid($"{place}.{name}", $"{place}.{name}: {expected}");

        static bool IsEmptyText(JsonElement value) => value.ValueKind == JsonValueKind.String && value.ValueEquals("");
    }

    /// <summary>The calls of an answer in one form; null for none.</summary>
    private static JsonElement? Calls(JsonElement calls, string place)
    {
        var count = calls.GetArrayLength();
        if (count == 0) return null;
        if (count > MostCalls) throw ApiException.Invalid($"{place}.tool_calls", FormattableString.Invariant($"{place}.tool_calls: expected at most {MostCalls}, found {count}"));
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, JsonBody.Options))
        {
            json.WriteStartArray();
            for (var i = 0; i < count; i++) WriteCall(json, new RequestReader(calls[i], FormattableString.Invariant($"{place}.tool_calls[{i}]")));
            json.WriteEndArray();
        }

        return JsonElement.Parse(buffer.WrittenSpan, JsonBody.Rewritten);
    }

    private static void WriteCall(Utf8JsonWriter json, RequestReader call)
    {
        call.Word("type", "function");
        var id = call.Text("id");

        // Streamed calls have it, and clients send them back as they came.
        call.Take("index");
        var function = call.Inner("function") ?? throw call.Missing("function");
        json.WriteStartObject();
        if (id is not null) json.WriteString("id", id);
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", function.RequiredText("name"));
        json.WritePropertyName("arguments");
        WriteArguments(json, function);
        json.WriteEndObject();
        json.WriteEndObject();
        function.Take("parsed_arguments");
        function.End();
        call.End();
    }

    /// <summary>Arguments as the model wrote them, which is the text of an object unless a limit has cut it: then the template gets what there is.</summary>
    private static void WriteArguments(Utf8JsonWriter json, RequestReader function)
    {
        if (function.Take("arguments") is not { } arguments || (arguments.ValueKind == JsonValueKind.String && string.IsNullOrWhiteSpace(arguments.GetString())))
        {
            json.WriteStringValue("{}");
            return;
        }

        if (arguments.ValueKind is not (JsonValueKind.Object or JsonValueKind.String)) throw function.Fault("arguments", "the JSON text of an object, which is what calls have", arguments);
        arguments.WriteTo(json);
    }

    /// <summary>Where the arguments of a call are no object, which some templates cannot write; null where all are.</summary>
    public static string? PlaceOfCutArguments(IReadOnlyList<ChatMessage> messages)
    {
        for (var i = 0; i < messages.Count; i++)
            for (var call = 0; call < (messages[i].ToolCalls?.GetArrayLength() ?? 0); call++)
                if (!IsObject(messages[i].ToolCalls!.Value[call].GetProperty("function").GetProperty("arguments")))
                    return FormattableString.Invariant($"messages[{i}].tool_calls[{call}].function.arguments");
        return null;
    }

    private static bool IsObject(JsonElement arguments)
    {
        if (arguments.ValueKind == JsonValueKind.Object) return true;
        try
        {
            using var document = JsonDocument.Parse(arguments.GetString()!);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Every answer of a tool follows the message with its call; answers to one message stand in the order of its calls.</summary>
    private static List<ChatMessage> InOrderOfCalls(List<ChatMessage> messages)
    {
        for (var i = 0; i < messages.Count; i++)
        {
            if (messages[i].Role == "tool") throw NoCall(i, messages[i]);
            if (messages[i].ToolCalls is not { } calls) continue;
            var open = calls.EnumerateArray().Select((call, position) => (Id: call.TryGetProperty("id", out var id) ? id.GetString() : null, Position: position)).ToList();
            var answers = new List<(int Position, ChatMessage Message)>();
            for (var next = i + 1; next < messages.Count && messages[next].Role == "tool"; next++)
            {
                var found = open.FindIndex(call => call.Id == messages[next].ToolCallId);
                if (found < 0) throw NoCall(next, messages[next]);
                answers.Add((open[found].Position, messages[next]));
                open.RemoveAt(found);
            }

            foreach (var (_, answer) in answers.OrderBy(answer => answer.Position)) messages[++i] = answer;
        }

        return messages;

        static ApiException NoCall(int index, ChatMessage message)
        {
            var field = FormattableString.Invariant($"messages[{index}].tool_call_id");
            return ApiException.Invalid(field, $"{field}: '{Shown(message.ToolCallId!)}' answers no call, or one that was answered; expected the id of a call of the assistant's message before");
        }
    }

    private static string Shown(string text) => text.Length <= 64 ? text : string.Concat(text.AsSpan(0, 64), "…");
}
