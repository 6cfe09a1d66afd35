using System.Text.Json;
using System.Text.Unicode;
using Hadal.Checkpoints;

namespace Hadal.Training.Data.Records;

/// <summary>One JSON object a line; blank lines count and are left out.</summary>
internal static class JsonLines
{
    private static readonly JsonDocumentOptions Syntax = new() { AllowDuplicateProperties = false };

    public static IEnumerable<(long Line, JsonElement Fields, string? Fault)> Read(Stream stream, CancellationToken cancellation)
    {
        var line = new MemoryStream();
        var block = new byte[1 << 16];
        var number = 1L;
        var isTooLong = false;
        for (int count; (count = stream.Read(block)) > 0;)
        {
            cancellation.ThrowIfCancellationRequested();
            for (var begin = 0; begin < count;)
            {
                var length = block.AsSpan(begin, count - begin).IndexOf((byte)'\n');
                var part = length < 0 ? count - begin : length;
                isTooLong |= line.Length + part > RecordReader.MaxRecordBytes;
                if (!isTooLong) line.Write(block, begin, part);
                begin += part + 1;
                if (length < 0) continue;
                if (Parse(line, number, isTooLong) is { } record) yield return record;
                line.SetLength(0);
                (isTooLong, number) = (false, number + 1);
            }
        }

        if (Parse(line, number, isTooLong) is { } last) yield return last;
    }

    private static (long, JsonElement, string?)? Parse(MemoryStream line, long number, bool isTooLong)
    {
        if (isTooLong) return (number, default, $"is longer than {RecordReader.MaxRecordBytes} bytes");
        var bytes = line.GetBuffer().AsSpan(0, (int)line.Length);
        if (number == 1 && bytes.StartsWith("\uFEFF"u8)) bytes = bytes["\uFEFF"u8.Length..];
        bytes = bytes.Trim(" \t\r"u8);
        if (bytes.IsEmpty) return null;
        if (!Utf8.IsValid(bytes)) return (number, default, "is no UTF-8");
        try
        {
            var element = JsonElement.Parse(bytes, Syntax);
            return element.ValueKind == JsonValueKind.Object
                ? (number, element, null)
                : (number, default, $"expected a JSON object, found {DataRecord.Excerpt(element)}{(element.ValueKind == JsonValueKind.Array ? "; write one record a line" : "")}");
        }
        catch (JsonException fault)
        {
            return (number, default, $"is no JSON: {JsonFault.Describe(fault)}{(bytes[0] == '[' ? "; a list is written one record a line" : "")}");
        }
    }
}
