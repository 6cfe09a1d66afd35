namespace Hadal.Finance.Sentiment;

/// <summary>Softmax regression on sparse rows: <c>min Σ w_i · H(target_i, softmax(W x_i + b))</c>.</summary>
/// <remarks>One row after the other, each weight at a pace of its own (AdaGrad: Duchi, Hazan, Singer 2011), the mean of all weights over the second half of the way kept.</remarks>
internal static class SoftmaxRegression
{
    private const double FirstSquares = 1e-3;

    /// <summary>Fits weights.</summary>
    /// <param name="rows">Features and values.</param>
    /// <param name="labels">A label for each row.</param>
    /// <param name="rowWeights">How much each row counts; 1 on average.</param>
    /// <param name="labelCount">Number of labels.</param>
    /// <param name="featureCount">Number of features.</param>
    /// <param name="options">Epochs, rate, decay, smoothing and seed.</param>
    /// <returns>[features, labels] and [labels].</returns>
    public static (float[] Weight, float[] Bias) Fit(
        IReadOnlyList<(int Feature, float Value)[]> rows, int[] labels, double[] rowWeights, int labelCount, int featureCount, WordModelOptions options)
    {
        // The constant feature comes last.
        var size = (featureCount + 1) * labelCount;
        var (weight, squares, mean) = (new float[size], new float[size], new float[size]);
        Array.Fill(squares, (float)FirstSquares);
        var (scores, order, random) = (new double[labelCount], Enumerable.Range(0, rows.Count).ToArray(), new Random(options.Seed));
        var averaged = 0;
        for (var epoch = 0; epoch < options.Epochs; epoch++)
        {
            random.Shuffle(order);
            foreach (var index in order)
            {
                Scores(rows[index], weight, featureCount, scores);
                Softmax.InPlace(scores);
                for (var label = 0; label < labelCount; label++)
                    scores[label] = (scores[label] - (options.Smoothing / labelCount) - (label == labels[index] ? 1 - options.Smoothing : 0)) * rowWeights[index];
                foreach (var (feature, value) in rows[index]) Step(feature * labelCount, value, (float)options.Decay);
                Step(featureCount * labelCount, 1, 0);
            }

            if (2 * epoch < options.Epochs - 1) continue;
            averaged++;
            for (var index = 0; index < size; index++) mean[index] += (weight[index] - mean[index]) / averaged;
        }

        return (mean[..(featureCount * labelCount)], mean[(featureCount * labelCount)..]);

        void Step(int at, float value, float decay)
        {
            for (var label = 0; label < labelCount; label++)
            {
                var slope = ((float)scores[label] * value) + (decay * weight[at + label]);
                squares[at + label] += slope * slope;
                weight[at + label] -= (float)options.Rate * slope / MathF.Sqrt(squares[at + label]);
            }
        }
    }

    private static void Scores((int Feature, float Value)[] row, float[] weight, int featureCount, double[] scores)
    {
        var labelCount = scores.Length;
        for (var label = 0; label < labelCount; label++) scores[label] = weight[(featureCount * labelCount) + label];
        foreach (var (feature, value) in row)
            for (var label = 0; label < labelCount; label++) scores[label] += value * weight[(feature * labelCount) + label];
    }
}

/// <summary>Softmax over few numbers.</summary>
internal static class Softmax
{
    public static void InPlace(Span<double> values)
    {
        var (most, sum) = (double.NegativeInfinity, 0.0);
        foreach (var value in values) most = Math.Max(most, value);
        for (var index = 0; index < values.Length; index++) sum += values[index] = Math.Exp(values[index] - most);
        for (var index = 0; index < values.Length; index++) values[index] /= sum;
    }
}
