using System.Text;
using System.Text.Json;

namespace Hadal.Training.Data.Records;

/// <summary>Plain text, whole or cut at lines that stand between records; each becomes the field <c>text</c>.</summary>
internal static class PlainText
{
    public static IEnumerable<(long Line, JsonElement Fields, string? Fault)> Read(Stream stream, string? separator)
    {
        using var reader = RecordReader.TextOf(stream);
        var text = new StringBuilder();
        var (begin, number) = (1L, 0L);
        while (reader.ReadLine() is { } line)
        {
            number++;
            if (separator is not null && line == separator)
            {
                if (Record(text, begin) is { } record) yield return record;
                text.Clear();
                begin = number + 1;
                continue;
            }

            if (text.Length <= RecordReader.MaxRecordBytes) text.Append(line).Append('\n');
        }

        if (Record(text, begin) is { } last) yield return last;
    }

    private static (long, JsonElement, string?)? Record(StringBuilder text, long begin)
    {
        if (text.Length > RecordReader.MaxRecordBytes) return (begin, default, $"is longer than {RecordReader.MaxRecordBytes} characters; name the line that stands between records as separator");
        var content = text.ToString();
        return string.IsNullOrWhiteSpace(content) ? null : (begin, RecordReader.ObjectOf(writer => writer.WriteString("text", content)), null);
    }
}
