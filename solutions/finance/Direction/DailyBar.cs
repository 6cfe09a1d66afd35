using System.Globalization;
using Hadal.Finance.Data;
using Hadal.Training.Data.Records;

namespace Hadal.Finance.Direction;

/// <summary>A day of trading.</summary>
/// <param name="Date">The day.</param>
/// <param name="Close">Level at its end.</param>
public sealed record DailyBar(DateOnly Date, double Close)
{
    /// <summary>The year comes first: 01/02/2020 is one day in some countries and another in others.</summary>
    internal static readonly string[] DateFormats = ["yyyy-M-d", "yyyy/M/d", "yyyyMMdd"];

    /// <summary>Reads a file with the columns <c>date</c> (2020-01-31, 2020/1/31 or 20200131) and <c>close</c> (or 日期 and 收盘价), in any order of days.</summary>
    /// <exception cref="InvalidDataException">A value is no date or no positive number, a day is there twice, or there is none.</exception>
    /// <exception cref="Training.TrainingException">The file, or a record of it, cannot be read, or a column is missing.</exception>
    public static IReadOnlyList<DailyBar> Read(string path)
    {
        var bars = NewsFiles.Records(path).Select(record => (Bar: Parse(record), record.Where)).OrderBy(row => row.Bar.Date).ToList();
        for (var index = 1; index < bars.Count; index++)
            if (bars[index].Bar.Date == bars[index - 1].Bar.Date) throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"{bars[index].Where}: {bars[index].Bar.Date:yyyy-MM-dd} is there a second time, expected each day once"));
        return [.. bars.Select(row => row.Bar)];
    }

    private static DailyBar Parse(TableRecord record)
    {
        var (date, close) = (record.Find("date") ?? record.Find("日期") ?? record["date"], record.Find("close") ?? record.Find("收盘价") ?? record["close"]);
        if (!DateOnly.TryParseExact(date, DateFormats, CultureInfo.InvariantCulture, DateTimeStyles.AllowWhiteSpaces, out var day)) throw new InvalidDataException($"{record.Where}: expected a date such as 2020-01-31, found '{date}'");
        return double.TryParse(close, NumberStyles.Float, CultureInfo.InvariantCulture, out var level) && level > 0 && double.IsFinite(level)
            ? new DailyBar(day, level)
            : throw new InvalidDataException($"{record.Where}: expected a positive close, found '{close}'");
    }
}

/// <summary>A piece of news with its tone.</summary>
/// <param name="Published">When everybody could read it, in the time of the exchange. Where only the day is known: its end.</param>
/// <param name="Tone">−1 bad to 1 good.</param>
public sealed record ToldNews(DateTime Published, double Tone)
{
    /// <summary>When trading in shares began, in Amsterdam: an earlier date is a mistake.</summary>
    private const int FirstYear = 1602;

    private static readonly TimeSpan EndOfDay = new(23, 59, 59);
    private static readonly string[] TimeFormats = [.. from date in DailyBar.DateFormats from between in (string[])["' '", "'T'"] from time in (string[])["H:mm", "H:mm:ss", "H:mm:ss.FFFFFFF"] select date + between + time];

    /// <summary>Reads a file with the columns <c>published</c> (a date, or a date and time of the exchange such as 2020-01-31 08:30) and <c>tone</c>.</summary>
    /// <exception cref="InvalidDataException">A value is something else, a time with a zone among them, or there is none.</exception>
    /// <exception cref="Training.TrainingException">The file, or a record of it, cannot be read, or a column is missing.</exception>
    public static IReadOnlyList<ToldNews> Read(string path) => [.. NewsFiles.Records(path).Select(Parse)];

    private static ToldNews Parse(TableRecord record)
    {
        var (published, tone) = (record["published"], record["tone"]);
        if (!double.TryParse(tone, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) || value is not (>= -1 and <= 1)) throw new InvalidDataException($"{record.Where}: expected a tone of -1 to 1, found '{tone}'");
        if (Time(published) is not { } time) throw new InvalidDataException($"{record.Where}: expected a date, or a date and time of the exchange without a zone such as 2020-01-31 08:30, found '{published}'");
        return time.Year >= FirstYear ? new ToldNews(time, value) : throw new InvalidDataException($"{record.Where}: expected a year from {FirstYear} on, found '{published}'");
    }

    /// <summary>Null for anything else. A time with a zone would need that of the exchange beside it; read in this machine's, it would depend on where it is read.</summary>
    private static DateTime? Time(string published)
    {
        // Of a bare date nobody knows when: it counts as known when the day is over.
        if (DateOnly.TryParseExact(published, DailyBar.DateFormats, CultureInfo.InvariantCulture, DateTimeStyles.AllowWhiteSpaces, out var day)) return day.ToDateTime(TimeOnly.MinValue) + EndOfDay;
        return DateTime.TryParseExact(published, TimeFormats, CultureInfo.InvariantCulture, DateTimeStyles.AllowWhiteSpaces, out var time) ? time : null;
    }
}
