using CsCheck;
using Hadal.Web.Conversations;

namespace Hadal.Web.Tests;

/// <summary>Files of conversations come from anybody.</summary>
public sealed class ConversationFileTests
{
    [Fact]
    public void What_is_exported_is_imported_the_same()
    {
        var talk = Talk();
        var file = ConversationFile.Write([talk]);
        var again = Assert.Single(ConversationFile.ReadFile(file));
        Assert.Equal(file, ConversationFile.Write([again]));
        Assert.Equal(talk.Path().Select(message => message.Id), again.Path().Select(message => message.Id));
        Assert.Equal(ConversationFile.Write(talk), ConversationFile.Write(ConversationFile.Read(ConversationFile.Write(talk))));
    }

    [Fact]
    public void A_branch_that_was_read_is_read_again()
    {
        var talk = Talk();
        talk.Select(talk["a1"]);
        Assert.Equal(["q1", "a1"], ConversationFile.ReadFile(ConversationFile.Write([talk]))[0].Path().Select(message => message.Id));
    }

    [Fact]
    public void An_answer_that_was_being_written_is_one_that_was_stopped()
    {
        var talk = Talk();
        talk.Replace(talk["a2"] with { FinishReason = null });
        Assert.Equal("stopped", ConversationFile.Read(ConversationFile.Write(talk))["a2"].FinishReason);
    }

    [Theory]
    [InlineData("", "$")]
    [InlineData("null", "expected an object")]
    [InlineData("[]", "$")]
    [InlineData("{\"format\":\"x\",\"version\":1,\"conversations\":[]}", "format")]
    [InlineData("{\"format\":\"hadal-conversations\",\"version\":2,\"conversations\":[]}", "version")]
    [InlineData("{\"format\":\"hadal-conversations\",\"version\":1,\"conversations\":[null]}", "conversations[0]")]
    [InlineData("{\"format\":\"hadal-conversations\",\"version\":1}", "$")]
    public void A_file_of_another_kind_is_refused_with_its_place(string json, string place) =>
        Assert.Contains(place, Assert.Throws<FormatException>(() => ConversationFile.ReadFile(json)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("\"id\":\"talk\"", "\"id\":\"../talk\"", "conversations[0].id")]
    [InlineData("\"id\":\"talk\"", "\"id\":\"\"", "conversations[0].id")]
    [InlineData("\"id\":\"a2\"", "\"id\":\"a1\"", "messages[2].id")]
    [InlineData("\"parent_id\":\"q1\"", "\"parent_id\":\"a2\"", "messages[1].parent_id")]
    [InlineData("\"parent_id\":\"q1\"", "\"parent_id\":\"nobody\"", "messages[1].parent_id")]
    [InlineData("\"role\":\"User\"", "\"role\":\"System\"", "role")]
    [InlineData("\"role\":\"User\"", "\"role\":7", "role")]
    [InlineData("\"content\":\"a\"", "\"content\":null", "$")]
    [InlineData("\"content\":\"a\",", "", "content")]
    [InlineData("\"messages\":[", "\"messages\":[null,", "messages[0]")]
    [InlineData("\"temperature\":0.5", "\"temperature\":-1", "temperature")]
    [InlineData("\"temperature\":0.5", "\"temperature\":1e999", "temperature")]
    [InlineData("\"selected\":{", "\"selected\":{\"a1\":\"q1\",", "selected")]
    [InlineData("\"selected\":{", "\"selected\":{\"a1\":null,", "selected")]
    [InlineData("\"completion_tokens\":3", "\"completion_tokens\":-3", "figures")]
    [InlineData("\"media_type\":\"image/png\"", "\"media_type\":\"text/html\"", "attachments")]
    [InlineData("\"base64\":\"AAAA\"", "\"base64\":\"<script>\"", "attachments")]
    [InlineData("\"tool_calls\":[{\"id\":\"c1\"", "\"tool_calls\":[{\"id\":\"c2\"", "messages[4].tool_call_id")]
    [InlineData("\"tool_calls\":[{\"id\":\"c1\",", "\"tool_calls\":[{\"id\":\"\",", "messages[3].tool_calls")]
    [InlineData("\"tool_calls\":[{\"id\":\"c1\",", "\"tool_calls\":[null,{\"id\":\"c1\",", "messages[3].tool_calls")]
    [InlineData("\"role\":\"Tool\"", "\"role\":\"User\"", "messages[4].tool_call_id")]
    [InlineData("\"tool_call_id\":\"c1\"", "\"model\":\"m\"", "messages[4].tool_call_id")]
    [InlineData("\"parent_id\":\"a3\"", "\"parent_id\":\"q1\"", "messages[4].tool_call_id")]
    public void A_file_that_lies_is_refused_with_its_place(string part, string lie, string place)
    {
        var file = ConversationFile.Write([Talk()]);
        Assert.Contains(part, file, StringComparison.Ordinal);
        var at = file.IndexOf(part, StringComparison.Ordinal);
        var fault = Assert.Throws<FormatException>(() => ConversationFile.ReadFile(string.Concat(file.AsSpan(0, at), lie, file.AsSpan(at + part.Length))));
        Assert.Contains(place, fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', fault.Message);
    }

    [Theory]
    [InlineData("\"title\":\"A talk\",")]
    [InlineData("\"system_prompt\":\"be brief\",")]
    [InlineData("\"model\":\"m\",\"second_model\":\"n\",")]
    public void What_may_be_missing_may_be_missing(string part)
    {
        var file = ConversationFile.Write([Talk()]);
        Assert.Contains(part, file, StringComparison.Ordinal);
        var at = file.IndexOf(part, StringComparison.Ordinal);
        Assert.Equal(5, ConversationFile.ReadFile(file.Remove(at, part.Length))[0].Messages.Count);
    }

    [Fact]
    public void A_file_that_is_too_large_is_refused_before_it_is_read() =>
        Assert.Contains("at most", Assert.Throws<FormatException>(() => ConversationFile.ReadFile(new string(' ', ConversationFile.MaxLength + 1))).Message, StringComparison.Ordinal);

    [Fact]
    public void Any_damage_is_a_conversation_or_one_fault()
    {
        var file = ConversationFile.Write([Talk()]);
        Gen.Select(Gen.Int[0, file.Length - 1], Gen.Int[0, 40], Gen.Char.AlphaNumeric.Array[0, 3]).Sample((at, length, other) =>
        {
            var damaged = string.Concat(file.AsSpan(0, at), other, file.AsSpan(Math.Min(file.Length, at + length)));
            try
            {
                foreach (var talk in ConversationFile.ReadFile(damaged)) Assert.NotNull(talk.Path());
            }
            catch (FormatException)
            {
                // Told in one line.
            }
        }, iter: 2000);
    }

    private static Conversation Talk()
    {
        var talk = new Conversation("talk", DateTimeOffset.UnixEpoch)
        {
            Title = "A talk", SystemPrompt = "be brief", Model = "m", SecondModel = "n", Sampling = new SamplingChoice { Temperature = 0.5, MaxTokens = 7, Seed = 3, Thinks = false },
        };
        talk.Add(new Message { Id = "q1", Role = MessageRole.User, Content = "q", Attachments = [new Attachment("a.png", "image/png", "AAAA")] });
        talk.Add(new Message { Id = "a1", ParentId = "q1", Role = MessageRole.Assistant, Content = "a", Model = "m", FinishReason = "stop", Figures = new AnswerFigures { CompletionTokens = 3, FirstTokenMs = 12.5, TokensPerSecond = 40 } });
        talk.Add(new Message { Id = "a2", ParentId = "q1", Role = MessageRole.Assistant, Content = "<b>ä\u2028</b>", Reasoning = "hm", Model = "n", FinishReason = "length", Error = "e" });
        talk.Add(new Message { Id = "a3", ParentId = "q1", Role = MessageRole.Assistant, FinishReason = "tool_calls", ToolCalls = [new ToolCall("c1", "get_rul", "{\"unit\": 7}")] });
        talk.Add(new Message { Id = "t1", ParentId = "a3", Role = MessageRole.Tool, ToolCallId = "c1", Content = "112" });
        return talk;
    }
}
