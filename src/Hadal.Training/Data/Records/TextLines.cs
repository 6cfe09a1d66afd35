using System.Text;
using System.Text.Unicode;

namespace Hadal.Training.Data.Records;

/// <summary>One line of a file.</summary>
/// <param name="Number">Its number, from 1.</param>
/// <param name="Bytes">Its bytes without the line end (a carriage return stays); valid until the next line is read.</param>
/// <param name="IsTooLong">Whether it is longer than a record may be, and <paramref name="Bytes"/> only its beginning.</param>
internal readonly record struct TextLine(long Number, ReadOnlyMemory<byte> Bytes, bool IsTooLong)
{
    /// <summary>Why it is no text, or null.</summary>
    public string? Fault =>
        IsTooLong ? FormattableString.Invariant($"is longer than {RecordReader.MaxRecordBytes} bytes") :
        Utf8.IsValid(Bytes.Span) ? null : "is no UTF-8; convert the file, for example with iconv -t UTF-8";

    /// <summary>The text; where the bytes are none, with replacement characters.</summary>
    public override string ToString() => Encoding.UTF8.GetString(Bytes.Span);
}

/// <summary>Reads files line by line as bytes: one line that is no UTF-8 says nothing of the others. Files that begin with the mark of UTF-16 or UTF-32 are read as that.</summary>
internal static class TextLines
{
    /// <summary>The lines of a stream; the mark of UTF-8 at its beginning is left out.</summary>
    public static IEnumerable<TextLine> Read(Stream stream, CancellationToken cancellation)
    {
        var line = new MemoryStream();
        var block = new byte[1 << 16];
        var number = 1L;
        var isTooLong = false;
        for (int count; (count = stream.Read(block)) > 0;)
        {
            cancellation.ThrowIfCancellationRequested();
            for (var begin = 0; begin < count;)
            {
                var length = block.AsSpan(begin, count - begin).IndexOf((byte)'\n');
                var part = length < 0 ? count - begin : length;
                isTooLong |= line.Length + part > RecordReader.MaxRecordBytes;
                if (!isTooLong) line.Write(block, begin, part);
                begin += part + 1;
                if (length < 0) continue;
                yield return Made();
                line.SetLength(0);
                (isTooLong, number) = (false, number + 1);
            }
        }

        if (line.Length > 0 || isTooLong) yield return Made();

        TextLine Made()
        {
            var bytes = line.GetBuffer().AsMemory(0, (int)line.Length);
            return new TextLine(number, number == 1 && bytes.Span.StartsWith("\uFEFF"u8) ? bytes["\uFEFF"u8.Length..] : bytes, isTooLong);
        }
    }

    /// <summary>The encoding that the first bytes of a file name; null for UTF-8, and where they name none.</summary>
    public static Encoding? EncodingOf(ReadOnlySpan<byte> first) => first switch
    {
        [0xFF, 0xFE, 0, 0, ..] => new UTF32Encoding(bigEndian: false, byteOrderMark: true, throwOnInvalidCharacters: true),
        [0, 0, 0xFE, 0xFF, ..] => new UTF32Encoding(bigEndian: true, byteOrderMark: true, throwOnInvalidCharacters: true),
        [0xFF, 0xFE, ..] => new UnicodeEncoding(bigEndian: false, byteOrderMark: true, throwOnInvalidBytes: true),
        [0xFE, 0xFF, ..] => new UnicodeEncoding(bigEndian: true, byteOrderMark: true, throwOnInvalidBytes: true),
        _ => null,
    };
}
