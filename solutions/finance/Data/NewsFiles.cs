using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace Hadal.Finance.Data;

/// <summary>Reads labelled news of one's own: JSON lines with <c>text</c> and <c>label</c>, or CSV with such columns, also packed (<c>.gz</c>).</summary>
public static class NewsFiles
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">A name that ends in <c>.jsonl</c> or <c>.csv</c>, or one of these and <c>.gz</c>.</param>
    /// <exception cref="InvalidDataException">A record is not as expected, the message names its line; or there is none.</exception>
    public static IReadOnlyList<LabelledText> Read(string path) =>
        Texts(path) is { Count: > 0 } texts ? texts : throw new InvalidDataException($"{path}: has no records, expected labelled news");

    private static IReadOnlyList<LabelledText> Texts(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var name = path.EndsWith(".gz", StringComparison.Ordinal) ? path[..^3] : path;
        if (name.EndsWith(".jsonl", StringComparison.Ordinal)) return [.. Lines(path).Select((line, index) => FromJson(line, $"{path}:{index + 1}"))];
        if (!name.EndsWith(".csv", StringComparison.Ordinal)) throw new InvalidDataException($"{path}: expected a name that ends in .jsonl or .csv (or one of these and .gz)");
        var rows = Rows(path);
        var (text, label) = (ColumnOf(rows[0], "text", path), ColumnOf(rows[0], "label", path));
        return [.. rows.Skip(1).Select((row, index) => FromRow(row, text, label, $"{path}: record {index + 1}"))];
    }

    /// <summary>The rows of a CSV file: fields apart by commas, in double quotes where they contain commas, quotes (doubled) or line ends.</summary>
    /// <exception cref="InvalidDataException">The file is empty, or a quote stays open.</exception>
    public static IReadOnlyList<IReadOnlyList<string>> Rows(string path)
    {
        using var reader = Open(path);
        var (rows, row, field, isQuoted) = (new List<IReadOnlyList<string>>(), new List<string>(), new StringBuilder(), false);
        for (var next = reader.Read(); next >= 0; next = reader.Read())
        {
            var letter = (char)next;
            if (isQuoted)
            {
                if (letter != '"') field.Append(letter);
                else if (reader.Peek() == '"') field.Append((char)reader.Read());
                else isQuoted = false;
            }
            else if (letter == '"' && field.Length == 0) isQuoted = true;
            else if (letter == ',') EndField();
            else if (letter == '\n') EndRow();
            else if (letter != '\r') field.Append(letter);
        }

        if (isQuoted) throw new InvalidDataException($"{path}: a field in quotes has no end; expected a closing quote");
        if (field.Length > 0 || row.Count > 0) EndRow();
        return rows.Count > 0 ? rows : throw new InvalidDataException($"{path}: is empty, expected a line with the names of columns");

        void EndField()
        {
            row.Add(field.ToString());
            field.Clear();
        }

        void EndRow()
        {
            EndField();
            rows.Add(row);
            row = [];
        }
    }

    /// <summary>Index of a named column.</summary>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public static int ColumnOf(IReadOnlyList<string> header, string name, string path)
    {
        ArgumentNullException.ThrowIfNull(header);
        var index = header.ToList().FindIndex(column => column.Trim('\uFEFF', ' ') == name);
        return index >= 0 ? index : throw new InvalidDataException($"{path}: expected a column '{name}', found {string.Join(", ", header)}");
    }

    internal static StreamReader Open(string path)
    {
        Stream stream = File.OpenRead(path);
        return new StreamReader(path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(stream, CompressionMode.Decompress) : stream, Encoding.UTF8);
    }

    private static IEnumerable<string> Lines(string path)
    {
        using var reader = Open(path);
        while (reader.ReadLine() is { } line)
            if (line.Length > 0) yield return line;
    }

    private static LabelledText FromJson(string line, string where)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var (text, label) = (document.RootElement.GetProperty("text").GetString(), document.RootElement.GetProperty("label"));
            if (string.IsNullOrWhiteSpace(text)) throw new InvalidDataException($"{where}: text is empty, expected something to label");
            return new LabelledText(text, SentimentLabels.IndexOf(label.ValueKind == JsonValueKind.Number ? label.GetRawText() : label.GetString() ?? "", where));
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new InvalidDataException($"{where}: expected an object with text and label: {fault.Message}", fault);
        }
    }

    private static LabelledText FromRow(IReadOnlyList<string> row, int text, int label, string where)
    {
        if (row.Count <= Math.Max(text, label)) throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"{where}: expected {Math.Max(text, label) + 1} fields or more, found {row.Count}"));
        return string.IsNullOrWhiteSpace(row[text]) ? throw new InvalidDataException($"{where}: text is empty, expected something to label") : new LabelledText(row[text], SentimentLabels.IndexOf(row[label], where));
    }
}
