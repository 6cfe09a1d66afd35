namespace Hadal.Finance.Direction;

/// <summary>What the look for leaks found.</summary>
/// <param name="LateDays">Days with a feature that was not known before the open.</param>
/// <param name="Calls">The calls, made without regard to stamps.</param>
/// <param name="IsTooGood">Whether the calls are better than an index can be called: the interval of their hits begins above <see cref="LeakDetector.Plausible"/>.</param>
public sealed record LeakFindings(int LateDays, IReadOnlyList<CalledDay> Calls, bool IsTooGood)
{
    /// <summary>Whether something of the future is among the features.</summary>
    public bool Fires => LateDays > 0 || IsTooGood;
}

/// <summary>Looks for the future among features, by stamps and, where stamps may lie, by results that are too good.</summary>
public static class LeakDetector
{
    /// <summary>Published results for whole indexes end at 0.56.</summary>
    public const double Plausible = 0.60;

    /// <summary>Looks at days to be called.</summary>
    public static LeakFindings Look(IReadOnlyList<DirectionDay> days, WalkForwardOptions options)
    {
        ArgumentNullException.ThrowIfNull(days);
        var calls = WalkForward.Call(days, options, shuffle: null);
        return new LeakFindings(days.Count(day => day.KnownAt >= day.OpensAt), calls, Evidence.Wilson(calls.Count(call => call.Called == call.IsUp), calls.Count).Low > Plausible);
    }
}
