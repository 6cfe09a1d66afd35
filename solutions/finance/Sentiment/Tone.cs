namespace Hadal.Finance.Sentiment;

/// <summary>Words that news praise or blame with, whatever the measure. English words with their endings; Chinese ones wherever they stand.</summary>
internal static class Tone
{
    private static readonly HashSet<string> Good = Set(
        "pleased glad happy proud satisfied satisfaction confident optimistic excellent good great best better success successes successful successfully win wins won winning winner award awarded awards benefit benefits benefited "
        + "beneficial profitable competitive competitiveness efficient efficiency efficiently leading leader leadership advantage advantages attractive strength strengths strengthen strengthens strengthened strengthening strong "
        + "stronger strongest strongly robust solid sound favourable favorable favourably positive positively promising opportunity opportunities improve improves improved improving improvement improvements enhance enhances "
        + "enhanced enhancing enable enables enabling innovative innovation innovations reliable reliability outperform outperformed buy upgrade upgraded upgrades accumulate synergies synergy savings save saves saving faster "
        + "easier easily flexibility unique popular popularity breakthrough milestone progress achieve achieved achieves achievement trust expand expands expanded expanding expansion modern modernise top well pleasure welcome "
        + "thanks boost boosts boosted exceed exceeded exceeds recover recovered recovery growth grow growing optimise optimize cost-effective high-quality quality prestigious exciting excited exclusive demand superior "
        + "increase increasing safer safe smooth brisk rapid record valuable value-added long-term partnership cooperation support supports");

    private static readonly HashSet<string> Bad = Set(
        "layoff layoffs lay-offs laid lay dismiss dismissed dismissal dismissals redundant redundancies redundancy strike strikes dispute disputes problem problems difficult difficulties weak weakness weaker weakened poor "
        + "poorer bad badly worse worst uncertain uncertainty warning warned warn warns lawsuit sue sued alleged allegations fraud illegal violation violated infringement infringed fine fined penalty delay delays delayed cancel "
        + "canceled cancelled cancellation halt halted suspend suspended suspension close closed closes closing closure shut shutting bankrupt bankruptcy insolvency recession crisis slump downturn negative negatively adverse "
        + "adversely unfavourable unfavorable unprofitable sell downgrade downgraded underperform disappointing disappointed disappointment concern concerns concerned fear fears threat threatens threatened risk risks damage "
        + "damaged accident fire unable fail failed fails failure shortage lack lacks breach default writedown write-down impairment restructuring temporarily terminate terminated termination loss losses loss-making deficit "
        + "burden pressure pressures slowdown slow slower sluggish stagnant volatile nasty unlikely challenging tough severe heavy seriously suffered suffer suffers hurt hit cuts cutting job-cuts protest complaint injured "
        + "criticised criticized not competitive overcapacity oversupply collapse collapsed scrapped rejected refuse refused low lowest below");

    private static readonly string[] GoodSigns = "中标 增持 回购 获批 盈利 预增 扭亏 突破 新高 签署 签约 利好 涨停 看好 分红 增长 大增 上涨 上升 上调 大涨 反弹 获得 合作 收购 强势 龙头 加仓 抄底 翻倍 机会 恭喜 牛 稳".Split(' ');

    private static readonly string[] BadSigns = "减持 亏损 预亏 违约 处罚 立案 调查 质押 诉讼 跌停 下滑 终止 警示 退市 冻结 下跌 下降 下调 大跌 套牢 割肉 垃圾 骗 崩 坑 亏 跌 跑路 利空 失败 风险 事故 爆炸 被查 辞职 预减 砸 傻 垃 熊 洗盘 出货".Split(' ');

    public static IEnumerable<string> Of(IReadOnlyList<NewsWord> words)
    {
        int good = 0, bad = 0, negated = 0;
        for (var index = 0; index < words.Count; index++)
        {
            var word = words[index].Shape;
            var isGood = Good.Contains(word);
            if (!isGood && !Bad.Contains(word)) continue;
            if (index > 0 && Moves.Negations.Contains(words[index - 1].Shape)) negated++;
            else if (isGood) good++;
            else bad++;
        }

        var signs = string.Concat(words.Where(word => word.IsSign).Select(word => word.Shape));
        good += GoodSigns.Count(sign => signs.Contains(sign, StringComparison.Ordinal));
        bad += BadSigns.Count(sign => signs.Contains(sign, StringComparison.Ordinal));
        return Counted("praise", good).Concat(Counted("blame", bad)).Concat(Counted("negated", negated));
    }

    private static IEnumerable<string> Counted(string name, int count) => Enumerable.Range(1, Math.Min(count, 3)).Select(index => FormattableString.Invariant($"{name} {index}"));

    private static HashSet<string> Set(string words) => [.. words.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
}
