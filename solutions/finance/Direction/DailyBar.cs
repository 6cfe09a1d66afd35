using System.Globalization;
using Hadal.Finance.Data;

namespace Hadal.Finance.Direction;

/// <summary>A day of trading.</summary>
/// <param name="Date">The day.</param>
/// <param name="Close">Level at its end.</param>
public sealed record DailyBar(DateOnly Date, double Close)
{
    private static readonly string[] DateNames = ["date", "日期"], CloseNames = ["close", "收盘价"];

    /// <summary>Reads a CSV file with the columns <c>date</c> and <c>close</c> (or 日期 and 收盘价), in any order of days.</summary>
    /// <exception cref="InvalidDataException">A column is missing, or a value is no date or no positive number.</exception>
    public static IReadOnlyList<DailyBar> Read(string path)
    {
        var rows = NewsFiles.Rows(path);
        var (date, close) = (Column(rows[0], DateNames, path), Column(rows[0], CloseNames, path));
        return [.. rows.Skip(1).Select((row, index) => Parse(row, date, close, string.Create(CultureInfo.InvariantCulture, $"{path}: record {index + 1}"))).OrderBy(bar => bar.Date)];
    }

    private static int Column(IReadOnlyList<string> header, string[] names, string path) =>
        NewsFiles.ColumnOf(header, names.FirstOrDefault(name => header.Any(column => column.Trim('\uFEFF', ' ') == name)) ?? names[0], path);

    private static DailyBar Parse(IReadOnlyList<string> row, int date, int close, string where)
    {
        if (row.Count <= Math.Max(date, close)) throw new InvalidDataException($"{where}: expected a date and a close, found {row.Count} fields");
        if (!DateOnly.TryParse(row[date], CultureInfo.InvariantCulture, out var day)) throw new InvalidDataException($"{where}: expected a date, found '{row[date]}'");
        return double.TryParse(row[close], NumberStyles.Float, CultureInfo.InvariantCulture, out var level) && level > 0 && double.IsFinite(level)
            ? new DailyBar(day, level)
            : throw new InvalidDataException($"{where}: expected a positive close, found '{row[close]}'");
    }
}

/// <summary>A piece of news with its tone.</summary>
/// <param name="Published">When everybody could read it, in the time of the exchange. Where only the day is known: its end.</param>
/// <param name="Tone">−1 bad to 1 good.</param>
public sealed record ToldNews(DateTime Published, double Tone)
{
    private static readonly TimeSpan EndOfDay = new(23, 59, 59);

    /// <summary>Reads a CSV file with the columns <c>published</c> (a date, or a date and time of the exchange) and <c>tone</c>.</summary>
    /// <exception cref="InvalidDataException">A column is missing or a value is something else.</exception>
    public static IReadOnlyList<ToldNews> Read(string path)
    {
        var rows = NewsFiles.Rows(path);
        var (published, tone) = (NewsFiles.ColumnOf(rows[0], "published", path), NewsFiles.ColumnOf(rows[0], "tone", path));
        return [.. rows.Skip(1).Select((row, index) => Parse(row, published, tone, string.Create(CultureInfo.InvariantCulture, $"{path}: record {index + 1}")))];
    }

    private static ToldNews Parse(IReadOnlyList<string> row, int published, int tone, string where)
    {
        if (row.Count <= Math.Max(published, tone)) throw new InvalidDataException($"{where}: expected published and tone, found {row.Count} fields");
        if (!double.TryParse(row[tone], NumberStyles.Float, CultureInfo.InvariantCulture, out var value) || Math.Abs(value) > 1) throw new InvalidDataException($"{where}: expected a tone of -1 to 1, found '{row[tone]}'");

        // Of a bare date nobody knows when: it counts as known when the day is over.
        if (DateOnly.TryParseExact(row[published], "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)) return new ToldNews(day.ToDateTime(TimeOnly.MinValue) + EndOfDay, value);
        return DateTime.TryParse(row[published], CultureInfo.InvariantCulture, DateTimeStyles.None, out var time) ? new ToldNews(time, value) : throw new InvalidDataException($"{where}: expected a date and time, found '{row[published]}'");
    }
}
