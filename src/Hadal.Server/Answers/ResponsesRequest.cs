using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Hadal.Server.Http;

namespace Hadal.Server.Answers;

/// <summary>A request in the form of <c>/v1/responses</c>, without memory: everything that the model is to know stands in it.</summary>
/// <param name="Chat">The same in the form of chat.</param>
/// <param name="Body">The request, parts of which the answer repeats.</param>
internal sealed partial record ResponsesRequest(ChatRequest Chat, JsonElement Body)
{
    private const int MaxItems = 10_000;

    /// <summary>Reads a body.</summary>
    /// <exception cref="ApiException">A field is missing, out of range, not supported or not known.</exception>
    public static async Task<ResponsesRequest> ReadAsync(JsonElement body, RequestScope scope)
    {
        var chat = new ArrayBufferWriter<byte>();
        var items = new List<int?>();
        using (var json = new Utf8JsonWriter(chat, JsonBody.Options)) WriteChat(json, new RequestReader(body), items);

        try
        {
            var request = await ChatRequest.ReadAsync(JsonElement.Parse(chat.WrittenSpan, JsonBody.Rewritten), scope.Find, scope.Caller, scope.Cancel.Token).ConfigureAwait(false);
            return new ResponsesRequest(request with { PromptField = "input" }, body);
        }
        catch (ApiException fault) when (fault.Param is { } field)
        {
            throw new ApiException(fault.Status, OwnNames(fault.Message, items), fault.Type, OwnNames(field, items), fault.Code, fault.RetryAfterSeconds, fault);
        }
    }

    /// <summary>A fault of the chat form in the words of this one.</summary>
    /// <param name="text">The fault.</param>
    /// <param name="items">Of each message, the item that it is, or the first of its calls; null for the instructions.</param>
    private static string OwnNames(string text, List<int?> items)
    {
        text = Place().Replace(text, match =>
        {
            var number = int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
            if (number >= items.Count || items[number] is not { } item) return "instructions";
            var call = match.Groups[2].Success ? int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture) : 0;
            return FormattableString.Invariant($"input[{item + call}]");
        });
        foreach (var (chat, own) in (ReadOnlySpan<(string, string)>)
            [
                ("response_format.json_schema", "text.format"), ("response_format", "text.format"), ("max_completion_tokens", "max_output_tokens"), ("reasoning_effort", "reasoning.effort"),
                ("tool_call_id", "call_id"), ("messages", "input"), (".function.", "."),
            ])
            text = text.Replace(chat, own, StringComparison.Ordinal);
        return text;
    }

    /// <summary>A message, a call of it, or the calls of it.</summary>
    [GeneratedRegex(@"messages\[(\d{1,9})\](?:\.tool_calls(?:\[(\d{1,9})\](?:\.function)?)?)?", RegexOptions.CultureInvariant)]
    private static partial Regex Place();

    private static void WriteChat(Utf8JsonWriter json, RequestReader request, List<int?> places)
    {
        json.WriteStartObject();
        json.WriteString("model", request.RequiredText("model"));
        Copy(json, request, "max_output_tokens", "max_completion_tokens");
        foreach (var name in (ReadOnlySpan<string>)["temperature", "top_p", "metadata", "prompt_cache_key", "safety_identifier", "user", "parallel_tool_calls", "stream", "service_tier"])
            Copy(json, request, name, name);
        if (request.Inner("reasoning") is { } reasoning)
        {
            Copy(json, reasoning, "effort", "reasoning_effort");
            reasoning.Refuse("summary", "thoughts are given as they are", "\"auto\"");
            reasoning.Refuse("generate_summary", "thoughts are given as they are", "\"auto\"");
            reasoning.End();
        }

        if (request.Inner("text") is { } text)
        {
            WriteFormat(json, text);
            Copy(json, text, "verbosity", "verbosity");
            text.End();
        }

        WriteTools(json, request);
        json.WriteStartArray("messages");
        if (request.Text("instructions") is { } instructions)
        {
            places.Add(null);
            WriteMessage(json, "system", instructions);
        }

        WriteInput(json, request, places);
        json.WriteEndArray();
        if (request.Inner("stream_options") is { } options)
        {
            options.Refuse("include_obfuscation", "events are sent as they are", "false");
            options.End();
        }

        request.Refuse("previous_response_id", "nothing is kept; send the items again");
        request.Refuse("conversation", "nothing is kept; send the items again");
        request.Refuse("store", "nothing is kept", "false");
        request.Refuse("background", "answers come at once", "false");
        request.Refuse("truncation", "an input that does not fit is refused", "\"disabled\"");
        request.Refuse("max_tool_calls", "it bounds hosted tools, of which there are none");

        // Clients that keep nothing with the server ask for sealed thoughts; here thoughts are given as they are.
        request.Refuse("include", "there is nothing more to include", "[]", "[\"reasoning.encrypted_content\"]");
        request.Refuse("top_logprobs", "use /v1/chat/completions", "0");
        request.Refuse("prompt", "nothing is kept; send the text");
        request.End();
        json.WriteEndObject();
    }

    private static void Copy(Utf8JsonWriter json, RequestReader request, string name, string chatName)
    {
        if (request.Take(name) is not { } value) return;
        json.WritePropertyName(chatName);
        value.WriteTo(json);
    }

    private static void WriteFormat(Utf8JsonWriter json, RequestReader text)
    {
        if (text.Inner("format") is not { } format) return;
        json.WriteStartObject("response_format");
        var type = format.Word("type", "text", "json_object", "json_schema") ?? throw format.Missing("type");
        json.WriteString("type", type);
        if (type == "json_schema")
        {
            json.WriteStartObject("json_schema");
            foreach (var name in (ReadOnlySpan<string>)["name", "description", "schema", "strict"]) Copy(json, format, name, name);
            json.WriteEndObject();
        }

        format.End();
        json.WriteEndObject();
    }

    private static void WriteTools(Utf8JsonWriter json, RequestReader request)
    {
        if (request.List("tools", MaxItems) is { Count: > 0 } tools)
        {
            json.WriteStartArray("tools");
            for (var i = 0; i < tools.Count; i++)
            {
                var tool = new RequestReader(tools[i], FormattableString.Invariant($"tools[{i}]"));
                json.WriteStartObject();
                json.WriteString("type", tool.RequiredText("type"));
                json.WriteStartObject("function");
                foreach (var name in (ReadOnlySpan<string>)["name", "description", "parameters", "strict"]) Copy(json, tool, name, name);
                json.WriteEndObject();
                json.WriteEndObject();
                if (tool.Text("type") == "function") tool.End();
            }

            json.WriteEndArray();
        }

        if (request.Take("tool_choice") is not { } choice) return;
        if (choice.ValueKind != JsonValueKind.Object)
        {
            Copy(json, request, "tool_choice", "tool_choice");
            return;
        }

        var named = new RequestReader(choice, "tool_choice");
        named.Word("type", "function");
        json.WriteStartObject("tool_choice");
        json.WriteString("type", "function");
        json.WriteStartObject("function");
        json.WriteString("name", named.RequiredText("name"));
        json.WriteEndObject();
        json.WriteEndObject();
        named.End();
    }

    private static void WriteInput(Utf8JsonWriter json, RequestReader request, List<int?> places)
    {
        if (request.Take("input") is not { } input) throw request.Missing("input");
        if (input.ValueKind == JsonValueKind.String)
        {
            places.Add(0);
            WriteMessage(json, "user", input.GetString()!);
            return;
        }

        var items = request.List("input", MaxItems)!;
        string? thought = null;
        for (var i = 0; i < items.Count; i++)
        {
            var item = new RequestReader(items[i], FormattableString.Invariant($"input[{i}]"));
            item.Text("id");
            item.Text("status");
            if (item.Text("type") is not "reasoning") places.Add(i);
            switch (item.Text("type") ?? "message")
            {
                case "message":
                    var role = item.RequiredText("role");
                    WriteMessage(json, role, TextOf(item, "content"), role == "assistant" ? thought : null);
                    thought = null;
                    break;
                case "reasoning":
                    thought = item.Take("content") is null ? null : TextOf(item, "content");
                    item.Take("summary");
                    item.Take("encrypted_content");
                    break;
                case "function_call":
                    i = WriteCalls(json, items, i, thought);
                    thought = null;
                    continue;
                case "function_call_output":
                    json.WriteStartObject();
                    json.WriteString("role", "tool");
                    json.WriteString("tool_call_id", item.RequiredText("call_id"));
                    json.WriteString("content", TextOf(item, "output"));
                    json.WriteEndObject();
                    break;
                default:
                    throw ApiException.Invalid(item.PathOf("type"), $"{item.PathOf("type")}: expected message, reasoning, function_call or function_call_output", "unsupported_parameter");
            }

            item.End();
        }
    }

    private static void WriteMessage(Utf8JsonWriter json, string role, string content, string? thought = null)
    {
        json.WriteStartObject();
        json.WriteString("role", role);
        json.WriteString("content", content);
        if (thought is not null) json.WriteString("reasoning_content", thought);
        json.WriteEndObject();
    }

    /// <summary>Calls that follow each other are of one answer.</summary>
    /// <returns>The last of them.</returns>
    private static int WriteCalls(Utf8JsonWriter json, IReadOnlyList<JsonElement> items, int first, string? thought)
    {
        json.WriteStartObject();
        json.WriteString("role", "assistant");
        json.WriteNull("content");
        if (thought is not null) json.WriteString("reasoning_content", thought);
        json.WriteStartArray("tool_calls");
        var last = first;
        for (; last < items.Count; last++)
        {
            var call = new RequestReader(items[last], FormattableString.Invariant($"input[{last}]"));
            if (call.Text("type") != "function_call") break;
            call.Text("id");
            call.Text("status");
            ToolCallJson.Write(json, call.RequiredText("call_id"), call.RequiredText("name"), call.RequiredText("arguments"));
            call.End();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        return last - 1;
    }

    /// <summary>A text, or parts of text joined.</summary>
    private static string TextOf(RequestReader item, string name)
    {
        if (item.Take(name) is not { } value) throw item.Missing(name);
        if (value.ValueKind == JsonValueKind.String) return value.GetString()!;
        var parts = item.List(name, MaxItems)!;
        return string.Concat(parts.Select((part, index) =>
        {
            var reader = new RequestReader(part, FormattableString.Invariant($"{item.PathOf(name)}[{index}]"));
            reader.Word("type", "input_text", "output_text", "reasoning_text", "text");
            return reader.RequiredText("text");
        }));
    }
}
