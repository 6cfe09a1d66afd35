using Hadal.Checkpoints;

namespace Hadal.Cli.Hub;

/// <summary>The files of one commit, as the hub's tools lay them: links from <c>snapshots/COMMIT</c> into <c>blobs</c>; where there are no links, the files themselves.</summary>
/// <param name="repository">Folder of the model in the cache.</param>
/// <param name="commit">The commit.</param>
/// <param name="usesCopies">Whether links are unwanted.</param>
internal sealed class Snapshot(string repository, string commit, bool usesCopies)
{
    /// <summary>Folder of the snapshot.</summary>
    public string Path => System.IO.Path.Combine(repository, "snapshots", commit);

    /// <summary>Where the content of a file stands.</summary>
    public string BlobOf(HubFile file) => System.IO.Path.Combine(repository, "blobs", file.Hash);

    /// <summary>Whether the content of a file is there, as a blob or in its place.</summary>
    public bool Has(HubFile file) => IsOf(new FileInfo(BlobOf(file)), file) || IsOf(new FileInfo(PathOf(file)), file);

    /// <summary>Gives files their names, all at once as far as a file system can.</summary>
    public void Place(IReadOnlyList<HubFile> files)
    {
        foreach (var group in files.GroupBy(file => file.Hash))
        {
            var copied = group.Where(file => !IsPlaced(file)).ToList();
            foreach (var file in copied)
            {
                Directory.CreateDirectory(System.IO.Path.GetDirectoryName(PathOf(file))!);
                if (!usesCopies && TryLink(file)) continue;
                var source = group.Select(PathOf).Prepend(BlobOf(file)).First(path => IsOf(new FileInfo(path), file));

                // A blob that nothing links to need not be there twice.
                if (file == copied[^1] && source == BlobOf(file) && IsAlone) File.Move(source, PathOf(file), overwrite: true);
                else AtomicFile.Write(PathOf(file), stream => Copy(source, stream));
            }
        }
    }

    /// <summary>Lets a branch or a tag name the commit.</summary>
    public void Refer(string revision)
    {
        if (HubName.IsCommit(revision)) return;
        var path = System.IO.Path.Combine([repository, "refs", .. revision.Split('/')]);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.ASCII.GetBytes(commit)));
    }

    /// <summary>Whether the cache has no other commit of the model.</summary>
    private bool IsAlone => Directory.GetFileSystemEntries(System.IO.Path.Combine(repository, "snapshots")).Length == 1;

    /// <summary>Whether a file is in its place, itself or as a link to its content.</summary>
    private bool IsPlaced(HubFile file) => IsOf(new FileInfo(PathOf(file)), file) || (new FileInfo(PathOf(file)).LinkTarget == TargetOf(file) && File.Exists(BlobOf(file)));

    private static string TargetOf(HubFile file) => System.IO.Path.Combine([.. file.Path.Split('/').Select(_ => ".."), "..", "blobs", file.Hash]);

    private string PathOf(HubFile file) => System.IO.Path.Combine([Path, .. file.Path.Split('/')]);

    /// <summary>Whether a regular file has the length it should have; its content was checked before it got its name.</summary>
    private static bool IsOf(FileInfo info, HubFile file) => info is { Exists: true, LinkTarget: null } && info.Length == file.Size;

    private bool TryLink(HubFile file)
    {
        var (path, target) = (PathOf(file), TargetOf(file));
        if (!File.Exists(BlobOf(file))) return false;
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            File.CreateSymbolicLink(temporary, target);
            File.Move(temporary, path, overwrite: true);
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // No links on this file system, or no right to make them.
            File.Delete(temporary);
            return false;
        }
    }

    private static void Copy(string path, Stream target)
    {
        using var source = File.OpenRead(path);
        source.CopyTo(target);
    }
}
