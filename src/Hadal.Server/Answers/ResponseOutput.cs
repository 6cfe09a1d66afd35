using System.Text;
using System.Text.Json;

namespace Hadal.Server.Answers;

/// <summary>An event of a stream of <c>/v1/responses</c>: its name, and what writes its members.</summary>
internal readonly record struct ResponseEvent(string Name, Action<Utf8JsonWriter> Members);

/// <summary>The items of an answer as they grow: a thought, a message, calls.</summary>
internal sealed class ResponseOutput
{
    private readonly List<Item> _items = [];
    private bool _isOpen;

    /// <summary>Adds a piece of the answer.</summary>
    /// <returns>The events that tell of it.</returns>
    public IEnumerable<ResponseEvent> Add(AnswerPart part)
    {
        var kind = part.Kind == AnswerPartKind.CallBegin ? AnswerPartKind.CallArguments : part.Kind;
        if (part.Kind == AnswerPartKind.CallBegin || !_isOpen || _items[^1].Kind != kind)
        {
            foreach (var closing in Close("completed")) yield return closing;
            foreach (var opening in Open(kind, part)) yield return opening;
        }

        if (part.Kind == AnswerPartKind.CallBegin) yield break;
        var (item, index) = (_items[^1], _items.Count - 1);
        item.Text.Append(part.Text);
        yield return new ResponseEvent($"{item.TextEvent}.delta", json =>
        {
            WritePlace(json, item, index);
            json.WriteString("delta", part.Text);
            if (kind == AnswerPartKind.Content) WriteEmptyArray(json, "logprobs");
        });
    }

    /// <summary>Ends the last item.</summary>
    /// <param name="status"><c>completed</c>, or <c>incomplete</c> where the answer was cut.</param>
    public IEnumerable<ResponseEvent> Close(string status)
    {
        if (!_isOpen) yield break;
        _isOpen = false;
        var (item, index) = (_items[^1], _items.Count - 1);
        item.Status = status;
        yield return new ResponseEvent($"{item.TextEvent}.done", json =>
        {
            WritePlace(json, item, index);
            json.WriteString(item.Kind == AnswerPartKind.CallArguments ? "arguments" : "text", item.Text.ToString());
            if (item.Kind == AnswerPartKind.CallArguments) json.WriteString("name", item.Name);
            if (item.Kind == AnswerPartKind.Content) WriteEmptyArray(json, "logprobs");
        });
        if (item.Kind == AnswerPartKind.Content) yield return new ResponseEvent("response.content_part.done", json => WritePart(json, item, index));
        yield return new ResponseEvent("response.output_item.done", json => WriteItemEvent(json, item, index));
    }

    /// <summary>All items.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartArray("output");
        foreach (var item in _items) WriteItem(json, item);
        json.WriteEndArray();
    }

    private IEnumerable<ResponseEvent> Open(AnswerPartKind kind, AnswerPart part)
    {
        var prefix = kind switch { AnswerPartKind.Reasoning => "rs_", AnswerPartKind.Content => "msg_", _ => "fc_" };
        var item = new Item(kind, prefix + Endpoints.ChatCompletions.NewId(), part.Kind == AnswerPartKind.CallBegin ? part.Text : "", ChatDeltas.NewCallId());
        _items.Add(item);
        _isOpen = true;
        var index = _items.Count - 1;
        yield return new ResponseEvent("response.output_item.added", json => WriteItemEvent(json, item, index));
        if (kind == AnswerPartKind.Content) yield return new ResponseEvent("response.content_part.added", json => WritePart(json, item, index));
    }

    private static void WritePlace(Utf8JsonWriter json, Item item, int index)
    {
        json.WriteString("item_id", item.Id);
        json.WriteNumber("output_index", index);
        if (item.Kind != AnswerPartKind.CallArguments) json.WriteNumber("content_index", 0);
    }

    private static void WriteItemEvent(Utf8JsonWriter json, Item item, int index)
    {
        json.WriteNumber("output_index", index);
        json.WritePropertyName("item");
        WriteItem(json, item);
    }

    private static void WritePart(Utf8JsonWriter json, Item item, int index)
    {
        WritePlace(json, item, index);
        json.WritePropertyName("part");
        WriteText(json, item);
    }

    private static void WriteItem(Utf8JsonWriter json, Item item)
    {
        json.WriteStartObject();
        json.WriteString("id", item.Id);
        json.WriteString("type", item.Kind switch { AnswerPartKind.Reasoning => "reasoning", AnswerPartKind.Content => "message", _ => "function_call" });
        json.WriteString("status", item.Status);
        switch (item.Kind)
        {
            case AnswerPartKind.CallArguments:
                json.WriteString("call_id", item.CallId);
                json.WriteString("name", item.Name);
                json.WriteString("arguments", item.Text.ToString());
                break;
            case AnswerPartKind.Reasoning:
                WriteEmptyArray(json, "summary");
                json.WriteStartArray("content");
                if (item.Text.Length > 0) WriteText(json, item);
                json.WriteEndArray();
                break;
            default:
                json.WriteString("role", "assistant");
                json.WriteStartArray("content");
                if (item.Text.Length > 0) WriteText(json, item);
                json.WriteEndArray();
                break;
        }

        json.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter json, Item item)
    {
        json.WriteStartObject();
        json.WriteString("type", item.Kind == AnswerPartKind.Reasoning ? "reasoning_text" : "output_text");
        json.WriteString("text", item.Text.ToString());
        if (item.Kind == AnswerPartKind.Content)
        {
            WriteEmptyArray(json, "annotations");
            WriteEmptyArray(json, "logprobs");
        }

        json.WriteEndObject();
    }

    private static void WriteEmptyArray(Utf8JsonWriter json, string name)
    {
        json.WriteStartArray(name);
        json.WriteEndArray();
    }

    private sealed class Item(AnswerPartKind kind, string id, string name, string callId)
    {
        public AnswerPartKind Kind => kind;

        public string Id => id;

        public string Name => name;

        public string CallId => callId;

        public StringBuilder Text { get; } = new();

        public string Status { get; set; } = "in_progress";

        public string TextEvent => kind switch
        {
            AnswerPartKind.Reasoning => "response.reasoning_text",
            AnswerPartKind.Content => "response.output_text",
            _ => "response.function_call_arguments",
        };
    }
}
