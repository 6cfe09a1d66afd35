using System.Text;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Formal;
using Hadal.Server.Http;

namespace Hadal.Server.Answers;

/// <summary>Generates one chat answer: free text, and calls of tools.</summary>
/// <remarks>Where the model writes the mark of a call, or must make one, it is led by the template's own marks: the name is one of the names given, the arguments are a text of their schema. A call
/// is therefore a generation of its own; what was computed before it is found in the cache.</remarks>
internal sealed class ChatAnswer
{
    private const int MaxCalls = 32;

    private readonly ChatRequest _request;
    private readonly CancellationToken _cancellation;
    private readonly GenerationOptions _options;
    private readonly List<TextSegment> _prompt;
    private readonly AnswerParser _parser;
    private GenerationUsage? _usage;
    private int _completionTokens;
    private int _reasoningTokens;
    private string? _finishReason;
    private bool _opensSection = true;
    private bool? _isThinking;

    private ChatAnswer(ChatRequest request, int index, CancellationToken cancellation)
    {
        (_request, _cancellation) = (request, cancellation);
        _options = GenerationFields.ForChoice(request.Options, index);
        _prompt = [.. request.Prompt];
        _parser = new AnswerParser(request.Choice.Model.Format, request.OpensReasoning);
        _isThinking = request.OpensReasoning;
    }

    /// <summary>Generates the answer. The first step of the enumeration queues it, and throws if it is refused. One that is cancelled has a last step, too, which says what it has taken.</summary>
    /// <param name="request">The request.</param>
    /// <param name="index">Which of its answers.</param>
    /// <param name="cancellation">Ends the work within one step.</param>
    public static IAsyncEnumerable<ChatStep> GenerateAsync(ChatRequest request, int index, CancellationToken cancellation) =>
        new ChatAnswer(request, index, cancellation).RunAsync();

    private async IAsyncEnumerable<ChatStep> RunAsync()
    {
        var tools = _request.Tools;
        var (callCount, areWhole) = (0, true);
        while (callCount < MaxCalls)
        {
            if (!tools.MustCall)
            {
                await foreach (var step in FreeAsync(callCount).ConfigureAwait(false)) yield return step;
                if (_finishReason is not null) break;
            }

            await foreach (var step in CallAsync().ConfigureAwait(false)) yield return step;
            callCount++;
            areWhole = _finishReason is null;
            if (!areWhole || tools.MustCall || !tools.Parallel) break;
        }

        yield return new ChatStep
        {
            Parts = [],
            // Text behind whole calls is nobody's, and that it was cut is no fault of the calls.
            FinishReason = callCount > 0 && areWhole && _finishReason != FinishReason.Cancelled ? "tool_calls" : _finishReason,
            Usage = new ChatUsage(_usage!, _completionTokens, _reasoningTokens),
        };
    }

    /// <summary>Generates text until the answer ends or a call begins. Behind a call only the next one is of interest.</summary>
    private async IAsyncEnumerable<ChatStep> FreeAsync(int callCount)
    {
        var marks = _request.Tools.MayCall ? _request.Choice.Model.Format.Tools!.Marks : [];
        var isReasoning = true;
        while (isReasoning)
        {
            var text = new StringBuilder();
            var tokens = new PlacedTokens(_request.Choice.Model.Generator.Tokenizer, marks.Count > 0 ? _options with { StopStrings = marks } : _options, _request.Choice.Model.Generator.EndTokenIds);
            isReasoning = false;
            await foreach (var chunk in ReadAsync(_options, marks).ConfigureAwait(false))
            {
                var parts = new List<AnswerPart>();
                var wasReasoning = _parser.IsReasoning;
                if (wasReasoning && chunk.TokenId is not null) _reasoningTokens++;
                text.Append(chunk.Text);
                if (callCount == 0) _parser.Append(chunk.Text, parts);
                var mark = MarkOf(chunk, marks);
                if (mark is not null)
                {
                    // A thought may speak of calls.
                    isReasoning = _parser.IsReasoning;
                    if (isReasoning) _parser.Append(mark, parts);
                    text.Append(isReasoning ? mark : "");
                    _opensSection = mark != _request.Choice.Model.Format.Tools!.CallBegin;
                }
                else _finishReason = chunk.FinishReason;
                if (chunk.FinishReason is not null && !isReasoning) _parser.End(parts);
                yield return new ChatStep { Parts = parts, LogProbs = tokens.Add(chunk, wasReasoning, keepsStop: isReasoning, isText: mark is null || chunk.StopString is not null), IsForced = chunk.IsForced };
            }

            _prompt.AddRange(_request.Choice.Model.Format.Segments(text.ToString(), ref _isThinking));
        }
    }

    /// <summary>Generates a call.</summary>
    private async IAsyncEnumerable<ChatStep> CallAsync()
    {
        var (form, tools) = (_request.Choice.Model.Format.Tools!, _request.Tools.Callable);
        if (_request is { OpensReasoning: true, Tools.MustCall: true }) _prompt.Add(new TextSegment(AnswerFormat.NoThought, IsTrusted: true));
        _prompt.Add(new TextSegment((_opensSection ? form.SectionBegin : "") + form.CallBegin + form.BeforeName, IsTrusted: true));
        var name = tools[0].Name;
        if (tools.Count > 1)
        {
            var names = await GrammarCache.OfAsync(
                "choice", string.Join('\0', tools.Select(tool => tool.Name)), source => PlainGrammars.FromChoices(source.Split('\0'), GrammarCache.Limits), "tools", _cancellation).ConfigureAwait(false);
            var chosen = new StringBuilder();
            await foreach (var chunk in ReadAsync(Within(names), marks: []).ConfigureAwait(false))
            {
                chosen.Append(chunk.Text);
                if (chunk.FinishReason is FinishReason.Length or FinishReason.Cancelled) _finishReason = chunk.FinishReason;
            }

            if (_finishReason is not null) yield break;
            name = chosen.ToString();
        }

        _prompt.Add(new TextSegment(name, IsTrusted: false));
        _prompt.Add(new TextSegment(form.BeforeArguments, IsTrusted: true));
        yield return new ChatStep { Parts = [new AnswerPart(AnswerPartKind.CallBegin, name)] };
        var arguments = new StringBuilder();
        var schema = await ArgumentsOfAsync(tools.First(tool => tool.Name == name), _cancellation).ConfigureAwait(false);
        await foreach (var chunk in ReadAsync(Within(schema.Grammar), marks: []).ConfigureAwait(false))
        {
            arguments.Append(chunk.Text);
            if (chunk.FinishReason is FinishReason.Length or FinishReason.Cancelled) _finishReason = chunk.FinishReason;
            if (chunk.Text.Length > 0) yield return new ChatStep { Parts = [new AnswerPart(AnswerPartKind.CallArguments, chunk.Text)] };
        }

        _opensSection = false;
        _prompt.Add(new TextSegment(arguments.ToString(), IsTrusted: false));
        _prompt.Add(new TextSegment(form.CallEnd, IsTrusted: true));
    }

    /// <summary>The arguments that a tool takes.</summary>
    public static Task<CompiledGrammar> ArgumentsOfAsync(ChatTool tool, CancellationToken cancel) => GrammarCache.OfSchemaAsync(tool.Parameters, bestEffort: !tool.IsStrict, "tools", cancel);

    /// <summary>Within a call its grammar says where it ends: stop strings and stop tokens end text, not calls, and probabilities are told of text only.</summary>
    private GenerationOptions Within(Grammar grammar) =>
        _options with { Grammar = grammar, GrammarAfterTokenId = null, StopStrings = [], StopTokenIds = [], TopLogProbs = null, IgnoreEos = false };

    /// <summary>Runs the prompt as it is by now. Tokens of all generations count against the limit of the answer.</summary>
    private async IAsyncEnumerable<GeneratedChunk> ReadAsync(GenerationOptions options, IReadOnlyList<string> marks)
    {
        if (options.MaxTokens - _completionTokens <= 0)
        {
            _finishReason = FinishReason.Length;
            yield break;
        }

        options = options with { MaxTokens = options.MaxTokens - _completionTokens, IsContinuation = _usage is not null };
        if (marks.Count > 0) options = options with { StopStrings = [.. options.StopStrings.Except(marks), .. marks], StopTokenIds = [.. options.StopTokenIds, .. marks.Select(TokenOf).OfType<int>()] };
        if (Begin(options) is not { } chunks)
        {
            _finishReason = FinishReason.Length;
            yield break;
        }

        await foreach (var chunk in chunks.ConfigureAwait(false))
        {
            if (chunk.Usage is { } usage)
            {
                _usage ??= usage;
                _completionTokens += usage.CompletionTokens;
            }

            yield return chunk;
        }
    }

    /// <summary>The mark that a chunk ends with: a token of its own, whatever stop string its text begins with, or text; null for none.</summary>
    private string? MarkOf(in GeneratedChunk chunk, IReadOnlyList<string> marks)
    {
        if (chunk.StopString is { } stop) return marks.Contains(stop) ? stop : null;
        if (chunk is not { FinishReason: FinishReason.Stop, TokenId: { } tokenId } || _options.StopTokenIds.Contains(tokenId)) return null;
        foreach (var mark in marks)
            if (TokenOf(mark) == tokenId) return mark;
        return null;
    }

    private int? TokenOf(string mark) => _request.Choice.Model.Generator.Tokenizer.TryGetTokenId(mark, out var id) ? id : null;

    /// <summary>The next generation; null where what was generated has filled the context.</summary>
    private IAsyncEnumerable<GeneratedChunk>? Begin(GenerationOptions options)
    {
        try
        {
            return _request.Choice.Model.Generator.GenerateAsync(_request.Encode(_prompt), options, _cancellation);
        }
        catch (Exception fault) when (_usage is not null && ApiException.Of(fault).Code == "context_length_exceeded")
        {
            return null;
        }
    }
}
