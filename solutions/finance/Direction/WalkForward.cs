using System.Globalization;

namespace Hadal.Finance.Direction;

/// <summary>How an index is called day by day.</summary>
public sealed record WalkForwardOptions
{
    /// <summary>Days learnt from before the first call.</summary>
    public int FirstDays { get; init; } = 500;

    /// <summary>Days called before everything known by then is learnt anew.</summary>
    public int RefitEvery { get; init; } = 60;

    /// <summary>Days left out between what is learnt from and what is called.</summary>
    public int EmbargoDays { get; init; } = 5;

    /// <summary>Seed of shuffled labels and resampled days.</summary>
    public int Seed { get; init; } = 1;
}

/// <summary>A called day.</summary>
/// <param name="Date">The day.</param>
/// <param name="IsUp">What came.</param>
/// <param name="Called">What the model said.</param>
/// <param name="Majority">What most days were, of those learnt from.</param>
/// <param name="Yesterday">What came the last time that was known.</param>
public sealed record CalledDay(DateOnly Date, bool IsUp, bool Called, bool Majority, bool Yesterday);

/// <summary>Expanding walk forward: learns from all days so far but an embargo, calls the next days, and goes on.</summary>
public static class WalkForward
{
    /// <summary>Calls all days after the first ones.</summary>
    /// <param name="days">Days in order.</param>
    /// <param name="options">How.</param>
    /// <param name="shuffle">Shuffles the labels learnt from by this generator; null leaves them. What is called right then is chance, and by the harness.</param>
    /// <exception cref="InvalidDataException">A feature was not known before the open, or there are too few days.</exception>
    public static IReadOnlyList<CalledDay> Run(IReadOnlyList<DirectionDay> days, WalkForwardOptions options, Random? shuffle = null)
    {
        ArgumentNullException.ThrowIfNull(days);
        ArgumentNullException.ThrowIfNull(options);
        if (days.FirstOrDefault(day => day.KnownAt >= day.OpensAt) is { } late)
            throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"{late.Date:yyyy-MM-dd}: a feature was known at {late.KnownAt:yyyy-MM-dd HH:mm}, expected before the open at {late.OpensAt:yyyy-MM-dd HH:mm}; stamp news with the time of publication"));
        return Call(days, options, shuffle);
    }

    /// <summary>The same without a look at the stamps, for the leak test.</summary>
    internal static IReadOnlyList<CalledDay> Call(IReadOnlyList<DirectionDay> days, WalkForwardOptions options, Random? shuffle)
    {
        if (days.Count <= options.FirstDays + options.EmbargoDays) throw new InvalidDataException($"prices: {days.Count} days can be called, expected more than {options.FirstDays + options.EmbargoDays}; give a longer series");
        var called = new List<CalledDay>();
        for (var begin = options.FirstDays + options.EmbargoDays; begin < days.Count; begin += options.RefitEvery)
        {
            // What is learnt had ended before the first day that is called, embargo beside.
            var learnt = days.Take(begin - options.EmbargoDays).Where(day => day.EndsAt < days[begin].Date).ToList();
            var labels = learnt.Select(day => day.IsUp).ToArray();
            shuffle?.Shuffle(labels);
            var model = LogisticModel.Fit([.. learnt.Select(day => day.Features)], labels);
            var majority = 2 * labels.Count(isUp => isUp) >= labels.Length;
            for (var index = begin; index < Math.Min(days.Count, begin + options.RefitEvery); index++)
            {
                var known = index - 1;
                while (days[known].EndsAt >= days[index].Date) known--;
                called.Add(new CalledDay(days[index].Date, days[index].IsUp, model.Probability(days[index].Features) >= 0.5, majority, days[known].IsUp));
            }
        }

        return called;
    }
}
