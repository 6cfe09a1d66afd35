namespace Hadal.Web.Conversations;

/// <summary>Who wrote a message.</summary>
public enum MessageRole
{
    /// <summary>The person at the page.</summary>
    User,

    /// <summary>A model.</summary>
    Assistant,

    /// <summary>A tool that a model called.</summary>
    Tool,
}

/// <summary>One message of a conversation. Its place in the tree is given by <see cref="ParentId"/>.</summary>
public sealed record Message
{
    /// <summary>Unique within the conversation.</summary>
    public required string Id { get; init; }

    /// <summary>The message it follows; null for a first one.</summary>
    public string? ParentId { get; init; }

    /// <summary>Who wrote it.</summary>
    public required MessageRole Role { get; init; }

    /// <summary>Its text.</summary>
    public string Content { get; init; } = "";

    /// <summary>Tools that the model calls in it; null for none.</summary>
    public IReadOnlyList<ToolCall>? ToolCalls { get; init; }

    /// <summary>Of a message of a tool, the call that it is the result of.</summary>
    public string? ToolCallId { get; init; }

    /// <summary>What the model thought before it answered.</summary>
    public string? Reasoning { get; init; }

    /// <summary>The model or adapter that wrote it.</summary>
    public string? Model { get; init; }

    /// <summary>The server's word for its end (<c>stop</c>, <c>length</c>, <c>tool_calls</c>), <c>stopped</c> where the reader ended it; null while it is written.</summary>
    public string? FinishReason { get; init; }

    /// <summary>Why it could not be written, in one line.</summary>
    public string? Error { get; init; }

    /// <summary>What it took.</summary>
    public AnswerFigures? Figures { get; init; }

    /// <summary>Pictures and sounds that go with it, as <c>data:</c> addresses.</summary>
    public IReadOnlyList<Attachment>? Attachments { get; init; }
}

/// <summary>A call of a tool, as a model wrote it.</summary>
/// <param name="Id">What the result names.</param>
/// <param name="Name">The tool.</param>
/// <param name="Arguments">JSON, unless the call was cut.</param>
public sealed record ToolCall(string Id, string Name, string Arguments);

/// <summary>A file that a message carries.</summary>
/// <param name="Name">Its name, shown only.</param>
/// <param name="MediaType">For example <c>image/png</c>.</param>
/// <param name="Base64">Its bytes.</param>
public sealed record Attachment(string Name, string MediaType, string Base64);

/// <summary>What an answer took, as the page measured it.</summary>
public sealed record AnswerFigures
{
    /// <summary>Tokens of the prompt; null where the answer was stopped.</summary>
    public int? PromptTokens { get; init; }

    /// <summary>Tokens of the answer, thoughts included.</summary>
    public int CompletionTokens { get; init; }

    /// <summary>Milliseconds from sending to the first text.</summary>
    public double FirstTokenMs { get; init; }

    /// <summary>Tokens per second behind the first; null where all came at once.</summary>
    public double? TokensPerSecond { get; init; }
}
