using Hadal.Finance.Sentiment;

namespace Hadal.Finance.Tests;

/// <summary>Scores become probabilities that say how often they are right.</summary>
public sealed class CalibrationTests
{
    [Fact]
    public void Scores_that_are_too_sure_are_calmed_and_the_label_stays()
    {
        var (fitted, fresh) = (Drawn(1, 2000), Drawn(2, 2000));
        var calibration = Calibration.Fit(fitted);
        Assert.InRange(calibration.Temperature, 2.5, 5);
        var before = Calibration.ExpectedError(Scored(fresh, calibration with { Temperature = 1 }));
        var after = Calibration.ExpectedError(Scored(fresh, calibration));
        Assert.True(before > 0.1 && after < 0.04, $"{before} {after}");
        Assert.Equal(Scored(fresh, calibration).Select(text => Best(text.Probabilities)), Scored(fresh, calibration with { Temperature = 1 }).Select(text => Best(text.Probabilities)));
    }

    [Fact]
    public void Who_knows_nothing_is_not_heard()
    {
        var random = new Random(3);
        var scored = Drawn(4, 500).Select(text => (Network: new[] { random.NextSingle(), random.NextSingle(), random.NextSingle() }, text.Words, text.Label)).ToList();
        Assert.True(Calibration.Fit(scored).NetworkShare < 0.35);
    }

    [Fact]
    public void The_calibration_error_is_that_of_a_hand()
    {
        // Sure at 0.9 and right half the time; sure at 0.65 and always right: (2 · 0.4 + 2 · 0.35) / 4.
        (double[], int)[] texts = [([0.9, 0.1], 0), ([0.9, 0.1], 1), ([0.35, 0.65], 1), ([0.35, 0.65], 1)];
        Assert.Equal(0.375, Calibration.ExpectedError(texts), 1e-9);
    }

    [Fact]
    public void Without_texts_there_is_nothing_to_calibrate()
    {
        Assert.StartsWith("calibration: no texts", Assert.Throws<ArgumentException>(() => Calibration.Fit([])).Message, StringComparison.Ordinal);
    }

    private static List<(double[] Probabilities, int Label)> Scored(IEnumerable<(float[] Network, float[] Words, int Label)> texts, Calibration calibration) =>
        [.. texts.Select(text => (calibration.Probabilities(text.Network, text.Words), text.Label))];

    private static int Best(double[] values) => Array.IndexOf(values, values.Max());

    /// <summary>Labels drawn from softmax(x), and scores that say 3.5 x.</summary>
    private static List<(float[] Network, float[] Words, int Label)> Drawn(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            var x = Enumerable.Range(0, 3).Select(_ => (random.NextDouble() * 3) - 1.5).ToArray();
            var shares = x.Select(Math.Exp).ToArray();
            var (left, label) = (random.NextDouble() * shares.Sum(), 0);
            while (label < 2 && left > shares[label]) left -= shares[label++];
            var scores = x.Select(value => (float)(3.5 * value)).ToArray();
            return (scores, scores, label);
        })];
    }
}
