using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hadal.Checkpoints;

namespace Hadal.Training.Trainers;

/// <summary>One line of <c>metrics.jsonl</c> per logged step.</summary>
public sealed record StepMetrics
{
    /// <summary>Steps done.</summary>
    public required long Step { get; init; }

    /// <summary>Steps of the whole run, for whoever shows how far it is.</summary>
    [JsonIgnore]
    public long TotalSteps { get; init; }

    /// <summary>Training stage: <c>dense</c>, <c>indexer_warmup</c> or <c>sparse</c>; of an adaptation <c>sft</c>, <c>lora</c> or <c>dpo</c>.</summary>
    public required string Stage { get; init; }

    /// <summary>Tokens trained on so far.</summary>
    public required long Tokens { get; init; }

    /// <summary>Next-token cross-entropy, nats per token; what else an adaptation minimises.</summary>
    public required double Loss { get; init; }

    /// <summary>Cross-entropy of the multi-token-prediction layers, nats; null without them.</summary>
    public double? MtpLoss { get; init; }

    /// <summary>Divergence of the indexers from attention, mean over layers; null in the dense stage.</summary>
    public double? IndexerLoss { get; init; }

    /// <summary>Largest load of an expert over the mean load, mean over layers; 1 is balanced.</summary>
    public double? LoadImbalance { get; init; }

    /// <summary>Length of the gradient before clipping.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Steps left out since the last line because their loss or gradient was no finite number; null where there were none.</summary>
    public long? SkippedSteps { get; init; }

    /// <summary>Learning rate of the step.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Tokens per second since the last line.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Held-out bits per byte by language; null where the step did not measure.</summary>
    public IReadOnlyDictionary<string, double>? BitsPerByte { get; init; }

    /// <summary>What an adaptation was measured to on its validation data, by name (<c>loss</c>, <c>accuracy</c>, …); null where the step did not measure.</summary>
    public IReadOnlyDictionary<string, double>? Validation { get; init; }
}

/// <summary>Writes <c>metrics.jsonl</c> and keeps its lines for the picture.</summary>
internal sealed class MetricsLog
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    private readonly string _path;
    private readonly List<StepMetrics> _lines = [];

    private MetricsLog(string path) => _path = path;

    /// <summary>All lines, in order.</summary>
    public IReadOnlyList<StepMetrics> Lines => _lines;

    /// <summary>Makes sure that a run which begins writes over no log and no picture but those of an earlier one that had no checkpoint yet.</summary>
    /// <exception cref="TrainingException">Something else is there.</exception>
    public static void EnsureOwn(string path, string picture)
    {
        var isThere = File.Exists(path);
        if (isThere && File.ReadLines(path).FirstOrDefault() is { } line && !TryParse(line, out _)) throw Foreign(path);
        if (!isThere && File.Exists(picture)) throw Foreign(picture);

        static TrainingException Foreign(string file) => new($"{file}: exists and was not written by this program; move it away, or use another output");
    }

    /// <summary>Opens the log of a run; lines after step <paramref name="lastStep"/> belong to what is done again and are removed.</summary>
    public static MetricsLog Open(string path, long lastStep)
    {
        var log = new MetricsLog(path);
        if (lastStep > 0 && File.Exists(path))
        {
            foreach (var line in File.ReadLines(path))
            {
                // A line cut short by a crash ends the log.
                if (!TryParse(line, out var metrics)) break;
                if (metrics.Step <= lastStep) log._lines.Add(metrics);
            }
        }

        AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(string.Concat(log._lines.Select(metrics => JsonSerializer.Serialize(metrics, Json) + "\n")))));
        return log;
    }

    /// <summary>Appends a line. Measured figures that are no finite numbers, which JSON cannot say, are left out.</summary>
    public void Add(StepMetrics metrics)
    {
        var line = metrics with { BitsPerByte = Finite(metrics.BitsPerByte), Validation = Finite(metrics.Validation) };
        _lines.Add(line);
        File.AppendAllLines(_path, [JsonSerializer.Serialize(line, Json)]);
    }

    /// <summary>Returns when the disk has all lines: before a checkpoint, or a loss of power could leave it without the lines that led to it.</summary>
    public void Flush()
    {
        using var stream = new FileStream(_path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
        stream.Flush(flushToDisk: true);
    }

    private static SortedDictionary<string, double>? Finite(IReadOnlyDictionary<string, double>? figures) => figures is null || !figures.Values.Any(double.IsFinite)
        ? null
        : new SortedDictionary<string, double>(figures.Where(figure => double.IsFinite(figure.Value)).ToDictionary(), StringComparer.Ordinal);

    private static bool TryParse(string line, out StepMetrics metrics)
    {
        try
        {
            metrics = JsonSerializer.Deserialize<StepMetrics>(line, Json)!;
            return metrics is not null;
        }
        catch (JsonException)
        {
            metrics = null!;
            return false;
        }
    }
}
