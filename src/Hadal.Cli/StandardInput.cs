using System.Text;

namespace Hadal.Cli;

/// <summary>Reads text that is given to a command.</summary>
internal static class StandardInput
{
    /// <summary>Bytes of text that a command takes at most.</summary>
    public const int MaxBytes = 256 << 20;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>All of standard input as text, unchanged.</summary>
    /// <exception cref="CommandException">It is not UTF-8, or too long.</exception>
    public static string ReadText(Shell shell)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int count; (count = shell.Input.Read(buffer)) > 0; bytes.Write(buffer, 0, count))
            if (bytes.Length + count > MaxBytes) throw CommandException.Failed($"standard input: expected at most {MaxBytes} bytes of text, found more");
        return ToText(bytes.GetBuffer().AsSpan(0, (int)bytes.Length), "standard input");
    }

    /// <summary>The text of a file, unchanged but for a byte order mark.</summary>
    /// <exception cref="CommandException">It cannot be read, is not UTF-8, or is too long.</exception>
    public static string ReadFile(Shell shell, string name) => ToText(ReadFileBytes(shell, name), name);

    /// <summary>The bytes of a file without a byte order mark.</summary>
    /// <exception cref="CommandException">It cannot be read, or is too long.</exception>
    public static ReadOnlySpan<byte> ReadFileBytes(Shell shell, string name)
    {
        if (string.IsNullOrWhiteSpace(name) || name.Contains('\0')) throw CommandException.Usage("the name of the file is empty");
        var path = Path.GetFullPath(name, shell.CurrentDirectory);
        try
        {
            if (Directory.Exists(path)) throw CommandException.Failed($"{path} is a directory, expected a file");
            using var stream = File.OpenRead(path);
            if (stream.Length > MaxBytes) throw CommandException.Failed($"{path}: expected at most {MaxBytes} bytes, found {stream.Length}");
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            var span = bytes.GetBuffer().AsSpan(0, (int)bytes.Length);
            return span.StartsWith("\uFEFF"u8) ? span[3..] : span;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw CommandException.Failed($"{path}: cannot be read: {fault.Message}", fault);
        }
    }

    private static string ToText(ReadOnlySpan<byte> bytes, string where)
    {
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException fault)
        {
            throw CommandException.Failed($"{where}: expected UTF-8, found other bytes at offset {FirstInvalid(bytes)}", fault);
        }
    }

    private static int FirstInvalid(ReadOnlySpan<byte> bytes)
    {
        var offset = 0;
        while (offset < bytes.Length && Rune.DecodeFromUtf8(bytes[offset..], out _, out var length) == System.Buffers.OperationStatus.Done) offset += length;
        return offset;
    }
}
