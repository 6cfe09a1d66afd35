namespace Hadal.Finance.Direction;

/// <summary>Statistics of right and wrong calls.</summary>
public static class Evidence
{
    private const double Normal95 = 1.959964, OneSided95 = 1.644854;
    private const int Resamples = 1000, BlockDays = 20;

    /// <summary>Wilson's interval (1927) of a share, 95 %.</summary>
    /// <param name="right">Number of hits.</param>
    /// <param name="count">Number of trials.</param>
    public static (double Low, double High) Wilson(int right, int count)
    {
        var share = (double)right / count;
        var square = Normal95 * Normal95 / count;
        var middle = (share + (square / 2)) / (1 + square);
        var half = Normal95 / (1 + square) * Math.Sqrt((share * (1 - share) / count) + (square / (4 * count)));

        // Where all are hits or none is, one end is exact, and rounding would put it beyond.
        return (Math.Max(0, middle - half), Math.Min(1, middle + half));
    }

    /// <summary>Matthews' correlation coefficient: <c>(tp·tn − fp·fn) / √((tp+fp)(tp+fn)(tn+fp)(tn+fn))</c>; 0 where one side never occurs.</summary>
    public static double Matthews(IEnumerable<(bool IsUp, bool Called)> calls)
    {
        ArgumentNullException.ThrowIfNull(calls);
        double tp = 0, tn = 0, fp = 0, fn = 0;
        foreach (var (isUp, called) in calls)
        {
            if (isUp && called) tp++;
            else if (isUp) fn++;
            else if (called) fp++;
            else tn++;
        }

        var product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn);
        return product == 0 ? 0 : ((tp * tn) - (fp * fn)) / Math.Sqrt(product);
    }

    /// <summary>95 % interval of <see cref="Matthews"/> by resampling blocks of 20 days, which keeps what neighbouring days have in common.</summary>
    public static (double Low, double High) MatthewsInterval(IReadOnlyList<(bool IsUp, bool Called)> calls, int seed)
    {
        ArgumentNullException.ThrowIfNull(calls);
        var random = new Random(seed);
        var values = new double[Resamples];
        for (var round = 0; round < Resamples; round++)
        {
            var drawn = new List<(bool, bool)>(calls.Count + BlockDays);
            while (drawn.Count < calls.Count)
            {
                var begin = random.Next(calls.Count);
                for (var day = 0; day < BlockDays; day++) drawn.Add(calls[(begin + day) % calls.Count]);
            }

            values[round] = Matthews(drawn.Take(calls.Count));
        }

        Array.Sort(values);
        return (values[(int)(0.025 * Resamples)], values[(int)(0.975 * Resamples)]);
    }

    /// <summary>The share of hits from which a share of <paramref name="chance"/> is beaten at 5 %, one-sided, in so many trials.</summary>
    public static double Needed(double chance, int count) => chance + (OneSided95 * Math.Sqrt(chance * (1 - chance) / count));
}
