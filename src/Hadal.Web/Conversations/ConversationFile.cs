using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hadal.Web.Conversations;

/// <summary>A conversation as it is kept and exported.</summary>
/// <remarks>What may be missing has a setter: generated readers give null to such that are set on construction only.</remarks>
internal sealed record StoredConversation
{
    public required string Id { get; init; }
    public required DateTimeOffset Created { get; init; }
    public required DateTimeOffset Updated { get; init; }
    public string Title { get; set; } = "";
    public string SystemPrompt { get; set; } = "";
    public string? Model { get; init; }
    public string? SecondModel { get; init; }
    public SamplingChoice Sampling { get; set; } = new();
    public required IReadOnlyList<Message> Messages { get; init; }
    public IReadOnlyDictionary<string, string> Selected { get; set; } = new Dictionary<string, string>();
}

/// <summary>What a file of conversations holds.</summary>
internal sealed record StoredFile
{
    public required string Format { get; init; }
    public required int Version { get; init; }
    public required IReadOnlyList<StoredConversation> Conversations { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true, MaxDepth = 16)]
[JsonSerializable(typeof(StoredFile))]
internal sealed partial class ConversationJson : JsonSerializerContext;

/// <summary>Writes conversations to text and reads them back. What is read comes from anybody: it is checked before it is used.</summary>
internal static class ConversationFile
{
    /// <summary>UTF-16 units of a file at most.</summary>
    public const int MaxLength = 8 << 20;

    /// <summary>UTF-16 units of one message at most.</summary>
    public const int MaxMessageLength = 1 << 20;

    /// <summary>Messages of a conversation at most.</summary>
    public const int MaxMessages = 10_000;

    private const string FormatName = "hadal-conversations";
    private const int MaxNameLength = 256;
    private const int MaxCalls = 128;

    /// <summary>One conversation as JSON.</summary>
    public static string Write(Conversation conversation) => JsonSerializer.Serialize(Store(conversation), ConversationJson.Default.StoredConversation);

    /// <summary>A file of conversations.</summary>
    public static string Write(IEnumerable<Conversation> conversations) =>
        JsonSerializer.Serialize(new StoredFile { Format = FormatName, Version = 1, Conversations = [.. conversations.Select(Store)] }, ConversationJson.Default.StoredFile);

    /// <summary>One conversation as it was kept.</summary>
    /// <exception cref="FormatException">It is malformed; the message says where.</exception>
    public static Conversation Read(string json) => Checked(Parse(json, text => JsonSerializer.Deserialize(text, ConversationJson.Default.StoredConversation)), "conversation");

    /// <summary>The conversations of a file.</summary>
    /// <exception cref="FormatException">It is malformed; the message says where.</exception>
    public static IReadOnlyList<Conversation> ReadFile(string json)
    {
        if (json.Length > MaxLength) throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"expected at most {MaxLength} characters, found {json.Length}"));
        var file = Parse(json, text => JsonSerializer.Deserialize(text, ConversationJson.Default.StoredFile));
        if (file.Format != FormatName) throw new FormatException($"format: expected {FormatName}");
        if (file.Version != 1) throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"version: expected 1, found {file.Version}"));
        return [.. file.Conversations.Select((stored, index) => Checked(stored, string.Create(CultureInfo.InvariantCulture, $"conversations[{index}]")))];
    }

    /// <summary>The same conversation under another id.</summary>
    public static Conversation Copy(Conversation conversation, string id) => Checked(Store(conversation) with { Id = id }, "conversation");

    private static T Parse<T>(string json, Func<string, T?> read)
        where T : class
    {
        try
        {
            return read(json) ?? throw new FormatException("expected an object, found null");
        }
        catch (JsonException fault)
        {
            throw new FormatException($"{(string.IsNullOrEmpty(fault.Path) ? "$" : fault.Path)}: this is not a file of conversations", fault);
        }
    }

    private static StoredConversation Store(Conversation conversation) => new()
    {
        Id = conversation.Id, Created = conversation.Created, Updated = conversation.Updated, Title = conversation.Title, SystemPrompt = conversation.SystemPrompt,
        Model = conversation.Model, SecondModel = conversation.SecondModel, Sampling = conversation.Sampling, Messages = conversation.Messages, Selected = conversation.Selected,
    };

    private static Conversation Checked(StoredConversation stored, string place)
    {
        Expect(stored is not null, place, "an object");
        Expect(IsId(stored!.Id), place + ".id", "1 to 64 letters, digits or hyphens");
        Expect(stored.Title.Length <= MaxNameLength, place + ".title", "at most 256 characters");
        Expect(stored.SystemPrompt.Length <= MaxMessageLength, place + ".system_prompt", "at most 1 Mi characters");
        Expect((stored.Model?.Length ?? 0) <= MaxNameLength && (stored.SecondModel?.Length ?? 0) <= MaxNameLength, place + ".model", "at most 256 characters");
        Expect(stored.Messages.Count <= MaxMessages, place + ".messages", "at most 10000");
        Check(stored.Sampling, place + ".sampling");
        var conversation = new Conversation(stored.Id, stored.Created)
        {
            Updated = stored.Updated, Title = stored.Title, SystemPrompt = stored.SystemPrompt, Model = stored.Model, SecondModel = stored.SecondModel, Sampling = stored.Sampling,
        };
        for (var i = 0; i < stored.Messages.Count; i++) Add(conversation, stored.Messages[i], string.Create(CultureInfo.InvariantCulture, $"{place}.messages[{i}]"));
        foreach (var (parent, child) in stored.Selected)
        {
            Expect(child is not null && conversation.Contains(child) && (conversation[child].ParentId ?? "") == parent, place + ".selected", "a message and one that follows it");
        }

        foreach (var child in stored.Selected.Values) conversation.Restore(conversation[child]);
        return conversation;
    }

    private static void Add(Conversation conversation, Message message, string place)
    {
        Expect(message is not null, place, "an object");
        Expect(IsId(message!.Id) && !conversation.Contains(message.Id), place + ".id", "an id of its own");
        Expect(message.ParentId is null || conversation.Contains(message.ParentId), place + ".parent_id", "the id of an earlier message");
        Expect(message.Content is not null, place + ".content", "a text");
        Expect(Enum.IsDefined(message.Role), place + ".role", "User, Assistant or Tool");
        CheckCalls(message, place);
        Expect(message.Content!.Length + (message.Reasoning?.Length ?? 0) + (message.Error?.Length ?? 0) + (message.ToolCalls?.Sum(call => (long)call.Arguments.Length) ?? 0) <= MaxMessageLength, place, "at most 1 Mi characters");
        Expect((message.Model?.Length ?? 0) <= MaxNameLength && (message.FinishReason?.Length ?? 0) <= 32, place, "short names");
        if (message.Figures is { } figures)
        {
            Expect(figures is { CompletionTokens: >= 0, PromptTokens: null or >= 0 } && IsTime(figures.FirstTokenMs) && IsTime(figures.TokensPerSecond ?? 0), place + ".figures", "numbers that are not negative");
        }

        foreach (var attachment in message.Attachments ?? [])
            Expect(attachment is not null && attachment.Name.Length <= MaxNameLength && IsMedia(attachment.MediaType) && attachment.Base64.All(unit => char.IsAsciiLetterOrDigit(unit) || unit is '+' or '/' or '='), place + ".attachments", "pictures or sounds in base64");

        // What was being written when it was kept will not go on.
        conversation.Add(message is { Role: MessageRole.Assistant, FinishReason: null } ? message with { FinishReason = "stopped" } : message);
        Expect(message.Role != MessageRole.Tool || conversation.CallOf(message) is not null, place + ".tool_call_id", "the id of a call in the answer before it");
    }

    private static void CheckCalls(Message message, string place)
    {
        Expect(message.ToolCalls is null || message.Role == MessageRole.Assistant, place + ".tool_calls", "none, but in an answer");
        Expect(message.ToolCalls is null or { Count: > 0 and <= MaxCalls }, place + ".tool_calls", "1 to 128 calls");
        foreach (var call in message.ToolCalls ?? [])
            Expect(call is { Id.Length: > 0 and <= MaxNameLength, Name.Length: > 0 and <= MaxNameLength, Arguments: not null }, place + ".tool_calls", "an id, a name and arguments");
        Expect(message.ToolCallId is null == (message.Role != MessageRole.Tool), place + ".tool_call_id", "one in a message of a tool, and in no other");
    }

    private static bool IsMedia(string type) =>
        (type.StartsWith("image/", StringComparison.Ordinal) || type.StartsWith("audio/", StringComparison.Ordinal)) && type.Length <= 64 && type.All(unit => char.IsAsciiLetterOrDigit(unit) || unit is '/' or '-' or '+' or '.');

    private static bool IsTime(double value) => double.IsFinite(value) && value >= 0;

    private static void Check(SamplingChoice sampling, string place)
    {
        Expect(sampling.Temperature is null or (>= 0 and <= 2), place + ".temperature", "0 to 2");
        Expect(sampling.TopP is null or (>= 0 and <= 1), place + ".top_p", "0 to 1");
        Expect(sampling.MaxTokens is null or >= 1, place + ".max_tokens", "at least 1");
    }

    private static bool IsId(string? id) => id is { Length: > 0 and <= 64 } && id.All(unit => char.IsAsciiLetterOrDigit(unit) || unit is '-' or '_');

    private static void Expect(bool holds, string place, string expected)
    {
        if (!holds) throw new FormatException($"{place}: expected {expected}");
    }
}
