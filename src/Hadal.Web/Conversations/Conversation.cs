namespace Hadal.Web.Conversations;

/// <summary>How answers of a conversation are drawn. What is null is left to the server.</summary>
public sealed record SamplingChoice
{
    /// <summary>0 to 2.</summary>
    public double? Temperature { get; init; }

    /// <summary>0 to 1.</summary>
    public double? TopP { get; init; }

    /// <summary>Tokens of an answer at most.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>The same seed gives the same answer.</summary>
    public long? Seed { get; init; }

    /// <summary>Whether the model thinks before it answers; null leaves it to the model.</summary>
    public bool? Thinks { get; init; }
}

/// <summary>A conversation: a tree of messages, and which branch is read.</summary>
/// <remarks>An edited question and an answer that is written anew are siblings of what was there; nothing is lost.</remarks>
public sealed class Conversation
{
    private readonly List<Message> _messages = [];
    private readonly Dictionary<string, int> _places = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _selected = new(StringComparer.Ordinal);

    /// <param name="id">Unique in this browser.</param>
    /// <param name="created">When it began.</param>
    public Conversation(string id, DateTimeOffset created) => (Id, Created, Updated) = (id, created, created);

    /// <summary>Unique in this browser.</summary>
    public string Id { get; }

    /// <summary>When it began.</summary>
    public DateTimeOffset Created { get; }

    /// <summary>When something was last said.</summary>
    public DateTimeOffset Updated { get; set; }

    /// <summary>How it is listed; empty until something was said.</summary>
    public string Title { get; set; } = "";

    /// <summary>What stands above all messages.</summary>
    public string SystemPrompt { get; set; } = "";

    /// <summary>The model that answers; null for the first that the server has.</summary>
    public string? Model { get; set; }

    /// <summary>A second model that answers beside it; null for none.</summary>
    public string? SecondModel { get; set; }

    /// <summary>How answers are drawn.</summary>
    public SamplingChoice Sampling { get; set; } = new();

    /// <summary>All messages, each behind its parent.</summary>
    public IReadOnlyList<Message> Messages => _messages;

    /// <summary>For each message with several that follow it, the one that is read. The key of first messages is empty.</summary>
    public IReadOnlyDictionary<string, string> Selected => _selected;

    /// <summary>The message of an id.</summary>
    /// <exception cref="KeyNotFoundException">There is none.</exception>
    public Message this[string id] => _messages[_places[id]];

    /// <summary>Whether there is a message of this id.</summary>
    public bool Contains(string id) => _places.ContainsKey(id);

    /// <summary>Adds a message behind its parent and reads it from now on.</summary>
    /// <exception cref="ArgumentException">The id is taken, or the parent is not there.</exception>
    public void Add(Message message)
    {
        ArgumentNullException.ThrowIfNull(message);
        if (message.ParentId is { } parent && !_places.ContainsKey(parent)) throw new ArgumentException($"message {message.Id}: its parent {parent} is not there");
        if (!_places.TryAdd(message.Id, _messages.Count)) throw new ArgumentException($"message {message.Id} is there already");
        _messages.Add(message);
        _selected[message.ParentId ?? ""] = message.Id;
    }

    /// <summary>Puts a message in the place of the one with its id.</summary>
    /// <exception cref="ArgumentException">It would move to another parent.</exception>
    public void Replace(Message message)
    {
        ArgumentNullException.ThrowIfNull(message);
        var place = _places[message.Id];
        if (_messages[place].ParentId != message.ParentId) throw new ArgumentException($"message {message.Id} cannot move to another parent");
        _messages[place] = message;
    }

    /// <summary>Messages with the same parent, oldest first.</summary>
    public IReadOnlyList<Message> Siblings(Message message) => Children(message.ParentId);

    /// <summary>Messages that follow another, oldest first.</summary>
    /// <param name="parentId">Null for first messages.</param>
    public IReadOnlyList<Message> Children(string? parentId) => [.. _messages.Where(message => message.ParentId == parentId)];

    /// <summary>Reads the branch of a message: it, and what was last read behind it.</summary>
    public void Select(Message message)
    {
        for (var at = message; ; at = this[at.ParentId])
        {
            _selected[at.ParentId ?? ""] = at.Id;
            if (at.ParentId is null) return;
        }
    }

    /// <summary>Reads a message among its siblings, wherever its parent is.</summary>
    internal void Restore(Message message) => _selected[message.ParentId ?? ""] = message.Id;

    /// <summary>The branch that is read, from its first message to its last.</summary>
    public IReadOnlyList<Message> Path()
    {
        var path = new List<Message>();
        var parent = "";
        while (_selected.TryGetValue(parent, out var id))
        {
            path.Add(this[id]);
            parent = id;
        }

        return path;
    }

    /// <summary>The messages from the first to this one.</summary>
    public IReadOnlyList<Message> PathTo(Message message)
    {
        var path = new List<Message> { message };
        while (path[^1].ParentId is { } parent) path.Add(this[parent]);
        path.Reverse();
        return path;
    }

    /// <summary>The call that a message of a tool is the result of; null where there is none before it.</summary>
    public ToolCall? CallOf(Message result)
    {
        // Results follow the answer that asks for them, one behind the other.
        for (var at = result; at.ParentId is { } parent && at.Role == MessageRole.Tool; at = this[parent])
            if (this[parent].ToolCalls?.FirstOrDefault(call => call.Id == result.ToolCallId) is { } call) return call;
        return null;
    }

    /// <summary>A conversation of its own that begins with the messages up to this one.</summary>
    public Conversation ForkAt(Message message, string id, DateTimeOffset now)
    {
        var fork = new Conversation(id, now) { Title = Title, SystemPrompt = SystemPrompt, Model = Model, SecondModel = SecondModel, Sampling = Sampling };
        foreach (var each in PathTo(message)) fork.Add(each);
        return fork;
    }

    /// <summary>Whether the title or a message has all the words.</summary>
    public bool Matches(string words) => words.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .All(word => Title.Contains(word, StringComparison.OrdinalIgnoreCase) || _messages.Any(message => Holds(message, word)));

    private static bool Holds(Message message, string word) =>
        message.Content.Contains(word, StringComparison.OrdinalIgnoreCase)
        || message.ToolCalls?.Any(call => call.Name.Contains(word, StringComparison.OrdinalIgnoreCase) || call.Arguments.Contains(word, StringComparison.OrdinalIgnoreCase)) == true;

    /// <summary>The first line of a text, short enough for a list.</summary>
    public static string TitleOf(string text)
    {
        const int length = 60;
        var line = text.AsSpan().Trim();
        if (line.IndexOfAny('\n', '\r') is var end and >= 0) line = line[..end];
        if (line.Length <= length) return line.ToString();
        var cut = char.IsHighSurrogate(line[length - 1]) ? length - 1 : length;
        return line[..cut].TrimEnd().ToString() + "…";
    }
}
