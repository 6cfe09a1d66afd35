namespace Hadal.Checkpoints;

/// <summary>Writes a file under a temporary name beside its place, flushes it to disk and renames it: a reader sees the old file or the new one, never half, and after a loss of power so too.</summary>
public static class AtomicFile
{
    /// <summary>Creates or replaces <paramref name="path"/> with what <paramref name="write"/> writes.</summary>
    /// <exception cref="IOException">The file cannot be written; an older file of that name is left as it was and the temporary one is removed.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        var full = Path.GetFullPath(path);
        var temporary = Path.Combine(Path.GetDirectoryName(full)!, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, full, overwrite: true);
            DurableName.Flush(Path.GetDirectoryName(full)!);
        }
        catch (ArgumentOutOfRangeException fault) when (fault.ParamName == "value" && fault.ActualValue is null)
        {
            // So FileStream reports EFBIG.
            File.Delete(temporary);
            throw new IOException($"{full}: is larger than the file system or a limit of the process allows", fault);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
