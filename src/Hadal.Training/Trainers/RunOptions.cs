using System.Text.Json.Serialization;
using static TorchSharp.torch;

namespace Hadal.Training.Trainers;

/// <summary>What every training run is made from, whatever it teaches. In JSON the keys are these names in snake_case; unknown keys are refused.</summary>
public abstract record RunOptions
{
    private protected const long MaxSteps = 1_000_000_000_000;

    /// <summary>Tokens of one forward pass at most.</summary>
    private protected const int MaxTokensAtOnce = 1 << 24;

    /// <summary>Folder of the run: <c>data</c>, <c>checkpoints</c>, <c>metrics.jsonl</c>, <c>loss.svg</c> and at the end <c>model</c>. Relative to the config file.</summary>
    public required string Output { get; init; }

    /// <summary>Seed of initial weights, held-out documents, dropout and the order of the data.</summary>
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

    /// <summary>Longest gradient; longer ones are scaled down.</summary>
    public double GradientClip { get; init; } = 1.0;

    /// <summary>Steps between lines of <c>metrics.jsonl</c>.</summary>
    public long LogEverySteps { get; init; } = 10;

    /// <summary>Steps between measurements on held-out data; 0 for the end only.</summary>
    public long EvaluateEverySteps { get; init; } = 500;

    /// <summary>Steps between checkpoints; 0 for the end only.</summary>
    public long CheckpointEverySteps { get; init; } = 500;

    /// <summary>Number of checkpoints kept, two at least: no step has shown yet that the newest is sound, and the one before it is.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>Folder where relative paths start; the config file's.</summary>
    [JsonIgnore]
    public string Folder { get; init; } = Environment.CurrentDirectory;

    /// <summary>Full path of <see cref="Output"/>.</summary>
    [JsonIgnore]
    public string OutputDirectory => Path.GetFullPath(Output, Folder);

    /// <summary><see cref="ComputeType"/> as torch names it.</summary>
    [JsonIgnore]
    internal ScalarType ComputeScalar => ComputeType == "bfloat16" ? ScalarType.BFloat16 : ScalarType.Float32;

    /// <summary>Checks all ranges.</summary>
    /// <exception cref="TrainingException">The faults, all in one line.</exception>
    internal void Check(string where)
    {
        var faults = new List<string>();
        Check((isRight, fault) =>
        {
            if (!isRight) faults.Add(fault);
        });
        if (faults.Count > 0) throw new TrainingException($"{where}: {string.Join("; ", faults)}");
    }

    /// <summary>Tells <paramref name="expect"/> of every key whether it is right, and the fault if it is not.</summary>
    private protected virtual void Check(Action<bool, string> expect)
    {
        expect(!string.IsNullOrWhiteSpace(Output), "output: expected a folder, found an empty name");
        expect(SequenceLength is >= 8 and <= 1 << 20, $"sequence_length: expected 8 to 1048576, got {SequenceLength}");
        expect(BatchSequences > 0, $"batch_sequences: expected at least 1, got {BatchSequences}");
        expect(AccumulationSteps > 0, $"accumulation_steps: expected at least 1, got {AccumulationSteps}");
        expect(ComputeType is "bfloat16" or "float32", $"compute_type: expected bfloat16 or float32, got '{ComputeType}'");
        expect(SaveType is "bfloat16" or "float32", $"save_type: expected bfloat16 or float32, got '{SaveType}'");
        expect(Optimizer is "adamw" or "muon", $"optimizer: expected adamw or muon, got '{Optimizer}'");
        expect(LearningRate > 0, $"learning_rate: expected a positive number, got {LearningRate}");
        expect(LearningRateFloor is >= 0 and <= 1, $"learning_rate_floor: expected 0 to 1, got {LearningRateFloor}");
        expect(DecayShare is null or (> 0 and <= 1), $"decay_share: expected null or above 0 to 1, got {DecayShare}");
        expect(WarmupSteps >= 0, $"warmup_steps: expected 0 or more, got {WarmupSteps}");
        expect(Beta1 is >= 0 and < 1 && Beta2 is >= 0 and < 1, $"beta1, beta2: expected 0 to below 1, got {Beta1} and {Beta2}");
        expect(Momentum is >= 0 and < 1, $"momentum: expected 0 to below 1, got {Momentum}");
        expect(Epsilon > 0, $"epsilon: expected a positive number, got {Epsilon}");
        expect(ThreadCount is >= 0 and <= 1024, $"thread_count: expected 0 to 1024, got {ThreadCount}");
        expect(EvaluateEverySteps >= 0 && CheckpointEverySteps >= 0, $"evaluate_every_steps, checkpoint_every_steps: expected 0 or more, got {EvaluateEverySteps} and {CheckpointEverySteps}");
        expect(GradientClip > 0, $"gradient_clip: expected a positive number, got {GradientClip}");
        expect(KeepCheckpoints > 1, $"keep_checkpoints: expected at least 2, one of which a step has gone on from, got {KeepCheckpoints}");
        expect(LogEverySteps > 0, $"log_every_steps: expected at least 1, got {LogEverySteps}");
    }
}
