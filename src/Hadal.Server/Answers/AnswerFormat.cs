using Hadal.Checkpoints.Text;

namespace Hadal.Server.Answers;

/// <summary>What a model's answers are made of, as its chat template shows.</summary>
/// <param name="Reasons">It may think between <c>&lt;think&gt;</c> and <c>&lt;/think&gt;</c> first.</param>
/// <param name="CanSwitch">Its template has a variable that switches thinking.</param>
/// <param name="Tools">How it calls tools, or null where it does not.</param>
internal sealed record AnswerFormat(bool Reasons, bool CanSwitch, ToolCallFormat? Tools)
{
    /// <summary>In front of reasoning.</summary>
    public const string ThinkBegin = "<think>";

    /// <summary>Behind reasoning.</summary>
    public const string ThinkEnd = "</think>";

    /// <summary>What stands behind the mark that opens reasoning where nothing is to be thought.</summary>
    public const string NoThought = "\n</think>\n\n";

    /// <summary>Reads a chat template.</summary>
    public static AnswerFormat Of(string template) => new(
        template.Contains(ThinkEnd, StringComparison.Ordinal) || template.Contains(ThinkBegin, StringComparison.Ordinal),
        template.Contains("thinking", StringComparison.Ordinal),
        ToolCallFormat.Of(template));

    /// <summary>Text that the model has written, as what its own template makes of it: the marks around a thought are marks again, not text that looks like them.</summary>
    /// <param name="text">The text; no mark is cut by its end.</param>
    /// <param name="isThinking">Whether it begins within a thought, and then whether it ends within one. Null once a thought is over: what looks like a mark then is text.</param>
    public IReadOnlyList<TextSegment> Segments(string text, ref bool? isThinking)
    {
        var segments = new List<TextSegment>();
        if (Reasons && isThinking == false && text.AsSpan().TrimStart().StartsWith(ThinkBegin)) Take(text.IndexOf(ThinkBegin, StringComparison.Ordinal), ThinkBegin);
        if (segments.Count > 0) isThinking = true;
        if (isThinking == true && text.IndexOf(ThinkEnd, StringComparison.Ordinal) is >= 0 and var end)
        {
            Take(end, ThinkEnd);
            isThinking = null;
        }

        if (text.Length > 0) segments.Add(new TextSegment(text, IsTrusted: false));
        return segments;

        void Take(int at, string mark)
        {
            if (at > 0) segments.Add(new TextSegment(text[..at], IsTrusted: false));
            segments.Add(new TextSegment(mark, IsTrusted: true));
            text = text[(at + mark.Length)..];
        }
    }

    /// <summary>Whether a prompt leaves the model in the midst of its reasoning.</summary>
    public bool OpensReasoning(IReadOnlyList<TextSegment> prompt) =>
        Reasons && prompt.Count > 0 && prompt[^1] is { IsTrusted: true, Text: var text } && text.AsSpan().TrimEnd().EndsWith(ThinkBegin);
}
