using System.Text.Json;
using Hadal.Checkpoints;

namespace Hadal.Cli.Hub;

/// <summary>A file of a revision in the cache.</summary>
/// <param name="Path">Where it stands.</param>
/// <param name="Blob">Where its content is; the same where it is no link.</param>
/// <param name="Bytes">Its length; 0 where its content is missing.</param>
internal sealed record CachedFile(string Path, string Blob, long Bytes);

/// <summary>A commit of a model that is in the cache.</summary>
/// <param name="Name">The model.</param>
/// <param name="Repository">Its folder in the cache.</param>
/// <param name="Commit">The commit.</param>
/// <param name="References">Branches and tags that name the commit, as far as the cache knows.</param>
/// <param name="Files">Its files.</param>
internal sealed record CachedRevision(HubName Name, string Repository, string Commit, IReadOnlyList<string> References, IReadOnlyList<CachedFile> Files)
{
    private const int MaxDepth = 16, MaxConfigBytes = 16 << 20;

    /// <summary>Folder of its files.</summary>
    public string Path => System.IO.Path.Combine(Repository, "snapshots", Commit);

    /// <summary>Bytes of its files; what is linked twice counts once.</summary>
    public long Bytes => Files.DistinctBy(file => file.Blob).Sum(file => file.Bytes);

    /// <summary>All revisions of a model, in the order of their ids.</summary>
    public static IReadOnlyList<CachedRevision> ReadAll(HubName name, string repository)
    {
        var snapshots = System.IO.Path.Combine(repository, "snapshots");
        if (!Directory.Exists(snapshots)) return [];
        var references = ReadReferences(repository).ToLookup(reference => reference.Commit, reference => reference.Name);
        return
        [
            .. new DirectoryInfo(snapshots).EnumerateDirectories().Where(folder => folder.LinkTarget is null).OrderBy(folder => folder.Name, StringComparer.Ordinal)
                .Select(folder => new CachedRevision(name, repository, folder.Name, [.. references[folder.Name].Order(StringComparer.Ordinal)], [.. FilesIn(folder, 0)])),
        ];
    }

    /// <summary>Family and quantisation of the model, or why it cannot be opened.</summary>
    public (string? Family, string? Quantization, string? Fault) Describe()
    {
        try
        {
            using var checkpoint = Checkpoint.Open(Path);
            return (checkpoint.Config.ModelType, ModelOpening.Quantization(checkpoint), null);
        }
        catch (CheckpointException fault)
        {
            return (FamilyInConfig(), null, fault.Message);
        }
    }

    /// <summary>What the config calls a model that Hadal does not open.</summary>
    private string? FamilyInConfig()
    {
        var config = new FileInfo(System.IO.Path.Combine(Path, "config.json"));
        try
        {
            if (!config.Exists) return File.Exists(System.IO.Path.Combine(Path, "adapter_config.json")) ? "adapter" : null;
            using var stream = config.OpenRead();
            if (stream.Length > MaxConfigBytes) return null;
            using var document = JsonDocument.Parse(stream);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("model_type", out var type) && type.ValueKind == JsonValueKind.String ? type.GetString() : null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static IEnumerable<(string Name, string Commit)> ReadReferences(string repository)
    {
        var folder = System.IO.Path.Combine(repository, "refs");
        if (!Directory.Exists(folder)) yield break;
        foreach (var file in FilesIn(new DirectoryInfo(folder), 0))
            yield return (System.IO.Path.GetRelativePath(folder, file.Path).Replace('\\', '/'), HubCache.ReadReference(file.Path));
    }

    /// <summary>Files of a folder and the folders in it, but not of folders that are links: those lie elsewhere.</summary>
    private static IEnumerable<CachedFile> FilesIn(DirectoryInfo folder, int depth)
    {
        foreach (var entry in folder.EnumerateFileSystemInfos().OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            if (entry is DirectoryInfo { LinkTarget: null } inner)
            {
                if (depth == MaxDepth) continue;
                foreach (var file in FilesIn(inner, depth + 1)) yield return file;
            }
            else if (entry is FileInfo file)
            {
                var blob = file.LinkTarget is { } target ? new FileInfo(System.IO.Path.GetFullPath(target, folder.FullName)) : file;
                yield return new CachedFile(file.FullName, blob.FullName, blob.Exists ? blob.Length : 0);
            }
        }
    }
}
