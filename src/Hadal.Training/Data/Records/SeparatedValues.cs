using System.Text;
using System.Text.Json;

namespace Hadal.Training.Data.Records;

/// <summary>Comma- or tab-separated values with a line of names, quoted as RFC 4180 has it; all values are text.</summary>
/// <remarks>A row whose quotes do not come out may be one line that lost a quotation mark: only its first line is bad, and reading goes on behind that.</remarks>
internal static class SeparatedValues
{
    public static IEnumerable<(long Line, JsonElement Fields, string? Fault)> Read(IEnumerable<TextLine> lines, char separator, string path)
    {
        using var source = lines.GetEnumerator();
        var rows = new Rows(source, separator);
        if (rows.Next(null) is not { } header) yield break;
        if (header.Fault is not null || header.Values.Distinct().Count() < header.Values.Count)
            throw new TrainingException($"{path}:1: the line of names: {header.Fault ?? "expected different names"}, found {string.Join(", ", header.Values.Take(12))}");
        while (rows.Next(header.Values.Count) is { } row)
        {
            if (row.Fault is not null) yield return (row.Line, default, row.Fault);
            else if (row.Values is not [""]) yield return (row.Line, RecordReader.ObjectOf(writer => Write(writer, header.Values, row.Values)), null);
        }
    }

    private static void Write(Utf8JsonWriter writer, List<string> names, List<string> values)
    {
        for (var column = 0; column < names.Count; column++) writer.WriteString(names[column], values[column]);
    }

    private sealed record Row(long Line, List<string> Values, string? Fault);

    /// <summary>A line as text, without its end.</summary>
    private sealed record Line(long Number, string Text, string? Fault);

    private sealed class Rows(IEnumerator<TextLine> source, char separator)
    {
        private readonly Stack<Line> _again = new();
        private readonly List<string> _values = [];
        private readonly StringBuilder _value = new();
        private bool _isQuoted;
        private bool _wasQuoted;

        /// <summary>The next row, or null at the end.</summary>
        /// <param name="expectedValues">How many values it should have; null for any number.</param>
        public Row? Next(int? expectedValues)
        {
            _values.Clear();
            _value.Clear();
            (_isQuoted, _wasQuoted) = (false, false);
            var taken = new List<Line>();
            var size = 0L;
            string? fault = null;
            do
            {
                if (NextLine() is not { } line)
                {
                    if (taken.Count == 0) return null;
                    fault = "a quotation mark is never closed";
                    break;
                }

                taken.Add(line);
                size += line.Text.Length + 1;
                fault = size > RecordReader.MaxRecordBytes ? $"is longer than {RecordReader.MaxRecordBytes} characters" : Take(line.Text);
            }
            while (fault is null && _isQuoted);
            if (fault is null)
            {
                _values.Add(_value.ToString());
                if (expectedValues is { } expected && _values.Count != expected && _values is not [""])
                    fault = FormattableString.Invariant($"expected {expected} values, as the first line has names, found {_values.Count}");
            }

            if (fault is null)
            {
                var bad = taken.Find(line => line.Fault is not null);
                return new Row(bad?.Number ?? taken[0].Number, [.. _values], bad?.Fault);
            }

            // What was taken for the inside of a value is read again, as the rows it may be.
            for (var index = taken.Count - 1; index > 0; index--) _again.Push(taken[index]);
            return new Row(taken[0].Number, [.. _values], taken[0].Fault ?? fault);
        }

        /// <summary>Reads a line into the row, up to its end or to what is wrong with it.</summary>
        private string? Take(string text)
        {
            for (var index = 0; index < text.Length; index++)
            {
                var read = text[index];
                if (_isQuoted)
                {
                    if (read != '"') _value.Append(read);
                    else if (index + 1 < text.Length && text[index + 1] == '"') _value.Append(text[index++]);
                    else _isQuoted = false;
                }
                else if (read == separator)
                {
                    _values.Add(_value.ToString());
                    _value.Clear();
                    _wasQuoted = false;
                }
                else if (read == '"' && _value.Length == 0 && !_wasQuoted)
                {
                    (_isQuoted, _wasQuoted) = (true, true);
                }
                else if (!_wasQuoted)
                {
                    _value.Append(read);
                }
                else if (read != '\r' || index + 1 < text.Length)
                {
                    return "text follows a closing quotation mark";
                }
            }

            if (_isQuoted) _value.Append('\n');
            else if (!_wasQuoted && _value.Length > 0 && _value[^1] == '\r' && text.EndsWith('\r')) _value.Length--;
            return null;
        }

        private Line? NextLine()
        {
            if (_again.TryPop(out var again)) return again;
            if (!source.MoveNext()) return null;
            var line = source.Current;
            return new Line(line.Number, line.IsTooLong ? "" : line.ToString(), line.Fault);
        }
    }
}
