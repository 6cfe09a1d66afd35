namespace Hadal.Checkpoints.Text;

/// <summary>Turns conversations into prompts of one checkpoint: its chat template renders them, its tokenizer encodes them.</summary>
/// <remarks>Text of messages never becomes a control token, whatever it contains; that of the template does. Immutable; any number of threads may use it.</remarks>
public sealed class ChatPrompt
{
    private readonly ChatTemplate _template;
    private readonly Tokenizer _tokenizer;
    private readonly string _source;

    /// <summary>Parses the template of a checkpoint.</summary>
    /// <param name="templateSource">The template, usually <see cref="Checkpoint.ChatTemplate"/>.</param>
    /// <param name="tokenizer">The tokenizer of the same checkpoint.</param>
    /// <param name="clock">What templates that write the date read; the system's clock if null.</param>
    /// <exception cref="ArgumentNullException"><paramref name="templateSource"/> or <paramref name="tokenizer"/> is null.</exception>
    /// <exception cref="ChatTemplateException">It is not a valid template.</exception>
    public ChatPrompt(string templateSource, Tokenizer tokenizer, TimeProvider? clock = null)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _template = ChatTemplate.Parse(templateSource, clock: clock);
        _tokenizer = tokenizer;
        _source = templateSource;
    }

    /// <summary>Renders a conversation to text, in which each stretch says whether it is the template's or a caller's.</summary>
    /// <param name="conversation">Messages, tools and variables; a start or end token it does not name is the tokenizer's.</param>
    /// <param name="addGenerationPrompt">Ends the text so that the model answers as the assistant.</param>
    /// <exception cref="ChatTemplateException">The template refused, failed or reached a limit.</exception>
    public IReadOnlyList<TextSegment> Render(ChatConversation conversation, bool addGenerationPrompt = true)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        return _template.Render(
            conversation with
            {
                BosToken = conversation.BosToken ?? TextOf(_tokenizer.BosTokenId),
                EosToken = conversation.EosToken ?? TextOf(_tokenizer.EosTokenIds.Count > 0 ? _tokenizer.EosTokenIds[0] : null),
            },
            addGenerationPrompt);
    }

    /// <summary>Whether the template asks for a word, such as a role, by a literal of its own.</summary>
    internal bool Names(string word) => _source.Contains($"'{word}'", StringComparison.Ordinal) || _source.Contains($"\"{word}\"", StringComparison.Ordinal);

    /// <summary>Renders a conversation to the token ids of a prompt. Nothing is added to what the template writes: it names the start token itself.</summary>
    /// <inheritdoc cref="Render"/>
    public IReadOnlyList<int> Encode(ChatConversation conversation, bool addGenerationPrompt = true) =>
        _tokenizer.Encode(Render(conversation, addGenerationPrompt), addSpecial: false);

    private string? TextOf(int? tokenId) => tokenId is { } id ? _tokenizer.TokenText(id) : null;
}
