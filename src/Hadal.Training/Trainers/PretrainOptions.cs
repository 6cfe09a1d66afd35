using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Training.Data;

namespace Hadal.Training.Trainers;

/// <summary>Everything a pretraining run is made from. In JSON the keys are these names in snake_case; unknown keys are refused.</summary>
/// <remarks>Defaults follow DeepSeek-V3, arXiv:2412.19437, sections 4.2 and 2.1.2, where it states them.</remarks>
public sealed record PretrainOptions
{
    private const long MaxSteps = 1_000_000_000_000;
    private const int MaxTokensAtOnce = 1 << 24;
    private const double MaxSourceWeight = 100;

    /// <summary>Folder of the run: <c>tokenizer</c>, <c>data</c>, <c>checkpoints</c>, <c>metrics.jsonl</c>, <c>loss.svg</c> and at the end <c>model</c>. Relative to the config file.</summary>
    public required string Output { get; init; }

    /// <summary>A <c>config.json</c> of a DeepSeek family, as an object or a path. <c>vocab_size</c> and the start and end tokens may be left to the tokenizer.
    /// Unknown keys of an object are refused; a published file, which may have more keys, is given by its path.</summary>
    public required JsonElement Model { get; init; }

    /// <summary>Where the tokenizer comes from.</summary>
    public TokenizerOptions Tokenizer { get; init; } = new();

    /// <summary>Texts to learn from.</summary>
    public required IReadOnlyList<TextSource> Sources { get; init; }

    /// <summary>Seed of initial weights, held-out documents and the order of the data.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>Threads libtorch computes with; 0 for all cores. Bit-exact resumption asks for the same number.</summary>
    public int ThreadCount { get; init; }

    /// <summary>Dtype of activations and products: <c>bfloat16</c> or <c>float32</c>. Weights, gradients and optimiser state are float32 either way.</summary>
    public string ComputeType { get; init; } = "bfloat16";

    /// <summary>Dtype of the weights in <c>model</c>: <c>bfloat16</c> or <c>float32</c>; checkpoints to resume from are float32.</summary>
    public string SaveType { get; init; } = "bfloat16";

    /// <summary>Tokens per training sequence.</summary>
    public int SequenceLength { get; init; } = 512;

    /// <summary>Sequences computed at once.</summary>
    public int BatchSequences { get; init; } = 8;

    /// <summary>Batches per optimiser step.</summary>
    public int AccumulationSteps { get; init; } = 1;

    /// <summary>Steps with dense attention.</summary>
    public long Steps { get; init; }

    /// <summary><c>adamw</c>, or <c>muon</c>: Muon on hidden matrices and AdamW on the rest.</summary>
    public string Optimizer { get; init; } = "adamw";

    /// <summary>Peak learning rate.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Share of the peak learning rate at the end.</summary>
    public double LearningRateFloor { get; init; } = 0.1;

    /// <summary>Steps of linear warm-up.</summary>
    public long WarmupSteps { get; init; } = 100;

    /// <summary>Null: cosine. Otherwise warm-up, constant, and a linear fall in this share of the steps.</summary>
    public double? DecayShare { get; init; }

    /// <summary>Decay of Adam's first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of Adam's second moment.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Adam's ε.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Momentum of Muon.</summary>
    public double Momentum { get; init; } = 0.95;

    /// <summary>Weight decay on matrices.</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>Longest gradient; longer ones are scaled down, that of the indexers by itself.</summary>
    public double GradientClip { get; init; } = 1.0;

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

    /// <summary>Steps between lines of <c>metrics.jsonl</c>.</summary>
    public long LogEverySteps { get; init; } = 10;

    /// <summary>Steps between measurements on held-out text; 0 for the end only.</summary>
    public long EvaluateEverySteps { get; init; } = 500;

    /// <summary>Bytes of held-out text per language read while training; at the end all of it is read.</summary>
    public int EvaluateBytes { get; init; } = 65536;

    /// <summary>Steps between checkpoints; 0 for the end only.</summary>
    public long CheckpointEverySteps { get; init; } = 500;

    /// <summary>Number of checkpoints kept.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>Folder where relative paths start; the config file's.</summary>
    [JsonIgnore]
    public string Folder { get; init; } = Environment.CurrentDirectory;

    /// <summary>Full path of <see cref="Output"/>.</summary>
    [JsonIgnore]
    public string OutputDirectory => Path.GetFullPath(Output, Folder);

    /// <summary>Steps of all stages.</summary>
    [JsonIgnore]
    public long TotalSteps => Steps + IndexerWarmupSteps + SparseSteps;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    private static readonly JsonDocumentOptions FileSyntax = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, AllowDuplicateProperties = false };

    /// <summary>Reads a config file and changes single keys.</summary>
    /// <param name="path">JSON file; comments are allowed.</param>
    /// <param name="changes"><c>key=value</c>, the key with dots for inner objects (<c>tokenizer.vocab_size=4096</c>), the value JSON or plain text.</param>
    /// <exception cref="TrainingException">The file cannot be read, a key is unknown, or a value is out of its range.</exception>
    public static PretrainOptions Read(string path, IEnumerable<string> changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        try
        {
            var node = JsonNode.Parse(RegularFile.ReadText(path, path), null, FileSyntax);
            if (node is not JsonObject root) throw new TrainingException($"{path}: expected a JSON object");
            foreach (var change in changes) Apply(root, change);
            if ((List<string>)[.. OptionKeys.Faults(root, typeof(PretrainOptions)), .. ModelFaults(root["model"])] is { Count: > 0 } faults) throw new TrainingException($"{path}: {string.Join("; ", faults)}");
            var options = root.Deserialize<PretrainOptions>(Json)! with { Folder = Path.GetDirectoryName(Path.GetFullPath(path))! };
            options.Check(path);
            return options;
        }
        catch (JsonException fault)
        {
            throw new TrainingException($"{path}: {JsonFault.Describe(fault)}", fault);
        }
        catch (InvalidOperationException fault)
        {
            throw new TrainingException($"{path}: expected Unicode text, found half of a surrogate pair in a string", fault);
        }
    }

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

    /// <summary>Checks all ranges.</summary>
    /// <exception cref="TrainingException">The faults, all in one line.</exception>
    internal void Check(string where)
    {
        var faults = new List<string>();
        void Expect(bool isRight, string fault)
        {
            if (!isRight) faults.Add(fault);
        }

        Expect(Sources.Count > 0, "sources: expected at least one");
        Expect(SequenceLength is >= 8 and <= 1 << 20, $"sequence_length: expected 8 to 1048576, got {SequenceLength}");
        Expect(BatchSequences > 0, $"batch_sequences: expected at least 1, got {BatchSequences}");
        Expect(BatchSequences * (Math.Max(SequenceLength, SparseSequenceLength) + 1L) <= MaxTokensAtOnce,
            $"batch_sequences: expected at most {MaxTokensAtOnce} tokens at once, got {BatchSequences} sequences of {Math.Max(SequenceLength, SparseSequenceLength)}; accumulation_steps makes larger steps");
        Expect(AccumulationSteps > 0, $"accumulation_steps: expected at least 1, got {AccumulationSteps}");
        foreach (var (key, steps) in (ReadOnlySpan<(string, long)>)[("steps", Steps), ("indexer_warmup_steps", IndexerWarmupSteps), ("sparse_steps", SparseSteps)])
            Expect(steps is >= 0 and <= MaxSteps, $"{key}: expected 0 to {MaxSteps}, got {steps}");
        Expect(Steps != 0 || IndexerWarmupSteps != 0 || SparseSteps != 0, "steps, indexer_warmup_steps, sparse_steps: expected at least 1 together, got 0");
        Expect(ComputeType is "bfloat16" or "float32", $"compute_type: expected bfloat16 or float32, got '{ComputeType}'");
        Expect(SaveType is "bfloat16" or "float32", $"save_type: expected bfloat16 or float32, got '{SaveType}'");
        Expect(Optimizer is "adamw" or "muon", $"optimizer: expected adamw or muon, got '{Optimizer}'");
        Expect(LearningRate > 0, $"learning_rate: expected a positive number, got {LearningRate}");
        Expect(IndexerLearningRate > 0, $"indexer_learning_rate: expected a positive number, got {IndexerLearningRate}");
        Expect(SparseLearningRate > 0, $"sparse_learning_rate: expected a positive number, got {SparseLearningRate}");
        Expect(LearningRateFloor is >= 0 and <= 1, $"learning_rate_floor: expected 0 to 1, got {LearningRateFloor}");
        Expect(DecayShare is null or (> 0 and <= 1), $"decay_share: expected null or above 0 to 1, got {DecayShare}");
        Expect(WarmupSteps >= 0, $"warmup_steps: expected 0 or more, got {WarmupSteps}");
        Expect(Beta1 is >= 0 and < 1 && Beta2 is >= 0 and < 1, $"beta1, beta2: expected 0 to below 1, got {Beta1} and {Beta2}");
        Expect(Momentum is >= 0 and < 1, $"momentum: expected 0 to below 1, got {Momentum}");
        Expect(Epsilon > 0, $"epsilon: expected a positive number, got {Epsilon}");
        Expect(WeightDecay >= 0 && MtpWeight >= 0 && MtpWeightLate >= 0 && BalanceWeight >= 0 && BiasSpeed >= 0,
            $"weight_decay, mtp_weight, mtp_weight_late, balance_weight, bias_speed: expected 0 or more, got {WeightDecay}, {MtpWeight}, {MtpWeightLate}, {BalanceWeight}, {BiasSpeed}");
        Expect(SparseSequenceLength is 0 or (>= 8 and <= 1 << 20), $"sparse_sequence_length: expected 0 or 8 to 1048576, got {SparseSequenceLength}");
        Expect(ThreadCount is >= 0 and <= 1024, $"thread_count: expected 0 to 1024, got {ThreadCount}");
        Expect(EvaluateEverySteps >= 0 && CheckpointEverySteps >= 0, $"evaluate_every_steps, checkpoint_every_steps: expected 0 or more, got {EvaluateEverySteps} and {CheckpointEverySteps}");
        Expect(EvaluateBytes > 0, $"evaluate_bytes: expected at least 1, got {EvaluateBytes}");
        Expect(Tokenizer.Directory is not null || Tokenizer.VocabSize >= Tokenizer.SmallestVocabSize,
            $"tokenizer.vocab_size: expected at least {Tokenizer.SmallestVocabSize} (special tokens and bytes), got {Tokenizer.VocabSize}");
        Expect(Tokenizer.SpecialTokens is null || (Tokenizer.SpecialTokens.Count >= 2 && Tokenizer.SpecialTokens.Distinct().Count() == Tokenizer.SpecialTokens.Count && !Tokenizer.SpecialTokens.Contains("")),
            "tokenizer.special_tokens: expected two or more different ones, the start and the end of a text first");
        Expect(GradientClip > 0, $"gradient_clip: expected a positive number, got {GradientClip}");
        Expect(MtpShare is > 0 and <= 1, $"mtp_share: expected above 0 to 1, got {MtpShare}");
        Expect(KeepCheckpoints > 0, $"keep_checkpoints: expected at least 1, got {KeepCheckpoints}");
        Expect(LogEverySteps > 0, $"log_every_steps: expected at least 1, got {LogEverySteps}");
        Expect(Sources.All(source => source.HeldOut is >= 0 and < 1), "sources.held_out: expected 0 to below 1");
        Expect(Sources.All(source => source.Weight is > 0 and <= MaxSourceWeight), $"sources.weight: expected above 0 to {MaxSourceWeight}");
        Expect(Sources.All(source => source.Language.Length > 0 && source.Language.All(unit => char.IsLetterOrDigit(unit) || unit is '-' or '_')),
            "sources.language: expected letters, digits, - and _, because it becomes part of a file's name");
        if (faults.Count > 0) throw new TrainingException($"{where}: {string.Join("; ", faults)}");
    }

    private static void Apply(JsonObject root, string change)
    {
        var equals = change.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0) throw new TrainingException($"--set {change}: expected key=value");
        var keys = change[..equals].Split('.');
        var node = root;
        foreach (var key in keys[..^1])
        {
            node = (node[key] ??= new JsonObject()) as JsonObject
                ?? throw new TrainingException($"--set {change}: {key} is not an object; set it as a whole, {key}=JSON");
        }

        node[keys[^1]] = ParseValue(change[(equals + 1)..], change);
    }

    private static JsonNode? ParseValue(string text, string change)
    {
        try
        {
            return JsonNode.Parse(text, null, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException fault)
        {
            // Objects and lists are meant as JSON; anything else is text that needs no quotes.
            if (text.TrimStart() is ['{' or '[', ..]) throw new TrainingException($"--set {change}: expected JSON: {JsonFault.Describe(fault)}", fault);
            return JsonValue.Create(text);
        }
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
