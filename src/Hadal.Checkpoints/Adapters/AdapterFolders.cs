namespace Hadal.Checkpoints.Adapters;

/// <summary>A directory whose folders are adapters. What lies in it may be opened; what a name or a link leads to outside of it may not.</summary>
/// <remarks>Safe to use from many threads. Whoever may write into the directory is trusted not to change links between <see cref="Find"/> and the opening.</remarks>
public sealed class AdapterFolders
{
    private const int LongestPath = 1024;

    /// <param name="path">The directory.</param>
    /// <exception cref="CheckpointException">It is no directory, or an adapter.</exception>
    public AdapterFolders(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        if (!Directory.Exists(full)) throw new CheckpointException($"{full}: is no directory; expected one whose folders are adapters");
        if (File.Exists(System.IO.Path.Combine(full, AdapterConfigReader.Name)))
            throw new CheckpointException($"{full}: is an adapter itself; expected the directory that it lies in (hadal serve --adapters {System.IO.Path.GetDirectoryName(full)}), or its name beside it (--adapter NAME={full})");
        Path = full;
        RealPath = CheckpointFolder.RealPath(full);
    }

    /// <summary>Full path of the directory.</summary>
    public string Path { get; }

    /// <summary>The same without links, which paths that <see cref="Find"/> returns begin with.</summary>
    public string RealPath { get; }

    /// <summary>Names of the folders in it that have a config of an adapter, in order. Hidden ones, which are still being written as a rule, are left out, and so is what leads outside.</summary>
    /// <exception cref="CheckpointException">It cannot be read.</exception>
    public IReadOnlyList<string> Names()
    {
        try
        {
            return [.. Directory.EnumerateDirectories(Path).Select(folder => System.IO.Path.GetFileName(folder)!).Where(name => name[0] != '.' && IsAdapter(name)).Order(StringComparer.Ordinal)];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{Path}: cannot be read: {fault.Message}", fault);
        }
    }

    /// <summary>A folder in the directory, found before anything in it is opened.</summary>
    /// <param name="path">Its path, from the directory on or a full one.</param>
    /// <returns>Its full path without links; null where there is none.</returns>
    /// <exception cref="CheckpointException">The path, or a link in it, leads outside.</exception>
    public string? Find(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.Length is 0 or > LongestPath || path.Contains('\0')) return null;
        if (path.Split(System.IO.Path.DirectorySeparatorChar, System.IO.Path.AltDirectorySeparatorChar).Contains("..")) throw Outside(path);
        var full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path, Path));
        if (!CheckpointFolder.IsBelow(full, Path) && !CheckpointFolder.IsBelow(full, RealPath)) throw Outside(path);
        var real = CheckpointFolder.RealPath(full);
        if (!CheckpointFolder.IsBelow(real, RealPath)) throw Outside(path);
        return Directory.Exists(real) ? real : null;
    }

    private bool IsAdapter(string name)
    {
        try
        {
            return Find(name) is { } folder && File.Exists(System.IO.Path.Combine(folder, AdapterConfigReader.Name));
        }
        catch (CheckpointException)
        {
            // A link that leads outside: nobody asked for it by name.
            return false;
        }
    }

    private static CheckpointException Outside(string path) => new($"{path}: leads outside; expected a folder in the directory of adapters");
}
