namespace Hadal.Finance.Direction;

/// <summary>What is to be called: whether the close is above the one before, or whether the next five days move more than the last five.</summary>
public enum DirectionTarget
{
    /// <summary>Close over close of the day before.</summary>
    Index,

    /// <summary>Mean absolute return of this and the next four days over that of the last five: persistent, so that it can be learnt, which shows that the harness learns.</summary>
    Volatility,
}

/// <summary>A day to be called, with what was known before it.</summary>
/// <param name="Date">The day.</param>
/// <param name="OpensAt">When trading begins.</param>
/// <param name="KnownAt">When the last of the features became known; the harness refuses days on which that is not before <paramref name="OpensAt"/>.</param>
/// <param name="EndsAt">The day on which it shows whether it was called right.</param>
/// <param name="Features">Numbers known before.</param>
/// <param name="IsUp">What came.</param>
public sealed record DirectionDay(DateOnly Date, DateTime OpensAt, DateTime KnownAt, DateOnly EndsAt, IReadOnlyList<double> Features, bool IsUp)
{
    private const int Lags = 5, LongestWindow = 20, VolatilityDays = 5;
    private static readonly TimeSpan Opening = new(9, 30, 0), Closing = new(16, 0, 0);

    /// <summary>The days of an index that can be called: returns of the last five days, their mean and spread over 5 and 20, and the tone and number of news since the last close.</summary>
    /// <param name="bars">Days in order.</param>
    /// <param name="news">News in any order; empty for none, then there are no features of news.</param>
    /// <param name="target">What is called.</param>
    /// <param name="newsShift">Moves news in time. Honest: zero or more. Less than zero pretends that news were known before they were, which the leak test does.</param>
    /// <exception cref="ArgumentException">A day does not come after the one before it.</exception>
    public static IReadOnlyList<DirectionDay> Of(IReadOnlyList<DailyBar> bars, IReadOnlyList<ToldNews> news, DirectionTarget target, TimeSpan newsShift = default)
    {
        ArgumentNullException.ThrowIfNull(bars);
        ArgumentNullException.ThrowIfNull(news);
        for (var index = 1; index < bars.Count; index++)
            if (bars[index].Date <= bars[index - 1].Date) throw new ArgumentException(FormattableString.Invariant($"bars[{index}]: {bars[index].Date:yyyy-MM-dd} does not come after {bars[index - 1].Date:yyyy-MM-dd}, expected days in order, each once"), nameof(bars));
        var returns = bars.Select((bar, index) => index == 0 ? 0 : Math.Log(bar.Close / bars[index - 1].Close)).ToArray();
        var told = news.Select(item => (Seen: item.Published + newsShift, item.Published, item.Tone)).OrderBy(item => item.Seen).ToList();
        var (days, next) = (new List<DirectionDay>(), 0);
        var ahead = target == DirectionTarget.Volatility ? VolatilityDays : 1;
        for (var index = LongestWindow + 1; index + ahead <= bars.Count; index++)
        {
            var opensAt = bars[index].Date.ToDateTime(TimeOnly.MinValue) + Opening;
            var knownAt = bars[index - 1].Date.ToDateTime(TimeOnly.MinValue) + Closing;
            var features = Past(returns, index);
            if (told.Count > 0)
            {
                // All news since the last opening that could be read before this one.
                var (count, sum) = (0, 0.0);
                while (next < told.Count && told[next].Seen < opensAt)
                {
                    var item = told[next++];
                    if (item.Seen < bars[index - 1].Date.ToDateTime(TimeOnly.MinValue) + Opening) continue;
                    (count, sum) = (count + 1, sum + item.Tone);
                    if (item.Published > knownAt) knownAt = item.Published;
                }

                features.AddRange([count == 0 ? 0 : sum / count, Math.Log(1 + count)]);
            }

            var isUp = target == DirectionTarget.Index ? returns[index] > 0 : Movement(returns, index, index + VolatilityDays) > Movement(returns, index - VolatilityDays, index);
            days.Add(new DirectionDay(bars[index].Date, opensAt, knownAt, bars[index + ahead - 1].Date, features, isUp));
        }

        return days;
    }

    private static List<double> Past(double[] returns, int index) =>
    [
        .. Enumerable.Range(1, Lags).Select(lag => returns[index - lag]), returns[(index - Lags)..index].Average(), returns[(index - LongestWindow)..index].Average(),
        Math.Log(1e-6 + Movement(returns, index - Lags, index)), Math.Log(1e-6 + Movement(returns, index - LongestWindow, index)),
    ];

    private static double Movement(double[] returns, int begin, int end) => returns[begin..end].Average(Math.Abs);
}
