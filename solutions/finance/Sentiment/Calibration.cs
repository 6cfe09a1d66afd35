namespace Hadal.Finance.Sentiment;

/// <summary>Makes scores into probabilities that say how often they are right: <c>softmax((network · net + words · w) / temperature)</c>, fitted on texts that nothing was learnt from.</summary>
/// <param name="NetworkShare">How much the network's log-probabilities count beside the words', 0 to 1.</param>
/// <param name="Temperature">Above 1 where scores were too sure of themselves.</param>
/// <remarks>Temperature scaling: Guo et al. 2017, arXiv:1706.04599.</remarks>
public sealed record Calibration(double NetworkShare, double Temperature)
{
    private const int Bins = 10;

    /// <summary>The least temperature: that a few texts are all right is no reason for certainty.</summary>
    private const double Coolest = 0.5;

    /// <summary>Probabilities of the labels.</summary>
    /// <param name="network">[labels] scores of the network.</param>
    /// <param name="words">[labels] scores of the word model.</param>
    public double[] Probabilities(ReadOnlySpan<float> network, ReadOnlySpan<float> words)
    {
        var (first, second) = (LogSoftmax(network), LogSoftmax(words));
        var mixed = new double[first.Length];
        for (var label = 0; label < mixed.Length; label++) mixed[label] = ((NetworkShare * first[label]) + ((1 - NetworkShare) * second[label])) / Temperature;
        Softmax.InPlace(mixed);
        return mixed;
    }

    /// <summary>The share and the temperature with the least mean of <c>−ln p(label)</c>.</summary>
    /// <param name="scored">Scores of network and words, and the label.</param>
    public static Calibration Fit(IReadOnlyList<(float[] Network, float[] Words, int Label)> scored)
    {
        ArgumentNullException.ThrowIfNull(scored);
        if (scored.Count == 0) throw new ArgumentException("calibration: no texts, expected some that nothing was learnt from", nameof(scored));
        var candidates =
            from share in Enumerable.Range(0, 21).Select(step => step / 20.0)
            from temperature in Enumerable.Range(0, 40).Select(step => 0.2 * Math.Pow(1.08, step)).Where(temperature => temperature > Coolest)
            select new Calibration(share, temperature);
        return candidates.MinBy(candidate => scored.Average(text => -Math.Log(Math.Max(1e-12, candidate.Probabilities(text.Network, text.Words)[text.Label]))))!;
    }

    /// <summary>Expected calibration error: the mean distance, over ten bins of confidence, between how sure and how often right, each bin by its share of texts.</summary>
    public static double ExpectedError(IReadOnlyList<(double[] Probabilities, int Label)> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return texts.Select(text => (Confidence: text.Probabilities.Max(), IsRight: Array.IndexOf(text.Probabilities, text.Probabilities.Max()) == text.Label))
            .GroupBy(text => Math.Min(Bins - 1, (int)(text.Confidence * Bins)))
            .Sum(bin => bin.Count() * Math.Abs(bin.Average(text => text.Confidence) - bin.Average(text => text.IsRight ? 1.0 : 0))) / texts.Count;
    }

    private static double[] LogSoftmax(ReadOnlySpan<float> scores)
    {
        var (most, sum) = (double.NegativeInfinity, 0.0);
        foreach (var score in scores) most = Math.Max(most, score);
        foreach (var score in scores) sum += Math.Exp(score - most);
        var result = new double[scores.Length];
        for (var label = 0; label < result.Length; label++) result[label] = scores[label] - most - Math.Log(sum);
        return result;
    }
}
