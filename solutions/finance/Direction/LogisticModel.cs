namespace Hadal.Finance.Direction;

/// <summary>Logistic regression on standardised features: <c>p = 1 / (1 + exp(−(w · (x − mean) / deviation + b)))</c>, by Newton's method with a penalty on w.</summary>
internal sealed class LogisticModel
{
    private const double Penalty = 1;
    private const int Rounds = 8;

    private readonly double[] _mean, _deviation, _weight;

    private LogisticModel(double[] mean, double[] deviation, double[] weight) => (_mean, _deviation, _weight) = (mean, deviation, weight);

    public static LogisticModel Fit(IReadOnlyList<IReadOnlyList<double>> rows, IReadOnlyList<bool> isUp)
    {
        var width = rows[0].Count;
        var mean = Enumerable.Range(0, width).Select(column => rows.Average(row => row[column])).ToArray();
        var deviation = Enumerable.Range(0, width).Select(column => Math.Max(1e-9, Math.Sqrt(rows.Average(row => Math.Pow(row[column] - mean[column], 2))))).ToArray();
        var model = new LogisticModel(mean, deviation, new double[width + 1]);
        for (var round = 0; round < Rounds; round++)
        {
            var (slope, curve) = (new double[width + 1], new double[width + 1, width + 1]);
            for (var column = 0; column < width; column++) (slope[column], curve[column, column]) = (Penalty * model._weight[column], Penalty);
            curve[width, width] = 1e-9;
            for (var index = 0; index < rows.Count; index++)
            {
                var x = model.Standardised(rows[index]);
                var p = Probability(model._weight, x);
                var share = p * (1 - p);
                for (var i = 0; i <= width; i++)
                {
                    slope[i] += (p - (isUp[index] ? 1 : 0)) * x[i];
                    for (var j = 0; j <= i; j++) curve[i, j] += share * x[i] * x[j];
                }
            }

            Subtract(model._weight, curve, slope);
        }

        return model;
    }

    public double Probability(IReadOnlyList<double> row) => Probability(_weight, Standardised(row));

    private static double Probability(double[] weight, double[] x)
    {
        var sum = 0.0;
        for (var index = 0; index < x.Length; index++) sum += weight[index] * x[index];
        return 1 / (1 + Math.Exp(-sum));
    }

    /// <summary>The row in standard units, and a one for the constant.</summary>
    private double[] Standardised(IReadOnlyList<double> row) => [.. row.Select((value, column) => (value - _mean[column]) / _deviation[column]), 1];

    /// <summary><c>weight −= curve⁻¹ slope</c> by Cholesky's decomposition; <paramref name="curve"/> is given by its lower half.</summary>
    private static void Subtract(double[] weight, double[,] curve, double[] slope)
    {
        var size = weight.Length;
        for (var i = 0; i < size; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                var sum = curve[i, j];
                for (var k = 0; k < j; k++) sum -= curve[i, k] * curve[j, k];
                curve[i, j] = i == j ? Math.Sqrt(sum) : sum / curve[j, j];
            }
        }

        var solved = new double[size];
        for (var i = 0; i < size; i++)
        {
            solved[i] = slope[i];
            for (var k = 0; k < i; k++) solved[i] -= curve[i, k] * solved[k];
            solved[i] /= curve[i, i];
        }

        for (var i = size - 1; i >= 0; i--)
        {
            for (var k = i + 1; k < size; k++) solved[i] -= curve[k, i] * solved[k];
            solved[i] /= curve[i, i];
        }

        for (var i = 0; i < size; i++) weight[i] -= solved[i];
    }
}
