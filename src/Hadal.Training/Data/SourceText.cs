using System.Buffers;
using System.IO.Compression;
using System.Text;
using System.Text.Unicode;

namespace Hadal.Training.Data;

/// <summary>Reads a text to learn from, whole or not at all: a file that ends early or is no UTF-8 would teach something nobody chose.</summary>
internal static class SourceText
{
    /// <summary>UTF-16 units of one text at most: what a string holds, rounded down.</summary>
    public const int MaxCharacters = 1_000_000_000;

    private const int BlockBytes = 1 << 20;

    /// <summary>The text of a file, unpacked where its name ends in <c>.gz</c>, without a byte order mark.</summary>
    /// <param name="path">Full path.</param>
    /// <param name="maxCharacters">Longest text that is taken, in UTF-16 units.</param>
    /// <param name="cancellation">Looked at between blocks.</param>
    /// <exception cref="TrainingException">It cannot be read, is damaged, no UTF-8, or too long.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static string Read(string path, int maxCharacters, CancellationToken cancellation)
    {
        var where = $"sources: {path}";
        using var file = RegularFile.Open(path, where);
        using Stream stream = path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionMode.Decompress) : file;
        try
        {
            return Decode(stream, where, maxCharacters, cancellation);
        }
        catch (InvalidDataException fault)
        {
            throw new TrainingException($"{where}: is no gzip file, ends early or is damaged; fetch it again", fault);
        }
        catch (IOException fault)
        {
            throw new TrainingException($"{where}: cannot be read: {fault.Message}", fault);
        }
    }

    private static string Decode(Stream stream, string where, int maxCharacters, CancellationToken cancellation)
    {
        var text = new StringBuilder();
        var bytes = new byte[BlockBytes];
        var units = new char[BlockBytes];
        var offset = 0L;
        var held = 0;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            var count = stream.Read(bytes, held, bytes.Length - held);
            var block = bytes.AsSpan(0, held + count);
            var status = Utf8.ToUtf16(block, units, out var read, out var written, replaceInvalidSequences: false, isFinalBlock: count == 0);
            if (status == OperationStatus.InvalidData)
                throw new TrainingException($"{where}: expected UTF-8 text, found other bytes at offset {offset + read}; convert it, for example with iconv -t UTF-8");
            if (text.Length + (long)written > maxCharacters)
                throw new TrainingException($"{where}: expected at most {maxCharacters} characters, found more; split it into several sources");
            text.Append(units, 0, written);
            if (count == 0) break;

            // A character may go on in the next block.
            block[read..].CopyTo(bytes);
            held = block.Length - read;
            offset += read;
        }

        var mark = text.Length > 0 && text[0] == '\uFEFF' ? 1 : 0;
        return text.ToString(mark, text.Length - mark);
    }
}
