using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars.Formal;
using Hadal.Server.Http;

namespace Hadal.Server.Answers;

/// <summary>What one step adds to a chat answer.</summary>
internal sealed record ChatStep
{
    /// <summary>Pieces that became certain, often none.</summary>
    public required IReadOnlyList<AnswerPart> Parts { get; init; }

    /// <summary>The token of the step with its alternatives, where they were asked for and it is text.</summary>
    public GeneratedChunk? LogProb { get; init; }

    /// <summary>Whether that token is part of the reasoning.</summary>
    public bool IsReasoning { get; init; }

    /// <summary>OpenAI's word for the end, in the last step.</summary>
    public string? FinishReason { get; init; }

    /// <summary>Counts and times, in the last step.</summary>
    public ChatUsage? Usage { get; init; }
}

/// <summary>What an answer took.</summary>
/// <param name="Engine">Of the engine.</param>
/// <param name="CompletionTokens">Tokens generated, those that chose a tool included.</param>
/// <param name="ReasoningTokens">Of them, those that were thought.</param>
internal sealed record ChatUsage(GenerationUsage Engine, int CompletionTokens, int ReasoningTokens);

/// <summary>Generates one chat answer: free, or a call of a tool that must be called.</summary>
internal static class ChatAnswer
{
    /// <summary>Generates the answer. The first step of the enumeration queues it, and throws if it is refused.</summary>
    /// <param name="request">The request.</param>
    /// <param name="index">Which of its answers.</param>
    /// <param name="cancellation">Ends the work within one step.</param>
    public static IAsyncEnumerable<ChatStep> GenerateAsync(ChatRequest request, int index, CancellationToken cancellation) =>
        request.Tools.Forced.Count > 0 ? CallAsync(request, index, cancellation) : FreeAsync(request, index, cancellation);

    private static async IAsyncEnumerable<ChatStep> FreeAsync(ChatRequest request, int index, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var parser = new AnswerParser(request.Choice.Model.Format, request.OpensReasoning, request.Tools.MayCall);
        var options = GenerationFields.ForChoice(request.Options, index);
        var reasoningTokens = 0;
        await foreach (var chunk in request.Choice.Model.Generator.GenerateAsync(request.Encode(request.Prompt), options, cancellation).ConfigureAwait(false))
        {
            var parts = new List<AnswerPart>();
            var isReasoning = parser.IsReasoning;
            if (isReasoning && chunk.TokenId is not null) reasoningTokens++;
            parser.Append(chunk.Text, parts);
            if (chunk.FinishReason is not null) parser.End(parts);
            cancellation.ThrowIfCancellationRequested();
            yield return new ChatStep
            {
                Parts = parts,
                LogProb = chunk.LogProb is null || IsEnd(request, chunk) ? null : chunk,
                IsReasoning = isReasoning,
                FinishReason = chunk.FinishReason is FinishReason.Stop && parser.HasCalls ? "tool_calls" : chunk.FinishReason,
                Usage = chunk.Usage is { } usage ? new ChatUsage(usage, usage.CompletionTokens, reasoningTokens) : null,
            };
        }
    }

    /// <summary>A call that must be made: the prompt is led up to the name, one of the names is chosen, then arguments within the schema are written.</summary>
    private static async IAsyncEnumerable<ChatStep> CallAsync(ChatRequest request, int index, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var (model, form, tools) = (request.Choice.Model, request.Choice.Model.Format.Tools!, request.Tools.Forced);
        var schemas = tools.ToDictionary(tool => tool.Name, tool => GrammarCache.OfSchema(tool.Parameters ?? NoParameters, bestEffort: !tool.IsStrict, "tools"));
        var prompt = new List<TextSegment>(request.Prompt);
        if (request.OpensReasoning) prompt.Add(new TextSegment(AnswerFormat.NoThought, IsTrusted: true));
        prompt.Add(new TextSegment(form.UpToName, IsTrusted: true));
        var options = GenerationFields.ForChoice(request.Options, index) with { StopStrings = [], StopTokenIds = [], TopLogProbs = null, IgnoreEos = false };
        var name = tools[0].Name;
        GenerationUsage? choosing = null;
        if (tools.Count > 1)
        {
            var grammar = GrammarCache.Of("choice", string.Join('\0', tools.Select(tool => tool.Name)), source => PlainGrammars.FromChoices(source.Split('\0'), GrammarCache.Limits), "tools");
            var chosen = await model.Generator.CompleteAsync(request.Encode(prompt), options with { Grammar = grammar, MaxTokens = null }, cancellation).ConfigureAwait(false);
            cancellation.ThrowIfCancellationRequested();
            (name, choosing) = (chosen.Text, chosen.Usage);

            // A context that ended within the name.
            if (!schemas.ContainsKey(name)) throw ApiException.Invalid("messages", "the prompt leaves no room for the name of a tool", "context_length_exceeded");
        }

        prompt.Add(new TextSegment(name, IsTrusted: false));
        prompt.Add(new TextSegment(form.BeforeArguments, IsTrusted: true));
        var begin = new List<AnswerPart> { new(AnswerPartKind.CallBegin, name) };
        await foreach (var chunk in model.Generator.GenerateAsync(request.Encode(prompt), options with { Grammar = schemas[name] }, cancellation).ConfigureAwait(false))
        {
            if (chunk.Text.Length > 0) begin.Add(new AnswerPart(AnswerPartKind.CallArguments, chunk.Text));
            cancellation.ThrowIfCancellationRequested();
            yield return new ChatStep
            {
                Parts = begin,
                FinishReason = chunk.FinishReason is FinishReason.Stop ? "tool_calls" : chunk.FinishReason,
                Usage = chunk.Usage is { } usage ? new ChatUsage(choosing ?? usage, usage.CompletionTokens + (choosing?.CompletionTokens ?? 0), 0) : null,
            };
            begin = [];
        }
    }

    private const string NoParameters = """{"type":"object","properties":{},"additionalProperties":false}""";

    private static bool IsEnd(ChatRequest request, GeneratedChunk chunk) =>
        chunk is { FinishReason: FinishReason.Stop, TokenId: { } id } && request.Choice.Model.Generator.EndTokenIds.Contains(id);
}
