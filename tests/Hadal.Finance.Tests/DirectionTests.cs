using Hadal.Finance.Direction;

namespace Hadal.Finance.Tests;

/// <summary>The index-direction harness on made-up markets: nothing known before, unless the future leaks in.</summary>
public sealed class DirectionTests
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);
    private static readonly WalkForwardOptions Options = new() { FirstDays = 300, RefitEvery = 50 };
    private static readonly (IReadOnlyList<DailyBar> Bars, IReadOnlyList<ToldNews> News) Market = MakeMarket(1200, 7);

    [Fact]
    public void The_detector_is_silent_where_news_are_stamped_honestly()
    {
        var found = LeakDetector.Look(DirectionDay.Of(Market.Bars, Market.News, DirectionTarget.Index), Options);
        Assert.Equal(0, found.LateDays);
        Assert.False(found.Fires);
        Assert.InRange(Hits(found.Calls), 0.44, 0.56);
    }

    [Fact]
    public void The_detector_fires_where_news_are_shifted_into_the_future()
    {
        var days = DirectionDay.Of(Market.Bars, Market.News, DirectionTarget.Index, -Day);
        var found = LeakDetector.Look(days, Options);
        Assert.True(found.LateDays > 1000 && found.IsTooGood && found.Fires);
        Assert.True(Hits(found.Calls) > 0.65, $"{Hits(found.Calls)}");
        Assert.Contains("expected before the open", Assert.Throws<InvalidDataException>(() => WalkForward.Run(days, Options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_detector_fires_where_the_stamps_lie_too()
    {
        var lied = Market.News.Select(item => item with { Published = item.Published - Day }).ToList();
        var found = LeakDetector.Look(DirectionDay.Of(Market.Bars, lied, DirectionTarget.Index), Options);
        Assert.Equal(0, found.LateDays);
        Assert.True(found.IsTooGood && found.Fires);
    }

    [Fact]
    public void Shuffled_labels_take_everything_away_even_from_a_leak()
    {
        var lied = Market.News.Select(item => item with { Published = item.Published - Day }).ToList();
        var days = DirectionDay.Of(Market.Bars, lied, DirectionTarget.Index);
        Assert.True(Hits(WalkForward.Run(days, Options)) > 0.65);
        Assert.InRange(Enumerable.Range(0, 5).Average(seed => Hits(WalkForward.Run(days, Options, new Random(seed)))), 0.45, 0.55);
    }

    [Fact]
    public void What_is_persistent_is_learnt()
    {
        var report = DirectionReport.Make("made up", Market.Bars, [], DirectionTarget.Volatility, Options);
        Assert.True(Hits(report.Calls) > 0.58, report.ToString());
        Assert.True(Evidence.MatthewsInterval([.. report.Calls.Select(call => (call.IsUp, call.Called))], 1).Low > 0, report.ToString());
        Assert.Null(report.Leaking);
        Assert.EndsWith("agree with the days more than by chance, and beat the best baseline", report.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("(against", report.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(4, 0)]
    [InlineData(4, 2)]
    [InlineData(0, 4)]
    [InlineData(1, 4)]
    [InlineData(4, 4)]
    public void Nothing_of_the_embargo_and_nothing_that_shows_on_or_after_the_first_called_day_is_learnt_from(int embargo, int endsAfter)
    {
        // Either leaves the first 11 of 15 days, 5 of which are up. The twelfth would make it 6 of 12, and all days from it on have a feature that says up.
        const int Begin = 15, Learnt = 11;
        var days = Days(30, endsAfter, index => index >= 6, index => index < Learnt ? 0 : 1);
        var calls = WalkForward.Run(days, new WalkForwardOptions { FirstDays = Begin - embargo, EmbargoDays = embargo, RefitEvery = 100 });
        Assert.Equal(days.Skip(Begin).Select(day => day.Date), calls.Select(call => call.Date));
        Assert.All(calls, call => Assert.True(call.IsUp && !call.Majority && !call.Called));

        // One day more would be noticed.
        Assert.All(WalkForward.Run(days, new WalkForwardOptions { FirstDays = Begin + 1, EmbargoDays = endsAfter, RefitEvery = 100 }), call => Assert.True(call.Majority && call.Called));
    }

    [Fact]
    public void What_came_last_is_what_had_shown_by_the_morning()
    {
        var calls = WalkForward.Run(Days(400, 4, index => index >= 300, index => index % 7), new WalkForwardOptions { FirstDays = 296, EmbargoDays = 4, RefitEvery = 100 });

        // What a day was shows at the close four days later, and is known on the morning after.
        Assert.Equal(5, calls.Count(call => !call.Yesterday));
    }

    [Fact]
    public void A_day_is_called_by_what_was_known_before_its_open()
    {
        var bars = Market.Bars.Take(40).ToList();
        var open = bars[30].Date.ToDateTime(new TimeOnly(9, 30));
        ToldNews[] news = [new(open.AddHours(-1), 1), new(open.AddMinutes(1), -1)];
        var day = DirectionDay.Of(bars, news, DirectionTarget.Index).Single(day => day.Date == bars[30].Date);
        Assert.Equal([1, Math.Log(2)], day.Features.Skip(9));
        Assert.Equal(open.AddHours(-1), day.KnownAt);
        Assert.Equal([0, 0], DirectionDay.Of(bars, news, DirectionTarget.Index).Single(day => day.Date == bars[29].Date).Features.Skip(9));
        var changed = bars.Select(bar => bar.Date >= bars[30].Date ? bar with { Close = bar.Close * 3 } : bar).ToList();
        Assert.Equal(day.Features, DirectionDay.Of(changed, news, DirectionTarget.Index).Single(other => other.Date == day.Date).Features);
    }

    [Fact]
    public void News_from_before_the_last_opening_are_old_on_the_first_day_too()
    {
        var bars = Market.Bars.Take(30).ToList();
        var first = DirectionDay.Of(bars, [], DirectionTarget.Index)[0].Date;
        var lastOpen = first.AddDays(-1).ToDateTime(new TimeOnly(9, 30));
        IEnumerable<double> Told(params ToldNews[] news) => DirectionDay.Of(bars, news, DirectionTarget.Index)[0].Features.Skip(9);
        Assert.Equal([0, 0], Told(new ToldNews(lastOpen.AddDays(-9), 1), new ToldNews(lastOpen.AddMinutes(-1), 1)));
        Assert.Equal([0.5, Math.Log(2)], Told(new ToldNews(lastOpen.AddDays(-9), 1), new ToldNews(lastOpen, 0.5)));
    }

    [Fact]
    public void Statistics_are_those_of_a_hand()
    {
        var (low, high) = Evidence.Wilson(68, 100);
        Assert.Equal((0.5834, 0.7633), (Math.Round(low, 4), Math.Round(high, 4)));
        Assert.All(Enumerable.Range(1, 400), count => Assert.True(!double.IsNegative(Evidence.Wilson(0, count).Low) && Evidence.Wilson(count, count).High <= 1));
        (bool, bool)[] calls = [.. Enumerable.Repeat((true, true), 6), .. Enumerable.Repeat((true, false), 2), .. Enumerable.Repeat((false, true), 1), .. Enumerable.Repeat((false, false), 3)];
        Assert.Equal(((6 * 3) - (1 * 2)) / Math.Sqrt(7 * 8 * 4 * 5), Evidence.Matthews(calls), 1e-12);
        Assert.Equal(0, Evidence.Matthews([(true, true), (true, true)]));
        Assert.Equal(0.612, Evidence.Needed(0.53, 100), 3e-4);
    }

    [Fact]
    public void The_report_says_what_the_evidence_supports()
    {
        var text = DirectionReport.Make("made up", Market.Bars, Market.News, DirectionTarget.Index, Options).ToString();
        foreach (var part in (string[])["ours", "majority", "as yesterday", "always up", "shuffled labels", "MCC", "the leak detector fires", "68 % (against 53 %): not supported", "are not told from chance, and do not beat the best baseline"])
            Assert.Contains(part, text.Replace("68%", "68 %", StringComparison.Ordinal).Replace("53%", "53 %", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public void Prices_and_news_are_read_and_faults_said()
    {
        var folder = Directory.CreateTempSubdirectory("hadal-prices-");
        try
        {
            string Write(string content)
            {
                var path = Path.Combine(folder.FullName, "a.csv");
                File.WriteAllText(path, content);
                return path;
            }

            Assert.Equal([new(new DateOnly(2020, 1, 2), 3), new(new DateOnly(2020, 1, 3), 2.5)], DailyBar.Read(Write("日期,代码,收盘价\n2020-01-03,'1,2.5\n2020-01-02,'1,3\n")));
            Assert.Contains(":2: expected a positive close, found 'None'", Assert.Throws<InvalidDataException>(() => DailyBar.Read(Write("date,close\n2020-01-02,None"))).Message, StringComparison.Ordinal);
            var news = ToldNews.Read(Write("published,tone\n2020-01-02 08:00,0.5\n2020-01-02,-1\n"));
            Assert.Equal([new DateTime(2020, 1, 2, 8, 0, 0), new DateTime(2020, 1, 2, 23, 59, 59)], news.Select(item => item.Published));
            Assert.Equal(news, ToldNews.Read(Write("published,tone\n2020/1/2 8:00:00,0.5\n20200102,-1\n")));
            Assert.Equal(news[0], ToldNews.Read(Write("published,tone\n2020-01-02T08:00:00.000,0.5\n")).Single());

            void Refused(Action read, string fault) => Assert.Contains(fault, Assert.Throws<InvalidDataException>(read).Message, StringComparison.Ordinal);
            foreach (var tone in (string[])["2", "-1.1", "NaN", "Infinity", "good"]) Refused(() => ToldNews.Read(Write($"published,tone\n2020-01-02,{tone}")), $"a.csv:2: expected a tone of -1 to 1, found '{tone}'");
            foreach (var time in (string[])["2020-01-02T08:00:00Z", "2020-01-02T08:00:00+08:00", "2020-01-02 08:00 GMT", "08:00", "01/02/2020 08:00"])
                Refused(() => ToldNews.Read(Write($"published,tone\n{time},1")), $"a.csv:2: expected a date, or a date and time of the exchange without a zone such as 2020-01-31 08:30, found '{time}'");
            Refused(() => ToldNews.Read(Write("published,tone\n0001-01-01,1")), "a.csv:2: expected a year from 1602 on, found '0001-01-01'");
            Refused(() => ToldNews.Read(Write("published,tone\n")), "a.csv: has no records");
            Refused(() => DailyBar.Read(Write("date,close\n2020-01-03,1\n2020-01-02,1\n2020-01-03,2\n")), "a.csv:4: 2020-01-03 is there a second time");
            Refused(() => DailyBar.Read(Write("date,close\n01/02/2020,1\n")), "a.csv:2: expected a date such as 2020-01-31, found '01/02/2020'");
            DailyBar[] twice = [new(new DateOnly(2020, 1, 2), 3), new(new DateOnly(2020, 1, 2), 3)];
            Assert.StartsWith("bars[1]: 2020-01-02 does not come after 2020-01-02", Assert.Throws<ArgumentException>(() => DirectionDay.Of(twice, [], DirectionTarget.Index)).Message, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Days with one feature, and what they were shows so many days later.</summary>
    private static List<DirectionDay> Days(int count, int endsAfter, Func<int, bool> isUp, Func<int, double> feature)
    {
        var start = new DateOnly(2020, 1, 1);
        return [.. Enumerable.Range(0, count).Select(index =>
        {
            var open = start.AddDays(index).ToDateTime(new TimeOnly(9, 30));
            return new DirectionDay(start.AddDays(index), open, open - Day, start.AddDays(index + endsAfter), [feature(index)], isUp(index));
        })];
    }

    private static double Hits(IReadOnlyList<CalledDay> calls) => calls.Average(call => call.Called == call.IsUp ? 1.0 : 0);

    /// <summary>Returns that nothing tells beforehand, of a size that lasts; news at noon that tell the return of their own day, mostly.</summary>
    private static (IReadOnlyList<DailyBar>, IReadOnlyList<ToldNews>) MakeMarket(int count, int seed)
    {
        var random = new Random(seed);
        var (bars, news, level, size) = (new List<DailyBar>(), new List<ToldNews>(), 100.0, 0.01);
        for (var index = 0; index < count; index++)
        {
            size = Math.Exp((0.98 * Math.Log(size)) + (0.02 * Math.Log(0.01)) + (0.15 * Normal(random)));
            var change = size * Normal(random);
            level *= Math.Exp(change);
            var date = new DateOnly(2010, 1, 1).AddDays(index);
            bars.Add(new DailyBar(date, level));
            news.Add(new ToldNews(date.ToDateTime(new TimeOnly(12, 0)), Math.Clamp((Math.Sign(change) * 0.5) + (0.4 * Normal(random)), -1, 1)));
        }

        return (bars, news);
    }

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
