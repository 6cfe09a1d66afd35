namespace Hadal.Finance.Sentiment;

/// <summary>Which measure moved which way: by a verb ("net sales rose"), or by two amounts that are compared ("a loss of EUR 2 mn, compared with EUR 3 mn").</summary>
/// <remarks>The idea, measures with a wanted direction beside words of direction, is that of Malo et al. 2014 (LPS); lists and comparison are written for this program.</remarks>
internal static class Moves
{
    /// <summary>How many words a verb may stand away from its measure.</summary>
    private const int Reach = 14;

    /// <summary>How many words may stand between two amounts that are compared.</summary>
    private const int CompareReach = 16;

    private static readonly HashSet<string> Up = Set(
        "rose rise rises rising risen increase increased increases increasing grew grow grows growing growth up climbed climb climbs jumped jump jumps surged surge surges soared soar soars gained gain gains advanced "
        + "widened widen widens swelled improved improve improves improving improvement higher doubled tripled expand expanded expands expanding strengthened strengthen recovered recovery rebound rebounded exceeded exceeds beat beats boost boosted "
        + "boosts raised raises raise upgraded upgrade accelerated record highest best better strong stronger");

    private static readonly HashSet<string> Down = Set(
        "fell fall falls falling fallen decrease decreased decreases decreasing declined decline declines declining down dropped drop drops dropping slipped slip slips plunged plunge plunges tumbled tumble slid slide lost "
        + "lower lowered lowers weakened weaken weaker weak worsened deteriorated shrank shrink contracted contraction halved cut cuts cutting reduced reduce reduces reducing reduction narrowed narrow narrows missed misses "
        + "downgraded downgrade slowed slowdown worse worst lowest diminished sank sink sinks tightened");

    private static readonly HashSet<string> Wanted = Set(
        "profit profits sales revenue revenues turnover income earnings ebit ebitda eps margin margins profitability orders order backlog demand dividend dividends share shares stock price prices volume volumes deliveries "
        + "exports production output market cash return returns results result growth pretax pre-tax net operating interest fees premiums traffic passengers");

    private static readonly HashSet<string> Unwanted = Set(
        "loss losses deficit cost costs expense expenses debt debts unemployment charges charge writedown impairment provisions taxes layoffs redundancies dismissals inflation risk risks");

    private static readonly HashSet<string> Losses = Set("loss losses deficit negative");

    private static readonly HashSet<string> Compared = Set("from compared comparison against versus vs earlier corresponding previous year-earlier year-ago same ( while than");

    internal static readonly HashSet<string> Negations = Set("not no without n't never neither nor unlikely fail failed fails");

    private static readonly Dictionary<string, double> Scales = new(StringComparer.Ordinal)
    {
        ["mn"] = 1e6, ["m"] = 1e6, ["million"] = 1e6, ["mln"] = 1e6, ["bn"] = 1e9, ["billion"] = 1e9, ["thousand"] = 1e3,
    };

    public static List<string> Of(IReadOnlyList<NewsWord> words)
    {
        var found = new List<string>();
        var isNegated = false;
        for (var index = 0; index < words.Count; index++)
        {
            var word = words[index].Shape;
            if (Negations.Contains(word)) isNegated = true;
            if (word is "." or ";" or "," or "but") isNegated = false;
            var direction = Up.Contains(word) ? "up" : Down.Contains(word) ? "down" : null;
            if (direction is null) continue;
            var (measure, kind) = MeasureNear(words, index);
            var turned = isNegated ? "not-" : "";
            found.Add($"{turned}{direction}");
            found.Add($"{turned}{direction} {kind}");
            found.Add($"{turned}{direction} {measure}");
            if (kind != "none") found.Add(((direction == "up") == (kind == "wanted")) != isNegated ? "good" : "bad");
        }

        AddComparisons(words, found);
        found.AddRange(Tone.Of(words));
        return found;
    }

    /// <summary>The nearest measure before a word, or else behind it.</summary>
    private static (string Measure, string Kind) MeasureNear(IReadOnlyList<NewsWord> words, int index)
    {
        foreach (var step in (int[])[-1, 1])
        {
            for (var (at, left) = (index + step, Reach); at >= 0 && at < words.Count && left > 0; at += step, left--)
            {
                var word = words[at].Shape;
                if (word is ";" || (step > 0 && word is ".")) break;
                if (Unwanted.Contains(word)) return (word, "unwanted");
                if (Wanted.Contains(word)) return (word, "wanted");
            }
        }

        return ("none", "none");
    }

    /// <summary>Two amounts of one unit with a word of comparison between them: the first is the newer one.</summary>
    private static void AddComparisons(IReadOnlyList<NewsWord> words, List<string> found)
    {
        (int Index, double Value, string Unit)? before = null;
        for (var index = 0; index < words.Count; index++)
        {
            if (Amount(words, index) is not { } amount) continue;
            if (before is { } first && first.Unit == amount.Unit && index - first.Index <= CompareReach && (IsCompared(words, first.Index, index) || IsOlder(words, first.Index, index)))
            {
                // "A profit of 3, compared with a loss of 2": the second names its own measure, or shares the first one's.
                var (measure, kind) = MeasureNear(words, first.Index);
                var isLoss = HasLoss(words, Math.Max(0, first.Index - Reach), first.Index, last: true);
                var wasLoss = HasLoss(words, first.Index + 1, index, last: true) ?? isLoss;
                var (now, then) = (isLoss == true ? -first.Value : first.Value, wasLoss == true ? -amount.Value : amount.Value);

                // "From EUR 2 mn to EUR 3 mn" tells the older one first.
                if (IsOlder(words, first.Index, index)) (now, then) = (then, now);
                var direction = now > then ? "up" : now < then ? "down" : "same";
                found.Add($"compared {direction}");
                found.Add($"compared {direction} {measure}");
                if (direction != "same") found.Add((direction == "up") == (kind != "unwanted" || isLoss == true) ? "compared good" : "compared bad");
                before = null;
                continue;
            }

            before = (index, amount.Value, amount.Unit);
        }
    }

    /// <summary>Whether the last word of profit or loss in a stretch is a loss; null where there is none.</summary>
    private static bool? HasLoss(IReadOnlyList<NewsWord> words, int begin, int end, bool last)
    {
        bool? found = null;
        for (var index = begin; index < end; index++)
        {
            if (Losses.Contains(words[index].Shape)) found = true;
            else if (words[index].Shape is "profit" or "profits" or "positive" or "sales" or "income" or "earnings") found = words[index].Shape is "sales" or "profit" or "profits" or "positive" || found != true ? false : found;
            if (found is not null && !last) break;
        }

        return found;
    }

    private static bool IsCompared(IReadOnlyList<NewsWord> words, int first, int second)
    {
        for (var index = first + 1; index < second; index++)
            if (Compared.Contains(words[index].Shape)) return true;
        return false;
    }

    private static bool IsOlder(IReadOnlyList<NewsWord> words, int first, int second)
    {
        var isFrom = (first > 0 && words[first - 1].Shape == "from") || (first > 1 && words[first - 2].Shape == "from");
        for (var index = first + 1; index < second && isFrom; index++)
            if (words[index].Shape == "to") return true;
        return false;
    }

    /// <summary>An amount with a unit: "EUR 13.1 mn", "EUR13 .1 m", "12 %". Years and bare numbers are none.</summary>
    private static (double Value, string Unit)? Amount(IReadOnlyList<NewsWord> words, int index)
    {
        if (words[index].Number is not { } value || words[index].Shape == "year") return null;
        var next = index + 1 < words.Count ? words[index + 1].Shape : "";
        if (next is "%" or "pct" or "percent") return (value, "percent");
        var hasCurrency = index > 0 && words[index - 1].Shape is "eur" or "usd" or "sek" or "gbp" or "$" or "€" or "£" or "dkk" or "nok" or "euro" or "euros";
        if (Scales.TryGetValue(next, out var scale)) return (value * scale, "money");
        return hasCurrency ? (value, "money") : null;
    }

    private static HashSet<string> Set(string words) => [.. words.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
}
