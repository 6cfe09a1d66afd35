using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace Hadal.Training.Data.Records;

/// <summary>Reads records one after the other, so that a file may be larger than memory. What is wrong with one record is said in it, and reading goes on.</summary>
internal static class RecordReader
{
    /// <summary>Bytes of one record at most.</summary>
    internal const int MaxRecordBytes = 64 << 20;

    /// <summary>Bytes of the mark of UTF-32.</summary>
    private const int LongestMark = 4;

    /// <summary>The records of a source in order.</summary>
    /// <param name="source">The source.</param>
    /// <param name="folder">Where relative paths start.</param>
    /// <param name="cancellation">Looked at between records.</param>
    /// <exception cref="TrainingException">The file cannot be read at all, or is of a kind nobody knows; behind the last record: none had a column that the source names.</exception>
    public static IEnumerable<DataRecord> Read(RecordSource source, string folder, CancellationToken cancellation)
    {
        var path = Path.GetFullPath(source.Path, folder);
        var isPacked = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
        var kind = Path.GetExtension(isPacked ? path[..^3] : path).ToLowerInvariant();
        return EnsureColumns(path, source.Columns, kind switch
        {
            ".jsonl" or ".ndjson" or ".json" => Streamed(JsonLines.Read),
            ".csv" => Streamed(lines => SeparatedValues.Read(lines, ',', path)),
            ".tsv" => Streamed(lines => SeparatedValues.Read(lines, '\t', path)),
            ".txt" => Streamed(lines => PlainText.Read(lines, source.Separator)),
            ".parquet" when !isPacked => ParquetRows.Read(path, cancellation).Select(row => new DataRecord(path, row.Line, row.Fields, source.Columns) { ColumnFaults = row.Faults }),
            _ => throw new TrainingException($"{path}: expected a name that ends in .jsonl, .ndjson, .json, .csv, .tsv or .txt (or one of these and .gz), or in .parquet"),
        });

        IEnumerable<DataRecord> Streamed(Func<IEnumerable<TextLine>, IEnumerable<(long, JsonElement, string?)>> read) => Named(Opened(path, isPacked, read, cancellation));

        IEnumerable<DataRecord> Named(IEnumerable<(long Line, JsonElement Fields, string? Fault)> records) =>
            records.Select(record => new DataRecord(path, record.Line, record.Fields, source.Columns) { Fault = record.Fault });
    }

    /// <summary>A column that no record has is a slip of the pen, after which its values would be left out without a word.</summary>
    private static IEnumerable<DataRecord> EnsureColumns(string path, IReadOnlyDictionary<string, string>? columns, IEnumerable<DataRecord> records)
    {
        var missing = (columns ?? new Dictionary<string, string>()).GroupBy(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal).ToDictionary(group => group.Key, group => string.Join(" and ", group), StringComparer.Ordinal);
        DataRecord? last = null;
        foreach (var record in records)
        {
            if (missing.Count > 0 && record.Fault is null)
            {
                foreach (var column in missing.Keys.Where(record.Has).ToList()) missing.Remove(column);
                last = record;
            }

            yield return record;
        }

        if (missing.Count > 0 && last is { } seen)
            throw new TrainingException($"{path}: columns: no record has {string.Join(", ", missing.Select(pair => $"{pair.Key}, which is to be {pair.Value}"))}; the last one has {seen.Names}");
    }

    /// <summary>A JSON object made of names and values.</summary>
    internal static JsonElement ObjectOf(Action<Utf8JsonWriter> writeMembers)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writeMembers(writer);
            writer.WriteEndObject();
        }

        return JsonElement.Parse(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }

    private static IEnumerable<(long Line, JsonElement Fields, string? Fault)> Opened(
        string path, bool isPacked, Func<IEnumerable<TextLine>, IEnumerable<(long, JsonElement, string?)>> read, CancellationToken cancellation)
    {
        using var file = RegularFile.Open(path, path);
        using var records = read(Lines()).GetEnumerator();
        while (MoveNext(path, records))
        {
            cancellation.ThrowIfCancellationRequested();
            yield return records.Current;
        }

        IEnumerable<TextLine> Lines()
        {
            var encoding = TextLines.EncodingOf(FirstBytes());
            file.Position = 0;
            using Stream unpacked = isPacked ? new GZipStream(file, CompressionMode.Decompress) : file;
            using var stream = encoding is null ? unpacked : Encoding.CreateTranscodingStream(unpacked, encoding, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
            foreach (var line in TextLines.Read(stream, cancellation)) yield return line;
        }

        byte[] FirstBytes()
        {
            using var unpacked = isPacked ? new GZipStream(file, CompressionMode.Decompress, leaveOpen: true) : null;
            var bytes = new byte[LongestMark];
            return bytes[..((Stream?)unpacked ?? file).ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)];
        }
    }

    private static bool MoveNext(string path, IEnumerator<(long, JsonElement, string?)> records)
    {
        try
        {
            return records.MoveNext();
        }
        catch (DecoderFallbackException fault)
        {
            throw new TrainingException($"{path}: begins as UTF-16 or UTF-32 and is none; convert it, for example with iconv -t UTF-8", fault);
        }
        catch (InvalidDataException fault)
        {
            throw new TrainingException($"{path}: is no gzip file, ends early or is damaged; fetch it again", fault);
        }
        catch (IOException fault)
        {
            throw new TrainingException($"{path}: cannot be read: {fault.Message}", fault);
        }
    }
}
