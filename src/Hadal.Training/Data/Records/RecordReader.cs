using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace Hadal.Training.Data.Records;

/// <summary>Reads records one after the other, so that a file may be larger than memory. What is wrong with one record is said in it, and reading goes on.</summary>
internal static class RecordReader
{
    /// <summary>Bytes of one record at most.</summary>
    internal const int MaxRecordBytes = 64 << 20;

    /// <summary>The records of a source in order.</summary>
    /// <param name="source">The source.</param>
    /// <param name="folder">Where relative paths start.</param>
    /// <param name="cancellation">Looked at between records.</param>
    /// <exception cref="TrainingException">The file cannot be read at all, or is of a kind nobody knows.</exception>
    public static IEnumerable<DataRecord> Read(RecordSource source, string folder, CancellationToken cancellation)
    {
        var path = Path.GetFullPath(source.Path, folder);
        var isPacked = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
        var kind = Path.GetExtension(isPacked ? path[..^3] : path).ToLowerInvariant();
        return kind switch
        {
            ".jsonl" or ".ndjson" or ".json" => Streamed(JsonLines.Read),
            ".csv" => Streamed((stream, _) => SeparatedValues.Read(stream, ',', path)),
            ".tsv" => Streamed((stream, _) => SeparatedValues.Read(stream, '\t', path)),
            ".txt" => Streamed((stream, _) => PlainText.Read(stream, source.Separator)),
            ".parquet" when !isPacked => ParquetRows.Read(path, cancellation).Select(row => new DataRecord(path, row.Line, row.Fields, source.Columns) { ColumnFaults = row.Faults }),
            _ => throw new TrainingException($"{path}: expected a name that ends in .jsonl, .ndjson, .json, .csv, .tsv or .txt (or one of these and .gz), or in .parquet"),
        };

        IEnumerable<DataRecord> Streamed(Func<Stream, CancellationToken, IEnumerable<(long, JsonElement, string?)>> read) => Named(Opened(path, isPacked, read, cancellation));

        IEnumerable<DataRecord> Named(IEnumerable<(long Line, JsonElement Fields, string? Fault)> records) =>
            records.Select(record => new DataRecord(path, record.Line, record.Fields, source.Columns) { Fault = record.Fault });
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

    /// <summary>A reader of text that takes UTF-8 and nothing else.</summary>
    internal static StreamReader TextOf(Stream stream) => new(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: true, bufferSize: 1 << 16);

    private static IEnumerable<(long Line, JsonElement Fields, string? Fault)> Opened(
        string path, bool isPacked, Func<Stream, CancellationToken, IEnumerable<(long, JsonElement, string?)>> read, CancellationToken cancellation)
    {
        using var file = RegularFile.Open(path, path);
        using Stream stream = isPacked ? new GZipStream(file, CompressionMode.Decompress) : file;
        using var records = read(stream, cancellation).GetEnumerator();
        while (MoveNext(path, records))
        {
            cancellation.ThrowIfCancellationRequested();
            yield return records.Current;
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
            throw new TrainingException($"{path}: expected UTF-8 text, found other bytes; convert it, for example with iconv -t UTF-8", fault);
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
