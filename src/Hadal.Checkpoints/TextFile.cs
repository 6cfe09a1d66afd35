namespace Hadal.Checkpoints;

/// <summary>Reads small text files of a checkpoint with a limit on their size.</summary>
internal static class TextFile
{
    /// <summary>The bytes of <paramref name="path"/>, without a byte order mark.</summary>
    /// <exception cref="CheckpointException">The file is missing, unreadable or longer than <paramref name="maxBytes"/>.</exception>
    public static ReadOnlyMemory<byte> Read(string path, int maxBytes)
    {
        try
        {
            // Pipes and devices have no length; opening one could wait for ever.
            if (new FileInfo(path).Length == 0) throw new CheckpointException($"{path}: is empty, or no regular file");
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (stream.Length > maxBytes) throw new CheckpointException($"{path}: has {stream.Length} bytes, the limit is {maxBytes}");
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsMemory(3) : bytes;
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: does not exist; a checkpoint directory needs it", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new CheckpointException($"{path}: cannot be read: {fault.Message}", fault);
        }
    }
}
