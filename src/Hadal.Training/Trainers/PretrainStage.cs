using Hadal.Training.Models.DeepSeek;

namespace Hadal.Training.Trainers;

/// <summary>What one step of a pretraining does: which part of the run it belongs to, how fast it learns and how long its sequences are.</summary>
/// <param name="Name"><c>dense</c>, <c>indexer_warmup</c> or <c>sparse</c>.</param>
/// <param name="Mode">What attention reads.</param>
/// <param name="FirstStep">Step of the run at which the stage begins.</param>
/// <param name="Step">Step of the stage, from 0.</param>
/// <param name="LearningRate">Of this step.</param>
/// <param name="SequenceLength">Tokens per sequence.</param>
internal readonly record struct PretrainStage(string Name, AttentionMode Mode, long FirstStep, long Step, double LearningRate, int SequenceLength)
{
    /// <summary>The stage of step <paramref name="step"/> of the run, from 0.</summary>
    public static PretrainStage At(PretrainOptions options, long step)
    {
        var sparseLength = options.SparseSequenceLength > 0 ? options.SparseSequenceLength : options.SequenceLength;
        if (step < options.Steps)
        {
            var factor = Schedule.Factor(step, options.Steps, options.WarmupSteps, options.DecayShare, options.LearningRateFloor);
            return new PretrainStage("dense", AttentionMode.Dense, 0, step, options.LearningRate * factor, options.SequenceLength);
        }

        step -= options.Steps;
        if (step < options.IndexerWarmupSteps)
        {
            var factor = Schedule.Factor(step, options.IndexerWarmupSteps, Math.Min(10, options.IndexerWarmupSteps / 10), null, options.LearningRateFloor);
            return new PretrainStage("indexer_warmup", AttentionMode.IndexerWarmUp, options.Steps, step, options.IndexerLearningRate * factor, sparseLength);
        }

        step -= options.IndexerWarmupSteps;
        var sparseFactor = Schedule.Factor(step, options.SparseSteps, Math.Min(10, options.SparseSteps / 10), null, options.LearningRateFloor);
        return new PretrainStage("sparse", AttentionMode.Sparse, options.Steps + options.IndexerWarmupSteps, step, options.SparseLearningRate * sparseFactor, sparseLength);
    }

    /// <summary>One step of each stage that the run has.</summary>
    public static IEnumerable<PretrainStage> Of(PretrainOptions options)
    {
        if (options.Steps > 0) yield return At(options, 0);
        if (options.IndexerWarmupSteps > 0) yield return At(options, options.Steps);
        if (options.SparseSteps > 0) yield return At(options, options.Steps + options.IndexerWarmupSteps);
    }
}
