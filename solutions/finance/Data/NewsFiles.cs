using System.IO.Compression;
using System.Text;
using Hadal.Training.Data.Records;

namespace Hadal.Finance.Data;

/// <summary>Reads labelled news of one's own: records with <c>text</c> and <c>label</c>.</summary>
public static class NewsFiles
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">JSON lines, CSV, TSV or Parquet, by the ending of its name as for <c>hadal-train</c>.</param>
    /// <exception cref="InvalidDataException">A record has no text or none of the labels, the message names its line; or there is none.</exception>
    /// <exception cref="Training.TrainingException">The file, or a record of it, cannot be read.</exception>
    public static IReadOnlyList<LabelledText> Read(string path) => [.. Records(path).Select(record => string.IsNullOrWhiteSpace(record["text"])
        ? throw new InvalidDataException($"{record.Where}: text is empty, expected something to label")
        : new LabelledText(record["text"], SentimentLabels.IndexOf(record["label"], record.Where)))];

    /// <summary>The records of a file that has some.</summary>
    /// <exception cref="InvalidDataException">It has none.</exception>
    /// <exception cref="Training.TrainingException">The file, or a record of it, cannot be read.</exception>
    internal static IReadOnlyList<TableRecord> Records(string path) =>
        TableRecord.Read(path).ToList() is { Count: > 0 } records ? records : throw new InvalidDataException($"{path}: has no records, expected some");

    /// <summary>Opens UTF-8, packed where the name ends in <c>.gz</c>.</summary>
    internal static StreamReader Open(string path)
    {
        Stream stream = File.OpenRead(path);
        return new StreamReader(path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(stream, CompressionMode.Decompress) : stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true));
    }
}
