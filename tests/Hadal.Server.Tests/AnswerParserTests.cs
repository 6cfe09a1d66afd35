using Hadal.Server.Answers;

namespace Hadal.Server.Tests;

/// <summary>Reasoning, content and calls are told apart, wherever the pieces of an answer end.</summary>
public sealed class AnswerParserTests
{
    private static readonly AnswerFormat Plain = new(false, false, null);
    private static readonly AnswerFormat Thinking = new(true, true, ToolCallFormat.DeepSeekPlain);
    private static readonly AnswerFormat Fenced = new(true, false, ToolCallFormat.DeepSeekFenced);
    private static readonly AnswerFormat Tagged = new(false, false, ToolCallFormat.Tagged);

    [Fact]
    public void Text_without_marks_is_content() => Check(Plain, false, false, "Is <think> a tag?\n\n", "content:Is <think> a tag?\n\n");

    [Fact]
    public void A_prompt_that_opened_the_reasoning_needs_no_mark() =>
        Check(Thinking, true, false, "\nWhales are\nbig. \n</think>\n\nThey sing.\n", "reasoning:Whales are\nbig.", "content:They sing.\n");

    [Fact]
    public void A_model_may_open_its_reasoning_itself() => Check(Thinking, false, false, "\n<think>\na < b</think>Yes </think>", "reasoning:a < b", "content:Yes </think>");

    [Fact]
    public void Content_may_begin_like_a_mark() => Check(Thinking, false, false, "<thing>", "content:<thing>");

    [Fact]
    public void Reasoning_without_an_end_is_reasoning() => Check(Thinking, true, false, "Hm </thin", "reasoning:Hm </thin");

    [Fact]
    public void Calls_of_deepseek_are_read_one_after_the_other() => Check(
        Thinking, false, true,
        "Let me see.\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_rul<｜tool▁sep｜>{\"unit\": 7}<｜tool▁call▁end｜><｜tool▁call▁begin｜>stop<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        "content:Let me see.", "call:get_rul", "arguments:{\"unit\": 7}", "call:stop", "arguments:{}");

    [Fact]
    public void Fenced_calls_are_read_behind_reasoning() => Check(
        Fenced, true, true,
        "I need it.</think>\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_rul\n```json\n{\"unit\":\n 7}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>stop\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        "reasoning:I need it.", "call:get_rul", "arguments:{\"unit\":\n 7}", "call:stop", "arguments:{}");

    [Fact]
    public void Tagged_calls_are_read_and_what_is_no_call_stays_text() => Check(
        Tagged, false, true,
        "Sure.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"</\"}}\n</tool_call>\n<tool_call>oops</tool_call>",
        "content:Sure.", "call:f", "arguments:{\"a\": \"</\"}", "content:<tool_call>oops</tool_call>");

    [Fact]
    public void A_call_that_was_cut_off_is_not_lost()
    {
        Check(Tagged, false, true, "<tool_call>\n{\"name\": \"f", "content:<tool_call>\n{\"name\": \"f");
        Check(Thinking, false, true, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": 1", "call:f", "arguments:{\"a\": 1");
    }

    [Fact]
    public void Marks_of_calls_are_text_where_no_tools_were_given() => Check(Tagged, false, false, "<tool_call>x", "content:<tool_call>x");

    private static void Check(AnswerFormat format, bool opensReasoning, bool readsCalls, string text, params string[] expected)
    {
        Assert.Equal(expected, Parse(format, opensReasoning, readsCalls, [text]));
        Assert.Equal(expected, Parse(format, opensReasoning, readsCalls, text.Select(unit => unit.ToString())));
        for (var cut = 1; cut < text.Length; cut++) Assert.Equal(expected, Parse(format, opensReasoning, readsCalls, [text[..cut], text[cut..]]));
    }

    private static List<string> Parse(AnswerFormat format, bool opensReasoning, bool readsCalls, IEnumerable<string> pieces)
    {
        var parser = new AnswerParser(format, opensReasoning, readsCalls);
        var parts = new List<AnswerPart>();
        foreach (var piece in pieces) parser.Append(piece, parts);
        parser.End(parts);
        var joined = new List<(AnswerPartKind Kind, string Text)>();
        foreach (var part in parts)
        {
            Assert.True(part.Text.Length > 0);
            if (joined.Count > 0 && joined[^1].Kind == part.Kind && part.Kind != AnswerPartKind.CallBegin) joined[^1] = (part.Kind, joined[^1].Text + part.Text);
            else joined.Add((part.Kind, part.Text));
        }

        return [.. joined.Select(part => part.Kind switch
        {
            AnswerPartKind.Content => "content:",
            AnswerPartKind.Reasoning => "reasoning:",
            AnswerPartKind.CallBegin => "call:",
            _ => "arguments:",
        } + part.Text)];
    }
}
