using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Hadal.Checkpoints.Config;
using Hadal.Training.Data;

namespace Hadal.Training.Trainers;

/// <summary>Everything a pretraining run is made from. In JSON the keys are these names in snake_case; unknown keys are refused.</summary>
/// <remarks>Defaults follow DeepSeek-V3, arXiv:2412.19437, sections 4.2 and 2.1.2, where it states them.</remarks>
public sealed record PretrainOptions : RunOptions
{
    private const double MaxSourceWeight = 100;

    /// <summary>A <c>config.json</c> of a DeepSeek family, as an object or a path. <c>vocab_size</c> and the start and end tokens may be left to the tokenizer.
    /// Unknown keys of an object are refused; a published file, which may have more keys, is given by its path.</summary>
    public required JsonElement Model { get; init; }

    /// <summary>Where the tokenizer comes from.</summary>
    public TokenizerOptions Tokenizer { get; init; } = new();

    /// <summary>Texts to learn from.</summary>
    public required IReadOnlyList<TextSource> Sources { get; init; }

    /// <summary>Steps with dense attention.</summary>
    public long Steps { get; init; }

    /// <summary>Weight of the multi-token-prediction loss.</summary>
    public double MtpWeight { get; init; } = 0.3;

    /// <summary>Weight of the multi-token-prediction loss after two thirds of the dense steps.</summary>
    public double MtpWeightLate { get; init; } = 0.1;

    /// <summary>Share of the sequences of each batch on which the prediction layers are trained; a prediction layer and its head cost as much as the
    /// main head and a layer.</summary>
    public double MtpShare { get; init; } = 1;

    /// <summary>Weight of the routers' sequence balance loss.</summary>
    public double BalanceWeight { get; init; } = 1e-4;

    /// <summary>Speed γ of the routers' bias; zero in the last thirtieth of the dense steps and after them.</summary>
    public double BiasSpeed { get; init; } = 1e-3;

    /// <summary>Steps after the dense ones in which only the indexers learn, from dense attention.</summary>
    public long IndexerWarmupSteps { get; init; }

    /// <summary>Learning rate of the indexers in their warm-up.</summary>
    public double IndexerLearningRate { get; init; } = 1e-3;

    /// <summary>Last steps, with sparse attention; model and indexers learn, each from its own loss.</summary>
    public long SparseSteps { get; init; }

    /// <summary>Learning rate of the sparse steps.</summary>
    public double SparseLearningRate { get; init; } = 1e-4;

    /// <summary>Tokens per sequence in the indexer and sparse stages; 0 for the same. Longer than <c>index_topk</c>, or nothing is selected.</summary>
    public int SparseSequenceLength { get; init; }

    /// <summary>Bytes of held-out text per language read while training; at the end all of it is read.</summary>
    public int EvaluateBytes { get; init; } = 65536;

    /// <summary>Steps of all stages.</summary>
    [JsonIgnore]
    public long TotalSteps => Steps + IndexerWarmupSteps + SparseSteps;

    /// <summary>Reads a config file and changes single keys.</summary>
    /// <param name="path">JSON file; comments are allowed.</param>
    /// <param name="changes"><c>key=value</c>, the key with dots for inner objects (<c>tokenizer.vocab_size=4096</c>), the value JSON or plain text.</param>
    /// <exception cref="TrainingException">The file cannot be read, a key is unknown, or a value is out of its range.</exception>
    public static PretrainOptions Read(string path, IEnumerable<string> changes) => OptionsFile.Read<PretrainOptions>(path, changes, root => ModelFaults(root["model"]));

    /// <summary>Keys of an inline model that nothing reads: a misspelt one would train another model.</summary>
    private static List<string> ModelFaults(JsonNode? model)
    {
        if (model is not JsonObject json) return [];

        // Families that are not trained here have other keys; they are refused by their name.
        if (json["model_type"] is JsonValue value && value.TryGetValue<string>(out var family) && family is "llama" or "qwen2" or "qwen3") return [];
        var faults = OptionKeys.Unknown(json, typeof(DeepSeekConfig), "model.", "rope_parameters");
        foreach (var key in (string[])["rope_scaling", "rope_parameters"])
            if (json[key] is JsonObject rope) faults.AddRange(OptionKeys.Unknown(rope, typeof(RopeScaling), $"model.{key}.", "rope_theta"));
        if (faults.Count > 0) faults.Add("a published config.json, which may have more keys, is given by its path");
        return faults;
    }

    private protected override void Check(Action<bool, string> expect)
    {
        base.Check(expect);
        expect(Sources.Count > 0, "sources: expected at least one");
        expect(BatchSequences * (Math.Max(SequenceLength, SparseSequenceLength) + 1L) <= MaxTokensAtOnce,
            $"batch_sequences: expected at most {MaxTokensAtOnce} tokens at once, got {BatchSequences} sequences of {Math.Max(SequenceLength, SparseSequenceLength)}; accumulation_steps makes larger steps");
        foreach (var (key, steps) in (ReadOnlySpan<(string, long)>)[("steps", Steps), ("indexer_warmup_steps", IndexerWarmupSteps), ("sparse_steps", SparseSteps)])
            expect(steps is >= 0 and <= MaxSteps, $"{key}: expected 0 to {MaxSteps}, got {steps}");
        expect(Steps != 0 || IndexerWarmupSteps != 0 || SparseSteps != 0, "steps, indexer_warmup_steps, sparse_steps: expected at least 1 together, got 0");
        expect(IndexerLearningRate > 0, $"indexer_learning_rate: expected a positive number, got {IndexerLearningRate}");
        expect(SparseLearningRate > 0, $"sparse_learning_rate: expected a positive number, got {SparseLearningRate}");
        expect(WeightDecay >= 0 && MtpWeight >= 0 && MtpWeightLate >= 0 && BalanceWeight >= 0 && BiasSpeed >= 0,
            $"weight_decay, mtp_weight, mtp_weight_late, balance_weight, bias_speed: expected 0 or more, got {WeightDecay}, {MtpWeight}, {MtpWeightLate}, {BalanceWeight}, {BiasSpeed}");
        expect(SparseSequenceLength is 0 or (>= 8 and <= 1 << 20), $"sparse_sequence_length: expected 0 or 8 to 1048576, got {SparseSequenceLength}");
        expect(EvaluateBytes > 0, $"evaluate_bytes: expected at least 1, got {EvaluateBytes}");
        expect(Tokenizer.Directory is not null || Tokenizer.VocabSize >= Tokenizer.SmallestVocabSize,
            $"tokenizer.vocab_size: expected at least {Tokenizer.SmallestVocabSize} (special tokens and bytes), got {Tokenizer.VocabSize}");
        expect(Tokenizer.SpecialTokens is null || (Tokenizer.SpecialTokens.Count >= 2 && Tokenizer.SpecialTokens.Distinct().Count() == Tokenizer.SpecialTokens.Count && !Tokenizer.SpecialTokens.Contains("")),
            "tokenizer.special_tokens: expected two or more different ones, the start and the end of a text first");
        expect(MtpShare is > 0 and <= 1, $"mtp_share: expected above 0 to 1, got {MtpShare}");
        expect(Sources.All(source => source.HeldOut is >= 0 and < 1), "sources.held_out: expected 0 to below 1");
        expect(Sources.All(source => source.Weight is > 0 and <= MaxSourceWeight), $"sources.weight: expected above 0 to {MaxSourceWeight}");
        expect(Sources.All(source => source.Language.Length > 0 && source.Language.All(unit => char.IsLetterOrDigit(unit) || unit is '-' or '_')),
            "sources.language: expected letters, digits, - and _, because it becomes part of a file's name");
    }
}

/// <summary>Where a run's tokenizer comes from.</summary>
public sealed record TokenizerOptions
{
    /// <summary>Folder of an existing <c>tokenizer.json</c>; null: one is trained on the sources.</summary>
    public string? Directory { get; init; }

    /// <summary>Size of a trained vocabulary.</summary>
    public int VocabSize { get; init; } = 8192;

    /// <summary>Special tokens of a trained vocabulary; start and end of a text first. Null for the trainer's.</summary>
    public IReadOnlyList<string>? SpecialTokens { get; init; }

    /// <summary>The special tokens of a trained vocabulary and the 256 bytes.</summary>
    [JsonIgnore]
    internal int SmallestVocabSize => (SpecialTokens?.Count ?? new BpeTrainerOptions { VocabSize = 0 }.SpecialTokens.Count) + 256;

    /// <summary>File with a chat template to store with a trained tokenizer, or null.</summary>
    public string? ChatTemplate { get; init; }
}
