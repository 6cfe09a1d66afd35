namespace Hadal.Cli.Hub;

/// <summary>Lets one process at a time change a model of the cache; the file stands where the hub's own tools have theirs.</summary>
internal sealed class RepositoryLock : IDisposable
{
    private const int WouldBlockLinux = 11, WouldBlockMac = 35, SharingViolationWindows = unchecked((int)0x80070020);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);
    private readonly FileStream _file;

    private RepositoryLock(FileStream file, bool isExclusive) => (_file, IsExclusive) = (file, isExclusive);

    /// <summary>Whether the file system keeps others out; some network shares do not.</summary>
    public bool IsExclusive { get; }

    /// <summary>Waits until nobody else changes the model.</summary>
    /// <param name="cache">Folder of the cache.</param>
    /// <param name="name">The model.</param>
    /// <param name="clock">Measures the waiting.</param>
    /// <param name="tell">Told once if there is somebody.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    public static async Task<RepositoryLock> TakeAsync(string cache, HubName name, TimeProvider clock, Action<string> tell, CancellationToken cancellation)
    {
        var folder = FolderOf(cache, name);
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, "hadal.lock");
        for (var hasTold = false; ;)
        {
            if (TryOpen(path) is { } file)
            {
                using var second = TryOpen(path);
                return new RepositoryLock(file, isExclusive: second is null);
            }

            if (!hasTold) tell($"{name.Repository}: another process works on it; waiting");
            hasTold = true;
            await Task.Delay(Interval, clock, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Where the locks of a model stand.</summary>
    public static string FolderOf(string cache, HubName name) => Path.Combine(cache, ".locks", name.FolderName);

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static FileStream? TryOpen(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (IOException fault) when (fault.HResult is WouldBlockLinux or WouldBlockMac or SharingViolationWindows)
        {
            return null;
        }
    }
}
