using Hadal.Inference.Engine;

namespace Hadal.Server.Answers;

/// <summary>What one step adds to a chat answer.</summary>
internal sealed record ChatStep
{
    /// <summary>Pieces that became certain, often none.</summary>
    public required IReadOnlyList<AnswerPart> Parts { get; init; }

    /// <summary>Tokens that became certain, with their alternatives, where these were asked for.</summary>
    public IReadOnlyList<PlacedToken> LogProbs { get; init; } = [];

    /// <summary>Whether the grammar left no choice for the token of the step.</summary>
    public bool IsForced { get; init; }

    /// <summary>OpenAI's word for the end, in the last step; <see cref="Hadal.Inference.Engine.FinishReason.Cancelled"/> is none, and is never sent.</summary>
    public string? FinishReason { get; init; }

    /// <summary>Counts and times, in the last step.</summary>
    public ChatUsage? Usage { get; init; }
}

/// <summary>What an answer took.</summary>
/// <param name="Engine">Of the first generation it is made of.</param>
/// <param name="CompletionTokens">Tokens of all of them.</param>
/// <param name="ReasoningTokens">Of them, those that were thought.</param>
internal sealed record ChatUsage(GenerationUsage Engine, int CompletionTokens, int ReasoningTokens);
