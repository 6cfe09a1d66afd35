using System.Diagnostics;

namespace Hadal.Training.Trainers;

/// <summary>What a step measured.</summary>
internal readonly record struct StepResult(
    string Stage, double Loss, double? MtpLoss, double? IndexerLoss, double? LoadImbalance, double GradientNorm, double LearningRate, long Tokens)
{
    /// <summary>Whether the step could be learnt from.</summary>
    public bool IsFinite => double.IsFinite(Loss) && double.IsFinite(GradientNorm);
}

/// <summary>Means over the steps since the last log line.</summary>
internal sealed class LogWindow
{
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly List<StepResult> _results = [];
    private long _skipped;

    /// <summary>Whether no step of the window could be learnt from.</summary>
    public bool IsEmpty => _results.Count == 0;

    /// <summary>Adds a step; one that is not finite is only counted.</summary>
    public void Add(StepResult result)
    {
        if (result.IsFinite) _results.Add(result);
        else _skipped++;
    }

    /// <summary>The line for step <paramref name="step"/>, by which the run has read <paramref name="tokens"/>; the window is not empty.</summary>
    public StepMetrics Metrics(long step, long tokens) => new()
    {
        Step = step,
        Stage = _results[^1].Stage,
        Tokens = tokens,
        Loss = Math.Round(_results.Average(result => result.Loss), 5),
        MtpLoss = Round(_results.Average(result => result.MtpLoss)),
        IndexerLoss = Round(_results.Where(result => result.Stage == _results[^1].Stage).Average(result => result.IndexerLoss)),
        LoadImbalance = Round(_results.Average(result => result.LoadImbalance)),
        GradientNorm = Math.Round(_results[^1].GradientNorm, 5),
        SkippedSteps = _skipped > 0 ? _skipped : null,
        LearningRate = _results[^1].LearningRate,
        TokensPerSecond = Math.Round(_results.Sum(result => result.Tokens) / _watch.Elapsed.TotalSeconds, 1),
    };

    private static double? Round(double? value) => value is { } number ? Math.Round(number, 5) : null;
}
