using System.Globalization;
using Hadal.Checkpoints.Config;

namespace Hadal.Inference.Engine;

/// <summary>How the next token is chosen. The defaults sample from the model's own distribution.</summary>
public sealed record SamplingOptions
{
    /// <summary>Entries of <see cref="LogitBias"/> at most; OpenAI's limit.</summary>
    public const int MaxLogitBiases = 1024;

    /// <summary>Divisor of the logits, 0 to 100; 0 takes the most likely token, ties by lowest id. Values below 1e-5 count as 0, as in vLLM. Default: 1.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Number of most likely tokens to sample from; 0 means all. Default: 0.</summary>
    public int TopK { get; init; }

    /// <summary>Samples from the smallest set of most likely tokens whose probabilities reach this sum, (0, 1]. Default: 1, all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Smallest probability as a fraction of the largest, [0, 1]. Default: 0, all.</summary>
    public double MinP { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens of the prompt and the answer (Keskar et al. 2019,
    /// arXiv:1909.05858), 0.01 to 100. Default: 1, none.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Subtracted once from the logits of tokens of the answer, −2 to 2 as in OpenAI's service. Default: 0.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Subtracted from the logits of tokens of the answer once per occurrence, −2 to 2 as in OpenAI's service. Default: 0.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Added to the logits of single tokens, −100 to 100 each; at most <see cref="MaxLogitBiases"/>.</summary>
    public IReadOnlyDictionary<int, double>? LogitBias { get; init; }

    /// <summary>Start of the random sequence: the same seed, prompt and options give the same answer on every machine whose logits agree.
    /// Null draws one; <see cref="GenerationUsage.Seed"/> tells it.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Takes the most likely token each time.</summary>
    public static SamplingOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>What a checkpoint recommends; its absent keys take the defaults of this record.</summary>
    /// <param name="config">Its generation config.</param>
    /// <exception cref="ArgumentNullException"><paramref name="config"/> is null.</exception>
    public static SamplingOptions From(GenerationConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return new SamplingOptions
        {
            Temperature = config.DoSample == false ? 0 : config.Temperature ?? 1,
            TopK = config.TopK ?? 0,
            TopP = config.TopP ?? 1,
            MinP = config.MinP ?? 0,
            RepetitionPenalty = config.RepetitionPenalty ?? 1,
        };
    }

    /// <summary>Everything that is out of range, one sentence each; empty if the options can be used.</summary>
    /// <param name="vocabSize">Number of logits of the model.</param>
    public IReadOnlyList<string> Faults(int vocabSize)
    {
        var faults = new List<string>();
        Check(faults, "temperature", Temperature, 0, 100);
        if (TopK < 0) faults.Add(string.Create(CultureInfo.InvariantCulture, $"top_k: expected 0 or more, got {TopK}"));
        Check(faults, "top_p", TopP, double.Epsilon, 1, "more than 0 and at most 1");
        Check(faults, "min_p", MinP, 0, 1);
        Check(faults, "repetition_penalty", RepetitionPenalty, 1e-2, 100);
        Check(faults, "presence_penalty", PresencePenalty, -2, 2);
        Check(faults, "frequency_penalty", FrequencyPenalty, -2, 2);
        if (LogitBias is { Count: > MaxLogitBiases })
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"logit_bias: expected at most {MaxLogitBiases} entries, got {LogitBias.Count}"));
        else if (LogitBias is not null)
            foreach (var (tokenId, bias) in LogitBias)
            {
                if ((uint)tokenId >= (uint)vocabSize)
                    faults.Add(string.Create(CultureInfo.InvariantCulture, $"logit_bias: expected token ids below {vocabSize}, got {tokenId}"));
                Check(faults, string.Create(CultureInfo.InvariantCulture, $"logit_bias[{tokenId}]"), bias, -100, 100);
            }

        return faults;
    }

    private static void Check(List<string> faults, string name, double value, double min, double max, string? range = null)
    {
        if (value >= min && value <= max) return;
        range ??= string.Create(CultureInfo.InvariantCulture, $"{min} to {max}");
        faults.Add(string.Create(CultureInfo.InvariantCulture, $"{name}: expected {range}, got {value}"));
    }
}
