using Hadal.Server.Answers;

namespace Hadal.Server.Tests;

/// <summary>Reasoning and content are told apart, wherever the pieces of an answer end.</summary>
public sealed class AnswerParserTests
{
    private static readonly AnswerFormat Plain = new(false, false, null);
    private static readonly AnswerFormat Thinking = new(true, true, null);

    [Fact]
    public void Text_without_marks_is_content() => Check(Plain, false, "Is <think> a tag?\n\n", "content:Is <think> a tag?\n\n");

    [Fact]
    public void A_prompt_that_opened_the_reasoning_needs_no_mark() =>
        Check(Thinking, true, "\nWhales are\nbig. \n</think>\n\nThey sing.\n", "reasoning:Whales are\nbig.", "content:They sing.\n");

    [Fact]
    public void A_model_may_open_its_reasoning_itself() => Check(Thinking, false, "\n<think>\na < b</think>Yes </think>", "reasoning:a < b", "content:Yes </think>");

    [Fact]
    public void Content_may_begin_like_a_mark() => Check(Thinking, false, "<thing>", "content:<thing>");

    [Fact]
    public void Reasoning_without_an_end_is_reasoning() => Check(Thinking, true, "Hm </thin", "reasoning:Hm </thin");

    private static void Check(AnswerFormat format, bool opensReasoning, string text, params string[] expected)
    {
        Assert.Equal(expected, Parse(format, opensReasoning, [text]));
        Assert.Equal(expected, Parse(format, opensReasoning, text.Select(unit => unit.ToString())));
        for (var cut = 1; cut < text.Length; cut++) Assert.Equal(expected, Parse(format, opensReasoning, [text[..cut], text[cut..]]));
    }

    private static List<string> Parse(AnswerFormat format, bool opensReasoning, IEnumerable<string> pieces)
    {
        var parser = new AnswerParser(format, opensReasoning);
        var parts = new List<AnswerPart>();
        foreach (var piece in pieces) parser.Append(piece, parts);
        parser.End(parts);
        var joined = new List<(AnswerPartKind Kind, string Text)>();
        foreach (var part in parts)
        {
            Assert.True(part.Text.Length > 0);
            if (joined.Count > 0 && joined[^1].Kind == part.Kind) joined[^1] = (part.Kind, joined[^1].Text + part.Text);
            else joined.Add((part.Kind, part.Text));
        }

        return [.. joined.Select(part => part.Kind switch
        {
            AnswerPartKind.Reasoning => "reasoning:",
            _ => "content:",
        } + part.Text)];
    }
}
