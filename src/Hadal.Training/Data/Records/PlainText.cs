using System.Text;
using System.Text.Json;

namespace Hadal.Training.Data.Records;

/// <summary>Plain text, whole or cut at lines that stand between records; each becomes the field <c>text</c>.</summary>
internal static class PlainText
{
    public static IEnumerable<(long Line, JsonElement Fields, string? Fault)> Read(IEnumerable<TextLine> lines, string? separator)
    {
        var text = new StringBuilder();
        var begin = 1L;
        (long Line, string Text)? fault = null;
        foreach (var line in lines)
        {
            var content = line.ToString();
            if (content.EndsWith('\r')) content = content[..^1];
            if (separator is not null && content == separator)
            {
                if (Record(text, begin, fault) is { } record) yield return record;
                text.Clear();
                (begin, fault) = (line.Number + 1, null);
                continue;
            }

            if (line.Fault is { } why) fault ??= (line.Number, why);
            if (text.Length <= RecordReader.MaxRecordBytes) text.Append(content).Append('\n');
        }

        if (Record(text, begin, fault) is { } last) yield return last;
    }

    private static (long, JsonElement, string?)? Record(StringBuilder text, long begin, (long Line, string Text)? fault)
    {
        if (fault is { } found) return (found.Line, default, found.Text);
        if (text.Length > RecordReader.MaxRecordBytes) return (begin, default, $"is longer than {RecordReader.MaxRecordBytes} characters; name the line that stands between records as separator");
        var content = text.ToString();
        return string.IsNullOrWhiteSpace(content) ? null : (begin, RecordReader.ObjectOf(writer => writer.WriteString("text", content)), null);
    }
}
