using System.Text.Json;

namespace Hadal.Training.Data.Records;

/// <summary>A record of a file as texts by name, for programs with tables of their own: they are read, and faults are said, as a trainer's records are.</summary>
public sealed class TableRecord
{
    private readonly DataRecord _record;

    private TableRecord(DataRecord record) => _record = record;

    /// <summary>Path and line (in a Parquet file the row), for messages.</summary>
    public string Where => FormattableString.Invariant($"{_record.Path}:{_record.Line}");

    /// <summary>A value that must be there.</summary>
    /// <param name="name">Name of its column.</param>
    /// <exception cref="TrainingException">It is missing, null or cannot be read.</exception>
    public string this[string name] => Find(name) ?? throw new TrainingException(_record.Describe(_record.Missing(name).Message));

    /// <summary>The records of a file in order; it may be larger than memory.</summary>
    /// <param name="path">A name with an ending of <see cref="RecordSource.Path"/>; relative ones start at the current directory.</param>
    /// <exception cref="TrainingException">The file, or a record of it, cannot be read.</exception>
    public static IEnumerable<TableRecord> Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return RecordReader.Read(new RecordSource { Path = path }, Directory.GetCurrentDirectory(), CancellationToken.None)
            .Select(record => record.Fault is null ? new TableRecord(record) : throw new TrainingException(record.Describe(record.Fault)));
    }

    /// <summary>A value: a text as it is, anything else as JSON has it; null where it is missing or null.</summary>
    /// <param name="name">Name of its column.</param>
    /// <exception cref="TrainingException">It cannot be read.</exception>
    public string? Find(string name)
    {
        try
        {
            return !_record.TryGet(name, out var value) ? null : value.ValueKind == JsonValueKind.String ? DataRecord.Text(value, name) : value.GetRawText();
        }
        catch (BadRecordException fault)
        {
            throw new TrainingException(_record.Describe(fault.Message), fault);
        }
    }
}
