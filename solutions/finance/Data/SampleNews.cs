namespace Hadal.Finance.Data;

/// <summary>Labelled headlines in English and Chinese that a generator makes up, so that everything runs before one has data. They say nothing about real news.</summary>
public static class SampleNews
{
    private static readonly string[] Companies = ["Arvo", "Belmar", "Corda", "Delphin", "Estrel", "Fjordan", "Galmio", "Hestia"];
    private static readonly string[] ChineseCompanies = ["海川股份", "远山科技", "北辰能源", "南桥银行", "东禾食品", "西岭医药"];

    // {0} company, {1} larger amount, {2} smaller amount, {3} per cent.
    private static readonly string[][] English =
    [
        [
            "{0} 's operating profit fell to EUR {2} mn from EUR {1} mn a year earlier", "Net sales of {0} decreased by {3} % to EUR {2} mn", "{0} warns that its result will be weaker than last year",
            "{0} is to lay off staff as demand declines", "The net loss of {0} widened to EUR {1} mn, compared with a loss of EUR {2} mn", "{0} lost an order worth EUR {1} mn to a rival",
        ],
        [
            "{0} will publish its interim report in May", "{0} has offices in {3} countries", "The annual meeting of {0} elected a new board", "{0} makes valves and pumps for ships",
            "The share capital of {0} is EUR {1} mn", "{0} moves its head office next spring",
        ],
        [
            "{0} 's operating profit rose to EUR {1} mn from EUR {2} mn a year earlier", "Net sales of {0} increased by {3} % to EUR {1} mn", "{0} won an order worth EUR {1} mn",
            "{0} raises its forecast after a strong quarter", "The net loss of {0} narrowed to EUR {2} mn, compared with a loss of EUR {1} mn", "{0} expects its market share to grow",
        ],
    ];

    private static readonly string[][] Chinese =
    [
        ["{0}：净利润同比下降{3}%", "{0}股东拟减持不超{3}%股份", "{0}预计全年亏损{1}亿元", "{0}因信息披露违规被立案调查"],
        ["{0}：将于五月召开股东大会", "{0}发布第三季度报告", "{0}公司主营阀门和水泵", "{0}总部设在{3}楼"],
        ["{0}：净利润同比增长{3}%", "{0}中标{1}亿元项目", "{0}控股股东拟增持{3}%股份", "{0}扭亏为盈，营收达{1}亿元"],
    ];

    /// <summary>Makes headlines, labels in turn, every second one in Chinese.</summary>
    /// <param name="count">How many.</param>
    /// <param name="seed">Seed.</param>
    public static IReadOnlyList<LabelledText> Make(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(index => Headline(random, index % 3, index % 2 == 1))];
    }

    private static LabelledText Headline(Random random, int label, bool isChinese)
    {
        var (templates, companies) = isChinese ? (Chinese[label], ChineseCompanies) : (English[label], Companies);
        var small = random.Next(10, 500) / 10.0;
        var text = string.Format(System.Globalization.CultureInfo.InvariantCulture, templates[random.Next(templates.Length)], companies[random.Next(companies.Length)], small + (random.Next(5, 300) / 10.0), small, random.Next(2, 40));
        return new LabelledText(text, label);
    }
}
