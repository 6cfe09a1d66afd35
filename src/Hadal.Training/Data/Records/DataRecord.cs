using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Hadal.Training.Data.Records;

/// <summary>One record of a file, or what is wrong with it.</summary>
/// <param name="Path">Full path of the file.</param>
/// <param name="Line">Line it begins in, from 1; in a Parquet file the number of its row.</param>
/// <param name="Fields">A JSON object; undefined where there is a fault.</param>
/// <param name="Columns">Names of columns by the names that are looked for, or null.</param>
internal readonly record struct DataRecord(string Path, long Line, JsonElement Fields, IReadOnlyDictionary<string, string>? Columns)
{
    /// <summary>Why it cannot be read, or null.</summary>
    public string? Fault { get; init; }

    /// <summary>Columns whose value in this record cannot be read, and why; null where all can.</summary>
    public IReadOnlyDictionary<string, string>? ColumnFaults { get; init; }

    /// <summary>Finds a field that is there and not null.</summary>
    /// <exception cref="BadRecordException">It is there and cannot be read.</exception>
    public bool TryGet(string name, out JsonElement value)
    {
        value = default;
        if (ColumnFaults is not null && ColumnFaults.TryGetValue(ColumnOf(name), out var fault)) throw new BadRecordException(fault);
        return Fields.ValueKind == JsonValueKind.Object && Fields.TryGetProperty(ColumnOf(name), out value) && value.ValueKind != JsonValueKind.Null;
    }

    /// <summary>A text that may be left out.</summary>
    /// <exception cref="BadRecordException">It is something else.</exception>
    public string? TextOrNull(string name) => TryGet(name, out var value) ? Text(value, ColumnOf(name)) : null;

    /// <summary>A text.</summary>
    /// <exception cref="BadRecordException">It is missing or something else.</exception>
    public string Text(string name) => TextOrNull(name) ?? throw Missing(name);

    /// <summary>What to say where a field is missing.</summary>
    public BadRecordException Missing(string name) => new(Has(ColumnOf(name)) ? $"{ColumnOf(name)}: is null" : $"{ColumnOf(name)}: missing; the record has {Names}");

    /// <summary>Whether there is a column of this name, whatever it holds.</summary>
    internal bool Has(string column) => (Fields.ValueKind == JsonValueKind.Object && Fields.TryGetProperty(column, out _)) || ColumnFaults?.ContainsKey(column) == true;

    /// <summary>Names of the first columns, for messages.</summary>
    internal string Names => Fields.ValueKind == JsonValueKind.Object && Fields.EnumerateObject().Select(member => member.Name).Take(12).ToList() is { Count: > 0 } names ? string.Join(", ", names) : "nothing";

    /// <summary>A JSON string as text.</summary>
    /// <exception cref="BadRecordException">It is something else.</exception>
    public static string Text(JsonElement value, string where)
    {
        if (value.ValueKind != JsonValueKind.String) throw new BadRecordException($"{where}: expected text, found {Excerpt(value)}");
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException fault)
        {
            throw new BadRecordException($"{where}: expected Unicode text, found half of a surrogate pair", fault);
        }
    }

    /// <summary>A JSON number; false for anything else.</summary>
    public static bool TryNumber(JsonElement value, out double number)
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out number);
    }

    /// <summary>The beginning of a value, for messages.</summary>
    public static string Excerpt(JsonElement value) => value.GetRawText() is { Length: > 60 } text ? text[..60] + "…" : value.GetRawText();

    /// <summary>Where it stands and what is wrong with it.</summary>
    public string Describe(string fault) => FormattableString.Invariant($"{Path}:{Line}: {fault}");

    private string ColumnOf(string name) => Columns is not null && Columns.TryGetValue(name, out var column) ? column : name;
}

/// <summary>A record that nothing can be learnt from. The message says what and why, not where.</summary>
[SuppressMessage("Design", "CA1064:Exceptions should be public", Justification = "It never leaves the reading of data.")]
[SuppressMessage("Design", "CA1032:Implement standard exception constructors", Justification = "It never leaves the reading of data.")]
internal sealed class BadRecordException(string message, Exception? inner = null) : Exception(message, inner);
