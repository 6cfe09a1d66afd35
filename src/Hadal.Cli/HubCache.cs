namespace Hadal.Cli;

/// <summary>Reads the local cache of the Hugging Face hub: <c>models--owner--name/snapshots/&lt;revision&gt;</c>, the revision in <c>refs/main</c>.</summary>
internal sealed class HubCache
{
    private const string Prefix = "models--";
    private const int MaxRevisionLength = 128;

    /// <summary>Finds the folders as the hub's own tools do: HF_HUB_CACHE, HF_HOME/hub, and the user's cache.</summary>
    public HubCache(Shell shell)
    {
        var folders = new List<string>();
        if (shell.Variable("HF_HUB_CACHE") is { } cache) folders.Add(cache);
        if (shell.Variable("HF_HOME") is { } home) folders.Add(Path.Combine(home, "hub"));
        if (shell.Variable("XDG_CACHE_HOME") is { } user) folders.Add(Path.Combine(user, "huggingface", "hub"));
        if (shell.Home is { } own) folders.Add(Path.Combine(own, ".cache", "huggingface", "hub"));
        Folders = [.. folders.Select(folder => Path.GetFullPath(folder, shell.CurrentDirectory)).Distinct()];
    }

    /// <summary>Folders in the order they are searched in.</summary>
    public IReadOnlyList<string> Folders { get; }

    /// <summary>The newest snapshot of a model.</summary>
    /// <param name="model"><c>owner/name</c>; anything else is not looked for.</param>
    /// <param name="looked">Receives each place where it is not, and why.</param>
    public string? Find(string model, List<string> looked)
    {
        if (model.Split('/') is not [var owner, var name] || !IsName(owner) || !IsName(name)) return null;
        foreach (var folder in Folders)
        {
            var repository = Path.Combine(folder, $"{Prefix}{owner}--{name}");
            if (!Directory.Exists(folder)) looked.Add($"{folder} (no such hub cache)");
            else if (!Directory.Exists(repository)) looked.Add($"{repository} (not in this hub cache)");
            else if (Snapshot(repository, looked) is { } snapshot) return snapshot;
        }

        return null;
    }

    /// <summary>Models that are in the cache, as <c>owner/name</c>.</summary>
    public IEnumerable<string> Models() => Folders
        .Where(Directory.Exists)
        .SelectMany(folder => Directory.EnumerateDirectories(folder, Prefix + "*"))
        .Select(path => Path.GetFileName(path)[Prefix.Length..].Split("--"))
        .Where(parts => parts.Length == 2)
        .Select(parts => string.Join('/', parts))
        .Distinct()
        .Order(StringComparer.OrdinalIgnoreCase);

    private static string? Snapshot(string repository, List<string> looked)
    {
        var snapshots = Path.Combine(repository, "snapshots");
        var reference = Path.Combine(repository, "refs", "main");
        if (File.Exists(reference))
        {
            var revision = ReadRevision(reference);
            var snapshot = Path.Combine(snapshots, revision);
            if (Directory.Exists(snapshot)) return snapshot;
            looked.Add($"{snapshot} (named by refs/main, not there)");
            return null;
        }

        var revisions = Directory.Exists(snapshots) ? Directory.GetDirectories(snapshots) : [];
        if (revisions.Length == 1) return revisions[0];
        looked.Add(revisions.Length == 0 ? $"{snapshots} (no snapshot)" : $"{snapshots} ({revisions.Length} snapshots and no refs/main to choose by)");
        return null;
    }

    /// <summary>The revision a reference names. It becomes part of a path, so that it must be a plain name.</summary>
    private static string ReadRevision(string reference)
    {
        using var reader = new StreamReader(reference);
        var buffer = new char[MaxRevisionLength];
        var revision = new string(buffer, 0, reader.ReadBlock(buffer)).Trim();
        return IsName(revision) ? revision : throw CommandException.Failed($"{reference}: expected the name of a revision, found '{revision}'; the hub cache is damaged");
    }

    private static bool IsName(string text) =>
        text.Length > 0 && char.IsAsciiLetterOrDigit(text[0]) && text.All(unit => char.IsAsciiLetterOrDigit(unit) || unit is '.' or '_' or '-');
}
