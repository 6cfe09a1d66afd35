namespace Hadal.Checkpoints.Text;

/// <summary>A chat template: the part of Jinja that published checkpoints use, interpreted without reflection.</summary>
/// <remarks>
/// Rendered as Hugging Face's <c>apply_chat_template</c> does: <c>trim_blocks</c> and <c>lstrip_blocks</c> on, <c>tojson</c> without escaping of
/// non-ASCII text, <c>raise_exception</c> and <c>strftime_now</c> present. Every piece of text carries who wrote it through all operations.
/// Instances are immutable and may be used by any number of threads.
/// </remarks>
public sealed class ChatTemplate
{
    private readonly string _source;
    private readonly ChatTemplateLimits _limits;
    private readonly TimeProvider _clock;

    private ChatTemplate(string source, ChatTemplateLimits limits, TimeProvider clock)
    {
        _source = source;
        _limits = limits;
        _clock = clock;
    }

    /// <summary>Parses a template.</summary>
    /// <param name="source">The template, for example <see cref="Checkpoint.ChatTemplate"/>.</param>
    /// <param name="limits">What it may use up; the defaults if null.</param>
    /// <param name="clock">What <c>strftime_now</c> reads; the system's clock if null.</param>
    /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
    /// <exception cref="ChatTemplateException">It is not a valid template; the message has line and column.</exception>
    public static ChatTemplate Parse(string source, ChatTemplateLimits? limits = null, TimeProvider? clock = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        return new ChatTemplate(source, limits ?? new ChatTemplateLimits(), clock ?? TimeProvider.System);
    }

    /// <summary>Renders a conversation.</summary>
    /// <param name="conversation">Messages, tools and variables.</param>
    /// <param name="addGenerationPrompt">Ends the text so that the model answers as the assistant.</param>
    /// <returns>The text in segments: the template's own text is trusted, text of the caller is not. Neighbours differ in trust.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="conversation"/> is null.</exception>
    /// <exception cref="ChatTemplateException">The template refused, failed or reached a limit.</exception>
    public IReadOnlyList<TextSegment> Render(ChatConversation conversation, bool addGenerationPrompt = true)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        throw new NotSupportedException($"templates are not rendered yet ({_source.Length} characters, {_limits}, {_clock})");
    }
}
