using System.Globalization;

namespace Hadal.Finance.Direction;

/// <summary>What the evidence of one index supports.</summary>
/// <param name="Name">The index.</param>
/// <param name="Target">What was called.</param>
/// <param name="Calls">Ours, with the baselines of the same days.</param>
/// <param name="Shuffled">Shares of hits after learning from shuffled labels.</param>
/// <param name="Leaking">What the detector finds where news of a day are shifted before its open on purpose; null without news.</param>
/// <param name="Seed">Seed of resampling.</param>
public sealed record DirectionReport(string Name, DirectionTarget Target, IReadOnlyList<CalledDay> Calls, IReadOnlyList<double> Shuffled, LeakFindings? Leaking, int Seed)
{
    /// <summary>The widespread claim, and what it is said to be compared with.</summary>
    private const double Claim = 0.68, ClaimedBase = 0.53;

    private const int Shuffles = 5;
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    /// <summary>Calls an index and looks for leaks.</summary>
    /// <param name="name">The index.</param>
    /// <param name="bars">Its days.</param>
    /// <param name="news">News, or none.</param>
    /// <param name="target">What is called.</param>
    /// <param name="options">How.</param>
    public static DirectionReport Make(string name, IReadOnlyList<DailyBar> bars, IReadOnlyList<ToldNews> news, DirectionTarget target, WalkForwardOptions options)
    {
        ArgumentNullException.ThrowIfNull(news);
        ArgumentNullException.ThrowIfNull(options);
        var days = DirectionDay.Of(bars, news, target);
        var calls = WalkForward.Run(days, options);
        var shuffled = Enumerable.Range(0, Shuffles).Select(round => Share(WalkForward.Run(days, options, new Random(options.Seed + round)), call => call.Called)).ToList();
        var leaking = news.Count == 0 || target != DirectionTarget.Index ? null : LeakDetector.Look(DirectionDay.Of(bars, news, target, -Day), options);
        return new DirectionReport(name, target, calls, shuffled, leaking, options.Seed);
    }

    /// <summary>The report, to be read.</summary>
    public override string ToString()
    {
        List<(bool IsUp, bool Called)> ours = [.. Calls.Select(call => (call.IsUp, call.Called))];
        var (low, high) = Evidence.Wilson(ours.Count(call => call.IsUp == call.Called), ours.Count);
        var (lowest, highest) = Evidence.MatthewsInterval(ours, Seed);
        var best = Math.Max(Share(Calls, call => call.Majority), Math.Max(Share(Calls, call => call.Yesterday), Share(Calls, _ => true)));
        var lines = new List<string>
        {
            Text($"{Name}: {Calls.Count} days called, {Calls[0].Date:yyyy-MM-dd} to {Calls[^1].Date:yyyy-MM-dd}"),
            Line("ours", call => call.Called) + Text($", balanced {Balanced(ours):P1}, MCC {Evidence.Matthews(ours):F3} ({lowest:F3} to {highest:F3})"),
            Line("majority", call => call.Majority), Line("as yesterday", call => call.Yesterday), Line("always up", _ => true),
            Text($"  shuffled labels  {Shuffled.Average():P1} ({Shuffled.Min():P1} to {Shuffled.Max():P1} in {Shuffled.Count} shuffles)"),
            Text($"  needed to beat {best:P1} at 5 % in so many days: {Evidence.Needed(best, Calls.Count):P1}"),
        };
        if (Leaking is not null)
            lines.Add(Text($"  news a day early, on purpose: {Share(Leaking.Calls, call => call.Called):P1}; the leak detector {(Leaking.Fires ? "fires" : "is silent")} ({Leaking.LateDays} days by stamps, results {(Leaking.IsTooGood ? "too good" : "not too good")})"));
        var (share, chance) = (Share(Calls, call => call.Called), lowest > 0 ? "agree with the days more than by chance" : highest < 0 ? "agree with the days less than by chance" : "are not told from chance");
        if (Target == DirectionTarget.Index) lines.Add(Text($"  {Claim:P0} (against {ClaimedBase:P0}): {(high < Claim ? "not supported" : "not refuted")}; ours is {low:P1} to {high:P1}"));
        lines.Add(Text($"  calls {chance}, and {(share > Evidence.Needed(best, Calls.Count) ? "beat" : "do not beat")} the best baseline"));
        return string.Join(Environment.NewLine, lines);
    }

    private static double Share(IReadOnlyList<CalledDay> calls, Func<CalledDay, bool> called) => calls.Average(call => called(call) == call.IsUp ? 1.0 : 0);

    private static double Balanced(List<(bool IsUp, bool Called)> calls) => calls.GroupBy(call => call.IsUp).Average(side => side.Average(call => call.Called == call.IsUp ? 1.0 : 0));

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private string Line(string name, Func<CalledDay, bool> called)
    {
        var right = Calls.Count(call => called(call) == call.IsUp);
        var (low, high) = Evidence.Wilson(right, Calls.Count);
        return Text($"  {name,-15}  {(double)right / Calls.Count:P1} ({low:P1} to {high:P1})");
    }
}
