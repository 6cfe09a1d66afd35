namespace Hadal.Training.Trainers;

/// <summary>Learning rate over the steps of a stage: linear warm-up, then cosine, or constant with a linear end.</summary>
internal static class Schedule
{
    /// <summary>Share of the peak learning rate at <paramref name="step"/>.</summary>
    /// <param name="step">Step of the stage, from 0.</param>
    /// <param name="stepCount">Steps of the stage.</param>
    /// <param name="warmupSteps">Steps until the peak.</param>
    /// <param name="decayShare">Null: cosine from the peak to the end. Otherwise the share of steps at the end in which the rate falls linearly.</param>
    /// <param name="floor">Share of the peak at the last step.</param>
    public static double Factor(long step, long stepCount, long warmupSteps, double? decayShare, double floor)
    {
        if (step < warmupSteps) return (step + 1.0) / warmupSteps;
        if (decayShare is { } share)
        {
            var left = (stepCount - step) / Math.Max(1, stepCount * share);
            return left >= 1 ? 1 : floor + ((1 - floor) * left);
        }

        var progress = (step - warmupSteps) / (double)Math.Max(1, stepCount - warmupSteps);
        return floor + ((1 - floor) * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, progress))));
    }
}
