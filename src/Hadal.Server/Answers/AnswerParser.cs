using System.Text;
using System.Text.Json;

namespace Hadal.Server.Answers;

/// <summary>What a piece of an answer is.</summary>
internal enum AnswerPartKind
{
    /// <summary>Text for the reader.</summary>
    Content,

    /// <summary>What the model thought before.</summary>
    Reasoning,

    /// <summary>A call begins; the text is the name of the tool.</summary>
    CallBegin,

    /// <summary>Some of the arguments of the call.</summary>
    CallArguments,
}

/// <summary>A piece of an answer.</summary>
internal readonly record struct AnswerPart(AnswerPartKind Kind, string Text);

/// <summary>Takes the text of an answer in pieces and tells reasoning, content and calls apart. Where the pieces end makes no difference to the joined parts.</summary>
/// <remarks>Text that may be the beginning of a mark is held back, and so is white space that a mark would swallow. What does not have the form of a call is content.</remarks>
internal sealed class AnswerParser
{
    private readonly AnswerFormat _format;
    private readonly bool _readsCalls;
    private readonly StringBuilder _held = new();
    private Stage _stage;
    private bool _isAtBegin = true;

    /// <param name="format">The model's marks.</param>
    /// <param name="opensReasoning">The prompt has opened the reasoning.</param>
    /// <param name="readsCalls">Tools were given.</param>
    public AnswerParser(AnswerFormat format, bool opensReasoning, bool readsCalls)
    {
        _format = format;
        _readsCalls = readsCalls && format.Tools is not null;
        _stage = opensReasoning ? Stage.Reasoning : format.Reasons ? Stage.Begin : Stage.Content;
    }

    private enum Stage
    {
        Begin,
        Reasoning,
        Content,
        BetweenCalls,
        Name,
        Arguments,
        TaggedCall,
    }

    /// <summary>Whether the text goes to reasoning now.</summary>
    public bool IsReasoning => _stage == Stage.Reasoning;

    /// <summary>Whether a call was found.</summary>
    public bool HasCalls { get; private set; }

    /// <summary>Takes text and adds what became certain.</summary>
    public void Append(string text, List<AnswerPart> parts)
    {
        _held.Append(text);
        while (Advance(parts, isEnd: false)) { }
    }

    /// <summary>Ends the answer: what was held back becomes certain.</summary>
    public void End(List<AnswerPart> parts)
    {
        while (Advance(parts, isEnd: true)) { }
        if (_stage is Stage.Name or Stage.TaggedCall) Add(parts, AnswerPartKind.Content, _format.Tools!.CallBegin + _held);
        else if (_stage is not Stage.BetweenCalls) Add(parts, Kind, _held.ToString());
        _held.Clear();
    }

    private AnswerPartKind Kind => _stage switch
    {
        Stage.Reasoning => AnswerPartKind.Reasoning,
        Stage.Arguments => AnswerPartKind.CallArguments,
        _ => AnswerPartKind.Content,
    };

    /// <summary>Makes one step; true if another may follow.</summary>
    private bool Advance(List<AnswerPart> parts, bool isEnd) => _stage switch
    {
        Stage.Begin => Begin(isEnd),
        Stage.Reasoning => Through(parts, AnswerFormat.ThinkEnd, Stage.Content, trims: true),
        Stage.Content when _readsCalls => ThroughContent(parts),
        Stage.Content => Plain(parts),
        Stage.BetweenCalls => BetweenCalls(),
        Stage.Name => Name(parts),
        Stage.Arguments => Through(parts, _format.Tools!.CallEnd, Stage.BetweenCalls, trims: false),
        _ => TaggedCall(parts),
    };

    private bool Begin(bool isEnd)
    {
        var text = _held.ToString().TrimStart();
        if (text.StartsWith(AnswerFormat.ThinkBegin, StringComparison.Ordinal))
        {
            Keep(text[AnswerFormat.ThinkBegin.Length..], Stage.Reasoning);
            return true;
        }

        if (!isEnd && AnswerFormat.ThinkBegin.StartsWith(text, StringComparison.Ordinal)) return false;
        _stage = Stage.Content;
        _isAtBegin = false;
        return true;
    }

    private bool ThroughContent(List<AnswerPart> parts)
    {
        var tools = _format.Tools!;
        var next = tools.SectionBegin.Length > 0 ? Stage.BetweenCalls : tools == ToolCallFormat.Tagged ? Stage.TaggedCall : Stage.Name;
        return Through(parts, tools.FirstMark, next, trims: true);
    }

    private bool Plain(List<AnswerPart> parts)
    {
        var text = Trimmed(_held.ToString());
        Add(parts, AnswerPartKind.Content, text);
        _held.Clear();
        return false;
    }

    /// <summary>Gives out text up to a mark, or up to what may be one.</summary>
    /// <param name="parts">Receives the text.</param>
    /// <param name="mark">The mark.</param>
    /// <param name="next">What follows it.</param>
    /// <param name="trims">Whether white space in front of the mark is no part of the text.</param>
    private bool Through(List<AnswerPart> parts, string mark, Stage next, bool trims)
    {
        var text = trims ? Trimmed(_held.ToString()) : _held.ToString();
        var found = text.IndexOf(mark, StringComparison.Ordinal);
        var certain = found >= 0 ? found : text.Length - HeldLength(text, mark);
        var end = certain;
        if (trims) while (end > 0 && char.IsWhiteSpace(text[end - 1])) end--;
        Add(parts, Kind, text[..end]);
        if (found < 0)
        {
            _held.Clear().Append(text, end, text.Length - end);
            return false;
        }

        if (_stage != Stage.Arguments) _isAtBegin = true;
        Keep(text[(found + mark.Length)..], next);
        return true;
    }

    /// <summary>The text without white space at the very beginning of reasoning, or of content behind it.</summary>
    private string Trimmed(string text)
    {
        if (!_isAtBegin || !_format.Reasons) return text;
        text = text.TrimStart('\n', '\r');
        _isAtBegin = text.Length == 0;
        return text;
    }

    private bool BetweenCalls()
    {
        var tools = _format.Tools!;
        var text = _held.ToString();
        var call = text.IndexOf(tools.CallBegin, StringComparison.Ordinal);
        if (call < 0) return false;
        Keep(text[(call + tools.CallBegin.Length)..], tools == ToolCallFormat.Tagged ? Stage.TaggedCall : Stage.Name);
        return true;
    }

    private bool Name(List<AnswerPart> parts)
    {
        var tools = _format.Tools!;
        var text = _held.ToString();
        var end = text.IndexOf(tools.BeforeArguments, StringComparison.Ordinal);
        if (end < 0) return false;

        // The kind in front of the separator is always that of a function.
        var name = text[..end];
        if (tools.BeforeName.Length > 0 && name.IndexOf("<｜tool▁sep｜>", StringComparison.Ordinal) is var separator and >= 0) name = name[(separator + "<｜tool▁sep｜>".Length)..];
        HasCalls = true;
        parts.Add(new AnswerPart(AnswerPartKind.CallBegin, name.Trim()));
        Keep(text[(end + tools.BeforeArguments.Length)..], Stage.Arguments);
        return true;
    }

    private bool TaggedCall(List<AnswerPart> parts)
    {
        const string close = "</tool_call>";
        var text = _held.ToString();
        var end = text.IndexOf(close, StringComparison.Ordinal);
        if (end < 0) return false;
        var call = text[..end];
        if (ReadTagged(call) is var (name, arguments))
        {
            HasCalls = true;
            parts.Add(new AnswerPart(AnswerPartKind.CallBegin, name));
            parts.Add(new AnswerPart(AnswerPartKind.CallArguments, arguments));
        }
        else Add(parts, AnswerPartKind.Content, _format.Tools!.CallBegin + call + close);
        Keep(text[(end + close.Length)..], Stage.BetweenCalls);
        return true;
    }

    private static (string Name, string Arguments)? ReadTagged(string call)
    {
        try
        {
            using var document = JsonDocument.Parse(call);
            return document.RootElement is { ValueKind: JsonValueKind.Object } root
                && root.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String
                ? (name.GetString()!, root.TryGetProperty("arguments", out var arguments) ? arguments.GetRawText() : "{}")
                : null;
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private void Keep(string rest, Stage stage)
    {
        _held.Clear().Append(rest);
        _stage = stage;
    }

    private static void Add(List<AnswerPart> parts, AnswerPartKind kind, string text)
    {
        if (text.Length > 0) parts.Add(new AnswerPart(kind, text));
    }

    /// <summary>Length of the longest end of a text that a mark begins with.</summary>
    private static int HeldLength(string text, string mark)
    {
        for (var length = Math.Min(text.Length, mark.Length - 1); length > 0; length--)
            if (text.AsSpan(text.Length - length).SequenceEqual(mark.AsSpan(0, length))) return length;
        return 0;
    }
}
