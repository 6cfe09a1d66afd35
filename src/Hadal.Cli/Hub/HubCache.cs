namespace Hadal.Cli.Hub;

/// <summary>The local cache of the Hugging Face hub: <c>models--owner--name</c> with <c>snapshots/COMMIT</c>, whose files are links into <c>blobs</c>, and <c>refs</c>, which name commits.</summary>
internal sealed class HubCache
{
    private const int MaxRevisionLength = 128, MinPrefixLength = 7;

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

    /// <summary>Folders in the order they are searched in; the first is the one that downloads go to.</summary>
    public IReadOnlyList<string> Folders { get; }

    /// <summary>The snapshot of a model: of the revision that is named, else the newest.</summary>
    /// <param name="model"><c>owner/name</c> or <c>owner/name@revision</c>; anything else is not looked for.</param>
    /// <param name="looked">Receives each place where it is not, and why.</param>
    public string? Find(string model, List<string> looked)
    {
        if (HubName.TryParse(model) is not { } name) return null;
        foreach (var folder in Folders)
        {
            var repository = Path.Combine(folder, name.FolderName);
            if (!Directory.Exists(folder)) looked.Add($"{folder} (no such hub cache)");
            else if (!Directory.Exists(repository)) looked.Add($"{repository} (not in this hub cache)");
            else if ((name.Revision is { } revision ? SnapshotOf(repository, revision, looked) : Snapshot(repository, looked)) is { } snapshot) return snapshot;
        }

        return null;
    }

    /// <summary>Models that are in the cache, as <c>owner/name</c>.</summary>
    public IEnumerable<string> Models() => Repositories().Select(repository => repository.Name.Repository).Distinct().Order(StringComparer.OrdinalIgnoreCase);

    /// <summary>The folders of models in the cache.</summary>
    public IEnumerable<(HubName Name, string Path)> Repositories() =>
        from folder in Folders
        where Directory.Exists(folder)
        from path in Directory.EnumerateDirectories(folder)
        let name = HubName.OfFolder(Path.GetFileName(path))
        where name is not null
        select (name, path);

    private static string? Snapshot(string repository, List<string> looked)
    {
        var snapshots = Path.Combine(repository, "snapshots");
        var reference = Path.Combine(repository, "refs", "main");
        if (File.Exists(reference))
        {
            var revision = ReadReference(reference);
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

    private static string? SnapshotOf(string repository, string revision, List<string> looked)
    {
        var snapshots = Path.Combine(repository, "snapshots");
        var reference = Path.Combine([repository, "refs", .. revision.Split('/')]);
        var named = File.Exists(reference) ? ReadReference(reference) : revision;
        var found = Directory.Exists(snapshots) ? Directory.GetDirectories(snapshots) : [];
        var fitting = found.Where(path => Path.GetFileName(path) == named).ToList();
        if (fitting.Count == 0 && named.Length >= MinPrefixLength) fitting = [.. found.Where(path => Path.GetFileName(path).StartsWith(named, StringComparison.Ordinal))];
        if (fitting.Count == 1) return fitting[0];
        looked.Add($"{snapshots} ({(fitting.Count == 0 ? "does not have" : "has several of")} revision {revision})");
        return null;
    }

    /// <summary>The commit a reference names. It becomes part of a path, so that it must be a plain name.</summary>
    public static string ReadReference(string reference)
    {
        using var reader = new StreamReader(reference);
        var buffer = new char[MaxRevisionLength];
        var revision = new string(buffer, 0, reader.ReadBlock(buffer)).Trim();
        return HubName.IsRevision(revision) && !revision.Contains('/', StringComparison.Ordinal)
            ? revision
            : throw CommandException.Failed($"{reference}: expected the name of a revision, found '{revision}'; the hub cache is damaged");
    }
}
