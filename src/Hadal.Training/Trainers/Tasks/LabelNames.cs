using System.Globalization;
using System.Text.Json;
using Hadal.Training.Data.Records;

namespace Hadal.Training.Trainers.Tasks;

/// <summary>Labels as records write them: by name, or by number.</summary>
internal sealed class LabelNames(IReadOnlyList<string> labels)
{
    /// <summary>The names in order.</summary>
    public IReadOnlyList<string> Names { get; } = labels;

    /// <summary>The number of a label.</summary>
    /// <exception cref="BadRecordException">It is none of them.</exception>
    public int IdOf(JsonElement value, string where)
    {
        // Names come first, however they are written: of the labels "1" and "0", 0 is the second.
        var text = value.ValueKind switch
        {
            JsonValueKind.String => DataRecord.Text(value, where),
            JsonValueKind.Number => value.GetRawText(),
            _ => null,
        };
        for (var id = 0; id < Names.Count; id++)
            if (Names[id] == text) return id;

        // 1.0 is a number of a label, as spreadsheets write it.
        if (DataRecord.TryNumber(value, out var number) && double.IsInteger(number) && Math.Abs(number) <= int.MaxValue) text = number.ToString("F0", CultureInfo.InvariantCulture);
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var written) && written < Names.Count) return written;
        throw new BadRecordException($"{where}: expected one of {string.Join(", ", Names.Take(12))}, or 0 to {Names.Count - 1}, found {DataRecord.Excerpt(value)}");
    }
}
