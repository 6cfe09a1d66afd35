using CsCheck;
using Hadal.Web.Conversations;

namespace Hadal.Web.Tests;

/// <summary>The tree of messages.</summary>
public sealed class ConversationTests
{
    [Fact]
    public void An_edited_question_and_a_new_answer_are_siblings_and_nothing_is_lost()
    {
        var talk = Talk();
        Add(talk, "q1", null);
        Add(talk, "a1", "q1");
        Add(talk, "a2", "q1");
        Add(talk, "q2", "a2");
        Add(talk, "q1b", null);
        Assert.Equal(["q1b"], Ids(talk.Path()));
        Assert.Equal(["q1", "q1b"], Ids(talk.Siblings(talk["q1b"])));
        Assert.Equal(["a1", "a2"], Ids(talk.Siblings(talk["a1"])));

        talk.Select(talk["q1"]);
        Assert.Equal(["q1", "a2", "q2"], Ids(talk.Path()));
        talk.Select(talk["a1"]);
        Assert.Equal(["q1", "a1"], Ids(talk.Path()));
        talk.Select(talk["q2"]);
        Assert.Equal(["q1", "a2", "q2"], Ids(talk.Path()));
    }

    [Fact]
    public void A_fork_begins_with_the_messages_so_far_and_leaves_the_original_alone()
    {
        var talk = Talk();
        Add(talk, "q1", null);
        Add(talk, "a1", "q1");
        Add(talk, "q2", "a1");
        talk.SystemPrompt = "be brief";
        var fork = talk.ForkAt(talk["a1"], "fork", DateTimeOffset.UnixEpoch);
        Add(fork, "q3", "a1");
        Assert.Equal(["q1", "a1", "q3"], Ids(fork.Path()));
        Assert.Equal(["q1", "a1", "q2"], Ids(talk.Path()));
        Assert.Equal("be brief", fork.SystemPrompt);
    }

    [Fact]
    public void Whatever_is_added_and_selected_the_path_runs_from_a_first_message_to_one_without_followers() => Gen.Select(Gen.Int[-1, 30].Array[1, 30], Gen.Int[0, 30].Array[0, 10]).Sample((parents, selected) =>
    {
        var talk = Talk();
        for (var i = 0; i < parents.Length; i++) Add(talk, $"m{i}", parents[i] < 0 || i == 0 ? null : $"m{parents[i] % i}");
        foreach (var place in selected)
        {
            var message = talk[$"m{place % parents.Length}"];
            talk.Select(message);
            Assert.Contains(message, talk.Path());
        }

        var path = talk.Path();
        Assert.Null(path[0].ParentId);
        for (var i = 1; i < path.Count; i++) Assert.Equal(path[i - 1].Id, path[i].ParentId);
        Assert.Empty(talk.Children(path[^1].Id));
    });

    [Fact]
    public void A_message_without_its_parent_and_an_id_that_is_taken_are_refused()
    {
        var talk = Talk();
        Add(talk, "q", null);
        Assert.Throws<ArgumentException>(() => Add(talk, "a", "nobody"));
        Assert.Throws<ArgumentException>(() => Add(talk, "q", null));
        Assert.Throws<ArgumentException>(() => talk.Replace(talk["q"] with { ParentId = "q" }));
    }

    [Fact]
    public void Search_finds_all_words_in_titles_and_messages_whatever_their_case()
    {
        var talk = Talk();
        talk.Title = "Pumps";
        talk.Add(new Message { Id = "q", Role = MessageRole.User, Content = "Which Bearing is worn?" });
        Assert.True(talk.Matches("bearing pumps"));
        Assert.True(talk.Matches("  "));
        Assert.False(talk.Matches("bearing turbine"));
    }

    [Theory]
    [InlineData("  Hello\nworld", "Hello")]
    [InlineData("123456789 123456789 123456789 123456789 123456789 123456789 123", "123456789 123456789 123456789 123456789 123456789 123456789…")]
    [InlineData("12345678901234567890123456789012345678901234567890123456789😀 and more", "12345678901234567890123456789012345678901234567890123456789…")]
    public void A_title_is_the_first_line_and_never_half_a_character(string text, string title) => Assert.Equal(title, Conversation.TitleOf(text));

    [Fact]
    public void The_shelf_is_bounded_in_number_and_in_size_and_what_was_removed_stays_away()
    {
        var shelf = new Shelf();
        for (var i = 0; i < Shelf.MaxConversations; i++) Assert.True(shelf.Put(new Conversation($"c{i}", DateTimeOffset.UnixEpoch), 10));
        var extra = new Conversation("extra", DateTimeOffset.UnixEpoch);
        Assert.False(shelf.Put(extra, 10));
        var first = shelf.Conversations.First();
        Assert.False(shelf.Put(first, Shelf.MaxLength));
        Assert.True(shelf.Put(first, 10));
        shelf.Remove(first);
        Assert.True(shelf.Put(first, 10));
        Assert.DoesNotContain(first, shelf.Conversations);
        Assert.True(shelf.Knows(first.Id));
        Assert.True(shelf.Put(extra, 10));
    }

    private static Conversation Talk() => new("talk", DateTimeOffset.UnixEpoch);

    private static void Add(Conversation talk, string id, string? parent) => talk.Add(new Message { Id = id, ParentId = parent, Role = id[0] == 'a' ? MessageRole.Assistant : MessageRole.User, FinishReason = "stop" });

    private static IEnumerable<string> Ids(IEnumerable<Message> messages) => messages.Select(message => message.Id);
}
