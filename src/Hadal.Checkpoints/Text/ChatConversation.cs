using System.Text.Json;

namespace Hadal.Checkpoints.Text;

/// <summary>What a chat template renders.</summary>
/// <remarks>JSON in it, and in its messages, is read when it is rendered: its <see cref="JsonDocument"/> must not be disposed before.</remarks>
public sealed record ChatConversation
{
    /// <summary>The messages in order.</summary>
    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    /// <summary>The tools the model may call: a JSON array in the OpenAI form, or null.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Text of the start token; trusted. Null leaves the variable undefined.</summary>
    public string? BosToken { get; init; }

    /// <summary>Text of the end token; trusted. Null leaves the variable undefined.</summary>
    public string? EosToken { get; init; }

    /// <summary>Further variables of the template, for example <c>thinking</c> or <c>enable_thinking</c>; text in them is not trusted. The names
    /// <c>messages</c>, <c>tools</c>, <c>bos_token</c>, <c>eos_token</c> and <c>add_generation_prompt</c> cannot be given here.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Variables { get; init; }
}
