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

/// <summary>Takes the text of an answer in pieces and tells reasoning from content. Where the pieces end makes no difference to the joined parts.</summary>
/// <remarks>Text that may be the beginning of a mark is held back, and so is white space that a mark would swallow.</remarks>
internal sealed class AnswerParser
{
    private Stage _stage;
    private string _held = "";

    /// <param name="format">The model's marks.</param>
    /// <param name="opensReasoning">The prompt has opened the reasoning.</param>
    public AnswerParser(AnswerFormat format, bool opensReasoning) =>
        _stage = opensReasoning ? Stage.ReasoningBegin : format.Reasons ? Stage.Begin : Stage.Content;

    private enum Stage
    {
        Begin,
        ReasoningBegin,
        Reasoning,
        ContentBegin,
        Content,
    }

    /// <summary>Whether the text goes to reasoning now.</summary>
    public bool IsReasoning => _stage is Stage.ReasoningBegin or Stage.Reasoning;

    /// <summary>Takes text and adds what became certain.</summary>
    public void Append(string text, List<AnswerPart> parts)
    {
        _held += text;
        while (Advance(parts, isEnd: false)) { }
    }

    /// <summary>Ends the answer: what was held back becomes certain.</summary>
    public void End(List<AnswerPart> parts)
    {
        while (Advance(parts, isEnd: true)) { }
        Add(parts, _held);
        _held = "";
    }

    /// <summary>Makes one step; true if another may follow.</summary>
    private bool Advance(List<AnswerPart> parts, bool isEnd) => _stage switch
    {
        Stage.Begin => Begin(isEnd),
        Stage.ReasoningBegin => SkipLines(Stage.Reasoning),
        Stage.Reasoning => Reason(parts),
        Stage.ContentBegin => SkipLines(Stage.Content),
        _ => Answer(parts),
    };

    /// <summary>A model that may reason does so first, if at all.</summary>
    private bool Begin(bool isEnd)
    {
        var text = _held.TrimStart();
        if (text.StartsWith(AnswerFormat.ThinkBegin, StringComparison.Ordinal)) return Go(text[AnswerFormat.ThinkBegin.Length..], Stage.ReasoningBegin);
        return (isEnd || !AnswerFormat.ThinkBegin.StartsWith(text, StringComparison.Ordinal)) && Go(_held, Stage.Content);
    }

    private bool SkipLines(Stage next)
    {
        var text = _held.TrimStart('\n', '\r');
        if (text.Length > 0) return Go(text, next);
        _held = "";
        return false;
    }

    private bool Reason(List<AnswerPart> parts)
    {
        var end = _held.IndexOf(AnswerFormat.ThinkEnd, StringComparison.Ordinal);
        var certain = (end < 0 ? _held.AsSpan(0, _held.Length - HeldLength(_held)) : _held.AsSpan(0, end)).TrimEnd().Length;
        Add(parts, _held[..certain]);
        if (end >= 0) return Go(_held[(end + AnswerFormat.ThinkEnd.Length)..], Stage.ContentBegin);
        _held = _held[certain..];
        return false;
    }

    private bool Answer(List<AnswerPart> parts)
    {
        Add(parts, _held);
        _held = "";
        return false;
    }

    private bool Go(string rest, Stage stage)
    {
        (_held, _stage) = (rest, stage);
        return true;
    }

    private void Add(List<AnswerPart> parts, string text)
    {
        if (text.Length > 0) parts.Add(new AnswerPart(IsReasoning ? AnswerPartKind.Reasoning : AnswerPartKind.Content, text));
    }

    /// <summary>Length of the longest end of a text that the mark behind reasoning begins with.</summary>
    private static int HeldLength(string text)
    {
        for (var length = Math.Min(text.Length, AnswerFormat.ThinkEnd.Length - 1); length > 0; length--)
            if (text.AsSpan(text.Length - length).SequenceEqual(AnswerFormat.ThinkEnd.AsSpan(0, length))) return length;
        return 0;
    }
}
