using System.Text;

namespace Hadal.Cli;

/// <summary>Reads text that is given to a command.</summary>
internal static class StandardInput
{
    /// <summary>Bytes of text that a command takes at most.</summary>
    public const int MaxBytes = 256 << 20;

    /// <summary>UTF-8 that refuses other bytes, and takes a byte order mark for a character.</summary>
    public static UTF8Encoding Strict { get; } = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>All of standard input as text, unchanged.</summary>
    /// <exception cref="CommandException">It is not UTF-8, or too long.</exception>
    public static string ReadText(Shell shell)
    {
        const string where = "standard input";
        return ToText(ReadAll(shell.Input, where), where);
    }

    /// <summary>The bytes of a file without a byte order mark.</summary>
    /// <exception cref="CommandException">It cannot be read, or is too long.</exception>
    public static ReadOnlySpan<byte> ReadFileBytes(Shell shell, string name)
    {
        using var stream = OpenFile(shell, name);
        var bytes = ReadAll(stream, stream.Name);
        return bytes.StartsWith("\uFEFF"u8) ? bytes[3..] : bytes;
    }

    /// <summary>Opens a file for reading.</summary>
    /// <exception cref="CommandException">It cannot be read.</exception>
    public static FileStream OpenFile(Shell shell, string name)
    {
        if (string.IsNullOrWhiteSpace(name) || name.Contains('\0')) throw CommandException.Usage("the name of the file is empty");
        var path = Path.GetFullPath(name, shell.CurrentDirectory);
        if (Directory.Exists(path)) throw CommandException.Failed($"{path} is a directory, expected a file");
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            throw CommandException.Failed($"{path}: no such file", fault);
        }
        catch (UnauthorizedAccessException fault)
        {
            throw CommandException.Failed($"{path}: cannot be read: permission denied", fault);
        }
        catch (IOException fault)
        {
            throw CommandException.Failed($"{path}: cannot be read: {fault.Message}", fault);
        }
    }

    /// <summary>Reads to the end; pipes have no length to go by.</summary>
    private static ReadOnlySpan<byte> ReadAll(Stream stream, string where)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int count; (count = stream.Read(buffer)) > 0; bytes.Write(buffer, 0, count))
            if (bytes.Length + count > MaxBytes) throw CommandException.Failed($"{where}: expected at most {MaxBytes} bytes, found more");
        return bytes.GetBuffer().AsSpan(0, (int)bytes.Length);
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
