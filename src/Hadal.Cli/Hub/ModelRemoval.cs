namespace Hadal.Cli.Hub;

/// <summary>What is taken from the cache with revisions of a model: their files, and the content that no other revision uses.</summary>
/// <param name="Repository">Folder of the model.</param>
/// <param name="Revisions">The revisions that go.</param>
/// <param name="Blobs">Content that goes with them.</param>
/// <param name="IsWhole">Whether nothing of the model stays.</param>
/// <param name="Bytes">Bytes that become free.</param>
internal sealed record ModelRemoval(string Repository, IReadOnlyList<CachedRevision> Revisions, IReadOnlyList<string> Blobs, bool IsWhole, long Bytes)
{
    /// <summary>Looks what is there.</summary>
    /// <exception cref="CommandException">The revision is not.</exception>
    public static ModelRemoval Plan(HubName name, string repository)
    {
        var all = CachedRevision.ReadAll(name, repository);
        var chosen = name.Revision is { } word ? all.Where(revision => revision.Commit == word || revision.References.Contains(word)).ToList() : [.. all];
        if (chosen.Count == 0 && name.Revision is { } prefix) chosen = [.. all.Where(revision => prefix.Length >= 7 && revision.Commit.StartsWith(prefix, StringComparison.Ordinal))];
        if (name.Revision is not null && chosen.Count != 1)
        {
            throw CommandException.Failed(
                $"{name}: {(chosen.Count == 0 ? "no such revision" : "several such revisions")} in the hub cache; it has {string.Join(", ", all.SelectMany(revision => revision.References.Prepend(revision.Commit)))}");
        }

        if (chosen.Count == all.Count) return new ModelRemoval(repository, chosen, [], IsWhole: true, BytesIn(new DirectoryInfo(repository)));
        var kept = all.Except(chosen).SelectMany(revision => revision.Files).Select(file => file.Blob).ToHashSet(StringComparer.Ordinal);
        var going = chosen.SelectMany(revision => revision.Files).Where(file => !kept.Contains(file.Blob)).DistinctBy(file => file.Blob).ToList();
        var blobs = Path.Combine(repository, "blobs");
        return new ModelRemoval(repository, chosen, [.. going.Select(file => file.Blob).Where(blob => Path.GetDirectoryName(blob) == blobs)], IsWhole: false, going.Sum(file => file.Bytes));
    }

    /// <summary>Removes: first the names, so that nobody finds what is half there. Links are removed, never what lies beyond the model's folder.</summary>
    public void Run()
    {
        foreach (var revision in Revisions)
            foreach (var reference in revision.References) File.Delete(Path.Combine([Repository, "refs", .. reference.Split('/')]));
        foreach (var revision in Revisions) Directory.Delete(revision.Path, recursive: true);
        foreach (var blob in Blobs) File.Delete(blob);
        if (IsWhole) Directory.Delete(Repository, recursive: true);
    }

    private static long BytesIn(DirectoryInfo folder) => folder.EnumerateFileSystemInfos().Sum(entry => entry switch
    {
        { LinkTarget: not null } => 0,
        DirectoryInfo inner => BytesIn(inner),
        FileInfo file => file.Length,
        _ => 0,
    });
}
