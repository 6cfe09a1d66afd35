using System.Globalization;
using System.Text.Json;
using Hadal.Checkpoints.Text.Jinja;

namespace Hadal.Checkpoints.Text;

/// <summary>A chat template: the part of Jinja that published checkpoints use, interpreted without reflection.</summary>
/// <remarks>
/// Rendered as Hugging Face's <c>apply_chat_template</c> does: <c>trim_blocks</c> and <c>lstrip_blocks</c> on, <c>tojson</c> without escaping of
/// non-ASCII text, <c>raise_exception</c> and <c>strftime_now</c> present. Every piece of text carries who wrote it through all operations.
/// Instances are immutable and may be used by any number of threads.
/// </remarks>
public sealed class ChatTemplate
{
    private static readonly string[] Reserved = ["messages", "tools", "bos_token", "eos_token", "add_generation_prompt"];

    private readonly string _source;
    private readonly JinjaStatement _body;
    private readonly ChatTemplateLimits _limits;
    private readonly TimeProvider _clock;

    private ChatTemplate(string source, JinjaStatement body, ChatTemplateLimits limits, TimeProvider clock)
    {
        _source = source;
        _body = body;
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
        limits ??= new ChatTemplateLimits();
        if (source.Length > limits.MaxSourceLength)
            throw new ChatTemplateException(ChatTemplateFault.Limit, string.Create(
                CultureInfo.InvariantCulture, $"the chat template has {source.Length} characters, more than {limits.MaxSourceLength}"));
        source = JinjaLexer.Normalize(source);
        return new ChatTemplate(source, JinjaParser.Parse(source, limits.MaxDepth), limits, clock ?? TimeProvider.System);
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
        return Render(run => DefineVariables(run, conversation, addGenerationPrompt));
    }

    /// <summary>Renders with nothing but the members of a JSON object as variables; none of their texts is trusted.</summary>
    internal IReadOnlyList<TextSegment> RenderVariables(JsonElement variables) => Render(run =>
    {
        JinjaGlobals.AddTo(run.Scope);
        foreach (var variable in variables.EnumerateObject()) run.Scope.Set(variable.Name, JinjaGlobals.FromJson(run, variable.Value));
    });

    private IReadOnlyList<TextSegment> Render(Action<JinjaRun> defineVariables)
    {
        var run = new JinjaRun(_limits, _clock);
        try
        {
            defineVariables(run);
            run.Scope = new JinjaScope(run.Scope);
            _body.Execute(run);
            return run.Output.ToSegments();
        }
        catch (JinjaFault fault)
        {
            throw Located(fault, run.Position);
        }
        catch (InvalidOperationException exception) when (exception.InnerException is JinjaFault fault)
        {
            throw Located(fault, run.Position);
        }
    }

    private ChatTemplateException Located(JinjaFault fault, int position) => JinjaLexer.Fault(_source, fault.Fault, fault.Message, position);

    private static void DefineVariables(JinjaRun run, ChatConversation conversation, bool addGenerationPrompt)
    {
        JinjaGlobals.AddTo(run.Scope);
        if (conversation.Variables is { } variables)
            foreach (var (name, value) in variables)
                run.Scope.Set(name, JinjaGlobals.FromJson(run, value));
        foreach (var name in Reserved)
            if (conversation.Variables?.ContainsKey(name) == true) throw run.Fail($"the variable '{name}' cannot be given");

        run.Scope.Set("messages", run.List([.. conversation.Messages.Select(message => ChatValues.Of(run, message))]));
        run.Scope.Set("add_generation_prompt", BooleanValue.Of(addGenerationPrompt));
        if (conversation.Tools is { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) } tools) run.Scope.Set("tools", JinjaGlobals.FromJson(run, tools));
        else run.Scope.Set("tools", NoneValue.Instance);
        if (conversation.BosToken is { } bos) run.Scope.Set("bos_token", TextValue.Trusted(bos));
        if (conversation.EosToken is { } eos) run.Scope.Set("eos_token", TextValue.Trusted(eos));
    }
}
