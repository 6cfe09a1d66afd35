using Hadal.Checkpoints;
using Hadal.Checkpoints.Text;

namespace Hadal.Cli;

/// <summary>How a model wants conversations: its template, with its tokenizer's start and end tokens.</summary>
internal sealed class ChatFormat
{
    private readonly ChatTemplate _template;

    private ChatFormat(ChatTemplate template, Tokenizer tokenizer)
    {
        _template = template;
        Tokenizer = tokenizer;
    }

    /// <summary>The model's tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>The format of a checkpoint, or null where it has no chat template.</summary>
    /// <exception cref="ChatTemplateException">The template cannot be parsed.</exception>
    public static ChatFormat? Of(Checkpoint checkpoint, Tokenizer tokenizer) =>
        checkpoint.ChatTemplate is { } source ? new ChatFormat(ChatTemplate.Parse(source), tokenizer) : null;

    /// <summary>Renders a conversation; text of the user never becomes a control token.</summary>
    /// <exception cref="ChatTemplateException">The template refused or failed.</exception>
    public IReadOnlyList<TextSegment> Render(ChatConversation conversation, bool addGenerationPrompt = true) =>
        _template.Render(conversation with { BosToken = TextOf(Tokenizer.BosTokenId), EosToken = TextOf(Tokenizer.EosTokenIds.Count > 0 ? Tokenizer.EosTokenIds[0] : null) }, addGenerationPrompt);

    private string? TextOf(int? tokenId) => tokenId is { } id ? Tokenizer.TokenText(id) : null;
}
