using System.Text.Json;
using Hadal.Checkpoints;

namespace Hadal.Training.Data.Records;

/// <summary>One JSON object a line; blank lines count and are left out.</summary>
internal static class JsonLines
{
    private const string FirstLine = "line 1, ";

    private static readonly JsonDocumentOptions Syntax = new() { AllowDuplicateProperties = false };

    public static IEnumerable<(long Line, JsonElement Fields, string? Fault)> Read(IEnumerable<TextLine> lines) => lines.Select(Parse).OfType<(long, JsonElement, string?)>();

    private static (long, JsonElement, string?)? Parse(TextLine line)
    {
        var bytes = line.Bytes.Span.Trim(" \t\r"u8);
        if (bytes.IsEmpty) return null;
        if (line.Fault is { } why) return (line.Number, default, why);
        try
        {
            var element = JsonElement.Parse(bytes, Syntax);
            return element.ValueKind == JsonValueKind.Object
                ? (line.Number, element, null)
                : (line.Number, default, $"expected a JSON object, found {DataRecord.Excerpt(element)}{(element.ValueKind == JsonValueKind.Array ? "; write one record a line" : "")}");
        }
        catch (JsonException fault)
        {
            // The record is one line, whose number stands before the fault already.
            var what = JsonFault.Describe(fault);
            if (what.StartsWith(FirstLine, StringComparison.Ordinal)) what = what[FirstLine.Length..];
            return (line.Number, default, $"is no JSON: {what}{(bytes[0] == '[' ? "; a list is written one record a line" : "")}");
        }
    }
}
