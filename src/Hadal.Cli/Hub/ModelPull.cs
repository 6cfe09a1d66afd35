namespace Hadal.Cli.Hub;

/// <summary>A file of a pull.</summary>
/// <param name="File">The file.</param>
/// <param name="IsThere">Whether the cache has it.</param>
/// <param name="Present">Bytes of it that need not be downloaded.</param>
internal sealed record PlannedFile(HubFile File, bool IsThere, long Present);

/// <summary>Brings a commit of a model into the cache.</summary>
internal sealed class ModelPull
{
    private const int MaxFilesAtOnce = 4;
    private readonly HubSettings _settings;
    private readonly HubName _name;
    private readonly HubListing _listing;
    private readonly IReadOnlyList<HubFile> _files;
    private readonly string _repository;
    private readonly Snapshot _snapshot;

    /// <param name="settings">Where from.</param>
    /// <param name="cache">Folder of the cache.</param>
    /// <param name="name">The model; its revision is the word that will name the commit.</param>
    /// <param name="listing">What the commit consists of.</param>
    /// <param name="files">The files that are wanted.</param>
    public ModelPull(HubSettings settings, string cache, HubName name, HubListing listing, IReadOnlyList<HubFile> files)
    {
        (_settings, _name, _listing, _files) = (settings, name, listing, files);
        _repository = System.IO.Path.Combine(cache, name.FolderName);
        _snapshot = new Snapshot(_repository, listing.Commit, settings.UsesCopies);
    }

    /// <summary>Folder of the snapshot.</summary>
    public string Path => _snapshot.Path;

    /// <summary>What is there and what is to come; files of the same content are one.</summary>
    public IReadOnlyList<PlannedFile> Plan() =>
    [
        .. _files.DistinctBy(file => file.Hash).Select(file => _snapshot.Has(file) ? new PlannedFile(file, IsThere: true, file.Size) : new PlannedFile(file, IsThere: false, PartialFile.BytesIn(PartialPath(file), file))),
    ];

    /// <summary>Refuses to begin what the disk has no room for.</summary>
    /// <exception cref="CommandException">It has not.</exception>
    public void CheckSpace(long bytes)
    {
        if (FreeBytes() is var free && bytes <= free) return;
        throw CommandException.Failed($"{_name}: too little space: expected {Sizes.Bytes(bytes)}, found {Sizes.Bytes(free)} free on the disk of {_repository}; remove a model (hadal list, hadal remove) or set HF_HUB_CACHE to a folder on another disk");
    }

    /// <summary>Free bytes where the model goes to.</summary>
    public long FreeBytes()
    {
        var folder = _repository;
        while (!Directory.Exists(folder)) folder = System.IO.Path.GetDirectoryName(folder)!;
        return new DriveInfo(folder).AvailableFreeSpace;
    }

    /// <summary>Downloads what is missing, then gives everything its name. Who holds the model's lock calls this.</summary>
    /// <param name="client">The hub.</param>
    /// <param name="patience">Tries again.</param>
    /// <param name="plan">What is missing.</param>
    /// <param name="canResume">Whether nobody else can write to what an earlier download left.</param>
    /// <param name="report">Told of bytes that have come.</param>
    /// <param name="tell">Told what people should know.</param>
    /// <param name="cancellation">Ends the download; what has come stays.</param>
    /// <exception cref="CommandException">It failed; what has come stays, unless it is wrong.</exception>
    public async Task RunAsync(HubClient client, Patience patience, IReadOnlyList<PlannedFile> plan, bool canResume, Action<HubFile, long> report, Action<string> tell, CancellationToken cancellation)
    {
        Directory.CreateDirectory(System.IO.Path.Combine(_repository, "blobs"));
        using var download = new BlobDownload(client, patience, _name, _listing.Commit, report);
        var options = new ParallelOptions { MaxDegreeOfParallelism = MaxFilesAtOnce, CancellationToken = cancellation };
        await Parallel.ForEachAsync(plan.Where(file => !file.IsThere), options, async (file, token) => await FetchAsync(download, file.File, canResume, report, tell, token).ConfigureAwait(false)).ConfigureAwait(false);
        _snapshot.Place(_files);
        _snapshot.Refer(_name.Revision ?? "main");
    }

    private async Task FetchAsync(BlobDownload download, HubFile file, bool canResume, Action<HubFile, long> report, Action<string> tell, CancellationToken cancellation)
    {
        var path = canResume ? PartialPath(file) : System.IO.Path.Combine(_repository, "blobs", $"{file.Hash}.{Guid.NewGuid():N}.incomplete");
        using var partial = PartialFile.Open(path, file);
        for (var wasBegunBefore = partial.TotalDone > 0; ; wasBegunBefore = false)
        {
            await download.RunAsync(file, partial, cancellation).ConfigureAwait(false);
            if (partial.HasHash(cancellation))
            {
                partial.Complete(_snapshot.BlobOf(file));
                return;
            }

            report(file, -file.Size);
            partial.Clear();
            if (!wasBegunBefore)
            {
                File.Delete(path);
                throw CommandException.Failed($"{_name}/{file.Path}: what {_settings.Hub} sent does not have the hash {file.Hash} that it promised; nothing of it was kept");
            }

            tell($"{_name}/{file.Path}: what an earlier download left does not have the right hash; downloading it again");
        }
    }

    private string PartialPath(HubFile file) => System.IO.Path.Combine(_repository, "blobs", $"{file.Hash}.hadal.incomplete");
}
