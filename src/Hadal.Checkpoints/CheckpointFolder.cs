namespace Hadal.Checkpoints;

/// <summary>A checkpoint directory: every file of it is found here, and none outside it.</summary>
/// <remarks>A file may be a link to a place inside the directory, or to the <c>blobs</c> of the hub cache that the directory is a snapshot of
/// (<c>models--OWNER--NAME/snapshots/REVISION</c>). Links that lead elsewhere are refused: a directory from a stranger must not choose which of
/// this machine's files are read.</remarks>
/// <param name="path">Full path.</param>
internal sealed class CheckpointFolder(string path)
{
    /// <summary>Full path.</summary>
    public string Path { get; } = path;

    /// <summary>Full path of the file <paramref name="name"/>, or null where the directory has none.</summary>
    /// <exception cref="CheckpointException">The name or what it links to lies outside the directory, or it is no regular file.</exception>
    public string? Find(string name)
    {
        if (name.Length is 0 or > 255 || name is "." or ".." || name.AsSpan().ContainsAny("/\\\0:"))
            throw new CheckpointException($"{Path}: the file name '{name}' leads outside the directory; expected a plain name");
        var file = new FileInfo(System.IO.Path.Combine(Path, name));
        if (Directory.Exists(file.FullName)) throw new CheckpointException($"{file.FullName}: is a directory, expected a file");
        var isLink = file.LinkTarget is not null;
        if (!file.Exists) return isLink ? throw new CheckpointException($"{file.FullName}: is a link to {file.LinkTarget}, which does not exist") : null;
        if (isLink && !LeadsInside(file))
            throw new CheckpointException($"{file.FullName}: is a link to {file.LinkTarget}, outside the directory; copy the file into the directory");
        return file.FullName;
    }

    /// <summary>The bytes of a text file, or null where the directory has none.</summary>
    /// <exception cref="CheckpointException">As for <see cref="Find"/>, or the file is unreadable or longer than <paramref name="maxBytes"/>.</exception>
    public ReadOnlyMemory<byte>? TryRead(string name, int maxBytes)
    {
        // Not a conditional expression: there null would become an empty memory.
        if (Find(name) is { } file) return TextFile.Read(file, maxBytes);
        return null;
    }

    /// <summary>The bytes of a text file that must be there.</summary>
    /// <exception cref="CheckpointException">As for <see cref="TryRead"/>, or it does not exist.</exception>
    public ReadOnlyMemory<byte> Read(string name, int maxBytes) =>
        TryRead(name, maxBytes) ?? throw new CheckpointException($"{System.IO.Path.Combine(Path, name)}: does not exist; a checkpoint directory needs it");

    /// <summary>Names of the files that match a pattern, in order.</summary>
    public List<string> Names(string pattern)
    {
        try
        {
            return [.. Directory.EnumerateFiles(Path, pattern).Select(file => System.IO.Path.GetFileName(file)!).Order(StringComparer.Ordinal)];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{Path}: cannot be read: {fault.Message}", fault);
        }
    }

    private bool LeadsInside(FileInfo link)
    {
        var (target, root) = (RealPath(link), RealPath(new DirectoryInfo(Path)));
        if (IsBelow(target, root)) return true;
        var snapshots = System.IO.Path.GetDirectoryName(root);
        return System.IO.Path.GetFileName(snapshots) == "snapshots" && IsBelow(target, System.IO.Path.Combine(System.IO.Path.GetDirectoryName(snapshots)!, "blobs"));
    }

    private static bool IsBelow(string path, string root) => path.StartsWith(root + System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal);

    /// <summary>The path without links, in any part of it.</summary>
    private static string RealPath(FileSystemInfo entry)
    {
        try
        {
            var target = entry.ResolveLinkTarget(returnFinalTarget: true) ?? entry;
            return System.IO.Path.GetDirectoryName(target.FullName) is { } parent
                ? System.IO.Path.Combine(RealPath(new DirectoryInfo(parent)), System.IO.Path.GetFileName(target.FullName))
                : target.FullName;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{entry.FullName}: cannot be followed: {fault.Message}", fault);
        }
    }
}
