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

    /// <summary>Whether a prompt leaves the model in the midst of its reasoning.</summary>
    public bool OpensReasoning(IReadOnlyList<TextSegment> prompt) =>
        Reasons && prompt.Count > 0 && prompt[^1] is { IsTrusted: true, Text: var text } && text.AsSpan().TrimEnd().EndsWith(ThinkBegin);
}
