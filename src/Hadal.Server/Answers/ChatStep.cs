using Hadal.Inference.Engine;

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
