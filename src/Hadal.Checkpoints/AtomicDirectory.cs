namespace Hadal.Checkpoints;

/// <summary>Writes a directory under a temporary name beside its place and renames it when it is whole: nobody finds half of it.</summary>
public static class AtomicDirectory
{
    /// <summary>Creates <paramref name="path"/> with the files that <paramref name="write"/> puts into the directory it is given.</summary>
    /// <param name="path">Directory to create. It may exist if it is empty; its parents are created.</param>
    /// <param name="write">Writes the files; when it throws, nothing of them stays.</param>
    /// <exception cref="CheckpointException">There is something at <paramref name="path"/> already. Found before anything is written.</exception>
    /// <exception cref="IOException">The directory cannot be written.</exception>
    public static void Write(string path, Action<string> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        EnsureFree(full);
        var parent = Path.GetDirectoryName(full) ?? throw new CheckpointException($"{full}: is no place for a new directory");
        var temporary = Path.Combine(parent, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        Directory.CreateDirectory(temporary);
        try
        {
            write(temporary);
            if (Directory.Exists(full)) Directory.Delete(full);
            DurableName.Move(temporary, full);
        }
        catch
        {
            Directory.Delete(temporary, recursive: true);
            throw;
        }
    }

    /// <summary>Throws unless a directory can be created at <paramref name="path"/>.</summary>
    /// <exception cref="CheckpointException">A file or a directory that is not empty is there.</exception>
    public static void EnsureFree(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (File.Exists(path)) throw new CheckpointException($"{path}: is a file, expected a new directory; choose another name");
        if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any())
            throw new CheckpointException($"{path}: exists and is not empty, expected a new directory; choose another name, or remove it first");
    }
}
