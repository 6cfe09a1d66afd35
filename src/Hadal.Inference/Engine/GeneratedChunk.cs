namespace Hadal.Inference.Engine;

/// <summary>Why a generation ended, in the words of the OpenAI protocol where it has one.</summary>
public static class FinishReason
{
    /// <summary>The model ended its answer, or a stop string or stop token was met.</summary>
    public const string Stop = "stop";

    /// <summary>The token limit was reached, or the context is full. The text ends with a whole character: bytes of one whose rest did not come are left out of it.</summary>
    public const string Length = "length";

    /// <summary>The caller gave up. The text ends as with <see cref="Length"/>.</summary>
    public const string Cancelled = "cancelled";
}

/// <summary>A token and the natural logarithm of its probability.</summary>
/// <param name="TokenId">The token.</param>
/// <param name="LogProb">Of the model's own distribution, before temperature, penalties and truncation, as in OpenAI's service.</param>
public readonly record struct TokenLogProb(int TokenId, float LogProb);

/// <summary>What one step adds to an answer.</summary>
public readonly record struct GeneratedChunk
{
    /// <summary>The token of this step; null in a chunk that only ends the answer.</summary>
    public int? TokenId { get; init; }

    /// <summary>Text that became certain: often empty (half a character, the possible beginning of a stop string), sometimes of several tokens.</summary>
    public string Text { get; init; }

    /// <summary>Log-probability of <see cref="TokenId"/>, if asked for; 0 where it <see cref="IsForced"/>.</summary>
    public float? LogProb { get; init; }

    /// <summary>The most likely tokens in falling order, if asked for; the token alone where it <see cref="IsForced"/>.</summary>
    public IReadOnlyList<TokenLogProb>? TopLogProbs { get; init; }

    /// <summary>Whether the grammar left no choice, so that the model was not asked for <see cref="TokenId"/>.</summary>
    public bool IsForced { get; init; }

    /// <summary>One of <see cref="Engine.FinishReason"/> in the last chunk, else null.</summary>
    public string? FinishReason { get; init; }

    /// <summary>The stop string that ended the answer, in the last chunk; null where something else did.</summary>
    public string? StopString { get; init; }

    /// <summary>Counts and times, in the last chunk.</summary>
    public GenerationUsage? Usage { get; init; }
}

/// <summary>Counts and times of one generation.</summary>
public sealed record GenerationUsage
{
    /// <summary>Tokens of the prompt.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Tokens generated, the end token included.</summary>
    public required int CompletionTokens { get; init; }

    /// <summary>Tokens of the prompt that were found in the cache and not computed.</summary>
    public int CachedTokens { get; init; }

    /// <summary>Tokens that were guessed before they were computed.</summary>
    public int GuessedTokens { get; init; }

    /// <summary>Of them, those that were right: so many steps of the model were saved.</summary>
    public int AcceptedTokens { get; init; }

    /// <summary>Start of the random sequence that was used.</summary>
    public required ulong Seed { get; init; }

    /// <summary>From submission until the engine took the request up.</summary>
    public required TimeSpan QueueTime { get; init; }

    /// <summary>From submission until the first token was chosen; zero if none was.</summary>
    public required TimeSpan TimeToFirstToken { get; init; }

    /// <summary>From submission until the end.</summary>
    public required TimeSpan TotalTime { get; init; }

    /// <summary>Prompt tokens per second from when the engine took the request up until the first token; 0 if there is none.</summary>
    public double PrefillTokensPerSecond =>
        TimeToFirstToken > QueueTime ? PromptTokens / (TimeToFirstToken - QueueTime).TotalSeconds : 0;

    /// <summary>Tokens after the first per second; 0 if there are none.</summary>
    public double DecodeTokensPerSecond =>
        CompletionTokens > 1 && TotalTime > TimeToFirstToken ? (CompletionTokens - 1) / (TotalTime - TimeToFirstToken).TotalSeconds : 0;
}

/// <summary>A whole answer.</summary>
/// <param name="Text">The text.</param>
/// <param name="TokenIds">Its tokens, the end token included.</param>
/// <param name="FinishReason">One of <see cref="Engine.FinishReason"/>.</param>
/// <param name="Usage">Counts and times.</param>
public sealed record GenerationResult(string Text, IReadOnlyList<int> TokenIds, string FinishReason, GenerationUsage Usage);
