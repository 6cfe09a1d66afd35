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
        var path = System.IO.Path.Combine(Path, name);
        if (Directory.Exists(path)) throw new CheckpointException($"{path}: is a directory, expected a file");
        var file = new FileInfo(path);
        if (file.LinkTarget is not { } target) return file.Exists ? path : null;
        if (!LeadsInside(path))
            throw new CheckpointException($"{path}: is a link to {target}, outside the directory; copy the file into the directory");
        return File.Exists(RealPath(path)) ? path : throw new CheckpointException($"{path}: is a link to {target}, which does not exist");
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

    private bool LeadsInside(string link)
    {
        var (target, root) = (RealPath(link), RealPath(Path));
        if (IsBelow(target, root)) return true;
        var snapshots = System.IO.Path.GetDirectoryName(root);
        return System.IO.Path.GetFileName(snapshots) == "snapshots" && IsBelow(target, System.IO.Path.Combine(System.IO.Path.GetDirectoryName(snapshots)!, "blobs"));
    }

    /// <summary>Whether a path lies in a directory, by their names alone.</summary>
    internal static bool IsBelow(string path, string root) => path.StartsWith(root + System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal);

    /// <summary>The path without links in any part of it, followed one part at a time as the system does: <c>a/..</c> is not where it was if <c>a</c> is a link.</summary>
    /// <exception cref="CheckpointException">There are too many links.</exception>
    internal static string RealPath(string path)
    {
        const int MaxLinks = 40;
        var real = System.IO.Path.GetPathRoot(path)!;
        var parts = new Stack<string>(path[real.Length..].Split(System.IO.Path.DirectorySeparatorChar).Reverse());
        for (var links = 0; parts.TryPop(out var part);)
        {
            if (part is "" or ".") continue;
            if (part == "..")
            {
                real = System.IO.Path.GetDirectoryName(real) ?? real;
                continue;
            }

            var next = System.IO.Path.Combine(real, part);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                real = next;
                continue;
            }

            if (++links > MaxLinks) throw new CheckpointException($"{path}: leads through more than {MaxLinks} links");
            var root = System.IO.Path.GetPathRoot(target)!;
            if (root.Length > 0) real = root;
            foreach (var inner in target[root.Length..].Split(System.IO.Path.DirectorySeparatorChar, System.IO.Path.AltDirectorySeparatorChar).Reverse()) parts.Push(inner);
        }

        return real;
    }
}
