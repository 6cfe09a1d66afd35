using System.Globalization;
using Hadal.Inference.Grammars;
using Hadal.Inference.Models.Adapters;

namespace Hadal.Inference.Engine;

/// <summary>What is asked of one generation.</summary>
public sealed record GenerationOptions
{
    /// <summary>Entries of <see cref="StopStrings"/> at most; DeepSeek's limit (OpenAI allows 4).</summary>
    public const int MaxStopStrings = 16;

    /// <summary>UTF-16 units of one stop string at most.</summary>
    public const int MaxStopStringLength = 1024;

    /// <summary>Entries of <see cref="GeneratedChunk.TopLogProbs"/> at most; OpenAI's limit.</summary>
    public const int MaxTopLogProbs = 20;

    /// <summary>The adapter to answer with, made by <see cref="TextGenerator.AddAdapter"/>; null for the model as it is.</summary>
    public DecoderAdapter? Adapter { get; init; }

    /// <summary>How tokens are chosen.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Tokens to generate at most; null means until the context is full.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Texts that end the answer; they and what follows are not part of it.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Tokens that end the answer beside those of the model.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>Goes on past the model's own end tokens; for measurements.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>Leaves control tokens out of the text; otherwise they give their literal text.</summary>
    public bool SkipSpecial { get; init; } = true;

    /// <summary>Number of alternatives whose log-probabilities each chunk carries beside its own token's, 0 to <see cref="MaxTopLogProbs"/>; null for none at all.</summary>
    public int? TopLogProbs { get; init; }

    /// <summary>Whose request it is: where requests wait, tenants take turns, so that one with many does not keep out one with few.</summary>
    public string Tenant { get; init; } = "";

    /// <summary>Places that were taken for the request; null where the generation takes one itself, or is refused.</summary>
    public QueuePlaces? Places { get; init; }

    /// <summary>Goes on with a request that the engine has taken before: it is not refused where the queue is full, and an answer does not wait behind others; an embedding does.</summary>
    public bool IsContinuation { get; init; }

    /// <summary>Requests with the same salt share what was computed of prompts that begin alike; others cannot even tell by the time it takes. Null is a salt like any other.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>What the answer must be: only tokens are chosen after which a text of the grammar can still be reached, the answer ends only where one is
    /// whole, and what the grammar forces is not sampled. Null for free answers.</summary>
    public Grammar? Grammar { get; init; }

    /// <summary>The answer is free up to and with this token (the end of reasoning) but for its end, and of the grammar from there on; null for an answer that is of the
    /// grammar from its beginning.</summary>
    public int? GrammarAfterTokenId { get; init; }

    /// <summary>What the prompt ends with of the text of the grammar: the answer is the rest. Empty for an answer that is the whole text.</summary>
    public string GrammarBeginning { get; init; } = "";

    /// <summary>Everything that is out of range, one sentence each; empty if the options can be used.</summary>
    /// <param name="vocabSize">Number of logits of the model.</param>
    public IReadOnlyList<string> Faults(int vocabSize)
    {
        var faults = new List<string>(Sampling.Faults(vocabSize));
        if (MaxTokens is < 1) faults.Add(string.Create(CultureInfo.InvariantCulture, $"max_tokens: expected 1 or more, got {MaxTokens}"));
        if (StopStrings.Count > MaxStopStrings)
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"stop: expected at most {MaxStopStrings} strings, got {StopStrings.Count}"));
        else if (StopStrings.Any(stop => stop is null or { Length: 0 or > MaxStopStringLength }))
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"stop: expected strings of 1 to {MaxStopStringLength} characters"));
        if (StopTokenIds.Any(id => (uint)id >= (uint)vocabSize))
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"stop_token_ids: expected ids from 0 to {vocabSize - 1}"));
        if (TopLogProbs is < 0 or > MaxTopLogProbs)
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"top_logprobs: expected 0 to {MaxTopLogProbs}, got {TopLogProbs}"));
        if (Grammar is not null && IgnoreEos) faults.Add("ignore_eos: expected false with a grammar, which says where an answer ends");
        if (GrammarAfterTokenId is not null && GrammarBeginning.Length > 0) faults.Add("grammar_beginning: expected only where the grammar counts from the beginning of the answer");
        if (GrammarAfterTokenId is { } after && (uint)after >= (uint)vocabSize)
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"grammar_after_token_id: expected an id from 0 to {vocabSize - 1}, got {after}"));
        return faults;
    }
}
