namespace Hadal.Web.Conversations;

/// <summary>The conversations of this browser, bounded in number and size.</summary>
public sealed class Shelf
{
    /// <summary>Conversations at most.</summary>
    public const int MaxConversations = 500;

    /// <summary>UTF-16 units of all of them as JSON at most; the page holds them in memory to search them.</summary>
    public const int MaxLength = 4 << 20;

    private readonly Dictionary<string, (Conversation Conversation, int Length)> _kept = new(StringComparer.Ordinal);
    private readonly HashSet<string> _removed = new(StringComparer.Ordinal);
    private int _length;

    /// <summary>All of them, in no order.</summary>
    public IEnumerable<Conversation> Conversations => _kept.Values.Select(entry => entry.Conversation);

    /// <summary>Whether an id is or was that of a conversation here.</summary>
    public bool Knows(string id) => _kept.ContainsKey(id) || _removed.Contains(id);

    /// <summary>Takes what the browser kept. What is damaged is left where it is, and not shown.</summary>
    public void Fill(IEnumerable<string> texts)
    {
        foreach (var json in texts)
        {
            try
            {
                Put(ConversationFile.Read(json), json.Length);
            }
            catch (FormatException)
            {
                // Another version of the page wrote it, or the disk lost some of it.
            }
        }
    }

    /// <summary>Takes a conversation or its new state.</summary>
    /// <param name="conversation">The conversation.</param>
    /// <param name="length">UTF-16 units of its JSON.</param>
    /// <returns>False where it does not fit. It is shown all the same, if there is a place for it.</returns>
    public bool Put(Conversation conversation, int length)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        if (_removed.Contains(conversation.Id)) return true;
        var before = _kept.TryGetValue(conversation.Id, out var entry) ? entry.Length : 0;
        if (before == 0 && _kept.Count == MaxConversations) return false;
        _length += length - before;
        _kept[conversation.Id] = (conversation, length);
        return _length <= MaxLength;
    }

    /// <summary>Forgets a conversation. An answer that is still being written does not bring it back.</summary>
    public void Remove(Conversation conversation)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        _removed.Add(conversation.Id);
        if (_kept.Remove(conversation.Id, out var entry)) _length -= entry.Length;
    }
}
