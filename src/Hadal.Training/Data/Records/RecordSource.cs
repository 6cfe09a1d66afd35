namespace Hadal.Training.Data.Records;

/// <summary>One file of records to learn from: JSON lines, CSV, Parquet or plain text, by the ending of its name.</summary>
public sealed record RecordSource
{
    /// <summary><c>.jsonl</c>, <c>.ndjson</c>, <c>.json</c> (one record a line), <c>.csv</c>, <c>.tsv</c> or <c>.txt</c>, each also with <c>.gz</c>; or <c>.parquet</c>.
    /// Relative paths start at the config file's folder.</summary>
    public required string Path { get; init; }

    /// <summary>Names of columns in the file by the names that are looked for: <c>{ "instruction": "question", "output": "answer" }</c>. Others go by their own name.</summary>
    public IReadOnlyDictionary<string, string>? Columns { get; init; }

    /// <summary>Plain text: a line that stands between records; the empty string for blank lines. Null: the file is one record.</summary>
    public string? Separator { get; init; }
}
