using System.Text;
using System.Text.Json;

namespace Hadal.Training.Data.Records;

/// <summary>Comma- or tab-separated values with a line of names, quoted as RFC 4180 has it; all values are text.</summary>
internal static class SeparatedValues
{
    public static IEnumerable<(long Line, JsonElement Fields, string? Fault)> Read(Stream stream, char separator, string path)
    {
        using var reader = RecordReader.TextOf(stream);
        var rows = new Rows(reader, separator);
        if (rows.Next() is not { } header) yield break;
        if (header.Fault is not null || header.Values.Distinct().Count() < header.Values.Count)
            throw new TrainingException($"{path}:1: the line of names: {header.Fault ?? "expected different names"}, found {string.Join(", ", header.Values.Take(12))}");
        while (rows.Next() is { } row)
        {
            if (row.Fault is not null) yield return (row.Line, default, row.Fault);
            else if (row.Values is [""]) continue;
            else if (row.Values.Count != header.Values.Count) yield return (row.Line, default, $"expected {header.Values.Count} values, as the first line has names, found {row.Values.Count}");
            else yield return (row.Line, RecordReader.ObjectOf(writer => Write(writer, header.Values, row.Values)), null);
        }
    }

    private static void Write(Utf8JsonWriter writer, List<string> names, List<string> values)
    {
        for (var column = 0; column < names.Count; column++) writer.WriteString(names[column], values[column]);
    }

    private sealed record Row(long Line, List<string> Values, string? Fault);

    private sealed class Rows(StreamReader reader, char separator)
    {
        private long _line = 1;

        /// <summary>The next row, or null at the end.</summary>
        public Row? Next()
        {
            if (reader.Peek() < 0) return null;
            var begin = _line;
            var values = new List<string>();
            var value = new StringBuilder();
            var size = 0L;
            string? fault = null;
            var (isQuoted, wasQuoted) = (false, false);
            while (true)
            {
                var read = reader.Read();
                if (read == '\n') _line++;
                if (++size > RecordReader.MaxRecordBytes)
                {
                    fault = $"is longer than {RecordReader.MaxRecordBytes} characters";
                    value.Clear();
                }

                if (isQuoted)
                {
                    if (read < 0)
                    {
                        fault ??= "a quotation mark is never closed";
                        break;
                    }

                    if (read != '"') value.Append((char)read);
                    else if (reader.Peek() == '"') value.Append((char)reader.Read());
                    else isQuoted = false;
                    continue;
                }

                if (read < 0 || read == '\n') break;
                if (read == '\r' && reader.Peek() is '\n' or -1) continue;
                if (read == separator)
                {
                    values.Add(value.ToString());
                    value.Clear();
                    wasQuoted = false;
                }
                else if (read == '"' && value.Length == 0 && !wasQuoted)
                {
                    (isQuoted, wasQuoted) = (true, true);
                }
                else
                {
                    if (wasQuoted) fault ??= "text follows a closing quotation mark";
                    value.Append((char)read);
                }
            }

            values.Add(value.ToString());
            return new Row(begin, values, fault);
        }
    }
}
