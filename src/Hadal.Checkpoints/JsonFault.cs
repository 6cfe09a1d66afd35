using System.Globalization;
using System.Text.Json;

namespace Hadal.Checkpoints;

/// <summary>Says what is wrong with JSON text so that its author finds the place.</summary>
public static class JsonFault
{
    /// <summary>The reader's sentence behind line and byte, both counted from 1 as editors do; without them where the fault has no place.</summary>
    /// <param name="fault">What a reader of JSON threw.</param>
    /// <exception cref="ArgumentNullException"><paramref name="fault"/> is null.</exception>
    public static string Describe(JsonException fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        var sentence = fault.Message;

        // The framework puts the place behind the sentence, counted from 0.
        foreach (var mark in (string[])[" Path: ", " LineNumber: "])
        {
            var end = sentence.IndexOf(mark, StringComparison.Ordinal);
            if (end >= 0) sentence = sentence[..end];
        }

        sentence = sentence.ReplaceLineEndings(" ").TrimEnd('.', ' ');
        return fault is { LineNumber: { } line, BytePositionInLine: { } position }
            ? string.Create(CultureInfo.InvariantCulture, $"line {line + 1}, byte {position + 1}: {sentence}")
            : sentence;
    }
}
