using System.CommandLine;
using System.Globalization;

namespace Hadal.Cli.Hub;

/// <summary><c>hadal pull OWNER/NAME[@REVISION]</c>.</summary>
internal sealed class PullCommand
{
    private readonly Argument<string> _model = new("MODEL") { Description = "owner/name of a model on the hub, or owner/name@revision." };
    private readonly Option<string?> _revision = new("--revision") { Description = "A branch, a tag or a commit. Default: main.", HelpName = "R" };
    private readonly Option<string[]> _include = new("--include") { Description = "Files to download, by patterns over whole paths, in place of those a model is opened from. May be given several times.", HelpName = "PATTERN" };
    private readonly Option<string[]> _exclude = new("--exclude") { Description = "Files to leave out. May be given several times.", HelpName = "PATTERN" };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Only show what would be downloaded." };
    private readonly Option<bool> _json = JsonOutput.Option();
    private readonly Shell _shell;

    private PullCommand(Shell shell) => _shell = shell;

    public static Command Create(Shell shell)
    {
        var pull = new PullCommand(shell);
        var command = new Command(
            "pull",
            "Downloads a model from the hub into its cache, where all commands find it; what was cut off goes on where it stopped.")
        {
            pull._model, pull._revision, pull._include, pull._exclude, pull._dryRun, pull._json,
        };
        command.SetAction(parsed => pull.RunAsync(parsed).GetAwaiter().GetResult());
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        var name = Name(parsed);
        var settings = HubSettings.Read(_shell);
        var cache = new HubCache(_shell);
        if (cache.Folders.Count == 0) throw CommandException.Failed("no place to download to; set HF_HUB_CACHE to a folder");
        if (settings.IsOffline) throw CommandException.Failed($"{name}: nothing is downloaded while HF_HUB_OFFLINE is set; {(cache.Find(name.ToString(), []) is { } found ? $"the cache has it: {found}" : "it is not in the cache")}");
        using var work = _shell.Interruption.Begin();
        using var client = new HubClient(settings, _shell.Clock);
        try
        {
            return await PullAsync(parsed, name, settings, cache.Folders[0], client, work.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (work.Token.IsCancellationRequested)
        {
            Tell("stopped; what was downloaded stays, the same command goes on with it");
            return ExitCode.Interrupted;
        }
    }

    private async Task<int> PullAsync(ParseResult parsed, HubName name, HubSettings settings, string cache, HubClient client, CancellationToken cancellation)
    {
        var listing = await new Patience(_shell.Clock, Tell).TryAsync(() => client.ListAsync(name, cancellation), () => 0, cancellation).ConfigureAwait(false);
        var selection = new FileSelection(parsed.GetValue(_include) ?? [], parsed.GetValue(_exclude) ?? []);
        var pull = new ModelPull(settings, cache, name, listing, selection.Choose(name, listing.Files));
        if (parsed.GetValue(_dryRun))
        {
            Show(parsed, PullResult.Of(name, listing, pull, pull.Plan(), isDryRun: true));
            return ExitCode.Done;
        }

        using var turn = await RepositoryLock.TakeAsync(cache, name, _shell.Clock, Tell, cancellation).ConfigureAwait(false);
        var plan = pull.Plan();
        var result = PullResult.Of(name, listing, pull, plan, isDryRun: false);
        pull.CheckSpace(result.DownloadBytes);
        if (result.DownloadBytes > 0) Tell(result.Announcement());
        await PullProgress.RunAsync(
            _shell, settings.HidesProgress, plan,
            (report, tell) => pull.RunAsync(client, new Patience(_shell.Clock, tell), plan, turn.IsExclusive, report, tell, cancellation)).ConfigureAwait(false);
        Show(parsed, result);
        return ExitCode.Done;
    }

    private HubName Name(ParseResult parsed)
    {
        var text = parsed.GetValue(_model)!;
        if (HubName.TryParse(text) is not { } name) throw CommandException.Usage($"MODEL: expected owner/name or owner/name@revision, found '{text}'");
        if (parsed.GetValue(_revision) is not { } revision) return name;
        if (!HubName.IsRevision(revision)) throw CommandException.Usage($"--revision: expected a branch, a tag or a commit, found '{revision}'");
        return name.Revision is null || name.Revision == revision ? name with { Revision = revision } : throw CommandException.Usage($"--revision: '{revision}' is not the revision in '{text}'");
    }

    private void Show(ParseResult parsed, PullResult result)
    {
        if (parsed.GetValue(_json))
        {
            JsonOutput.Write(_shell, result, CommandJson.Default.PullResult);
            return;
        }

        if (!result.DryRun)
        {
            _shell.Text.WriteLine(result.Path);
            return;
        }

        Tables.WriteRows(
            _shell, ["file", "size", "to download"],
            [.. result.Files.Select(file => new[] { TerminalText.Visible(file.Path), Sizes.Bytes(file.Bytes), file.DownloadBytes == 0 ? "-" : Sizes.Bytes(file.DownloadBytes) })], leftColumns: 1);
        _shell.Text.WriteLine(result.Announcement());
    }

    private void Tell(string text) => _shell.Error.WriteLine($"hadal: {HadalCommand.OneLine(text)}");
}

/// <summary>What <c>pull --json</c> prints.</summary>
internal sealed record PullResult
{
    public required string Model { get; init; }

    public required string Revision { get; init; }

    public required string Commit { get; init; }

    /// <summary>Folder of the snapshot.</summary>
    public required string Path { get; init; }

    public required bool DryRun { get; init; }

    /// <summary>Bytes of all files.</summary>
    public required long Bytes { get; init; }

    /// <summary>Bytes that were not there.</summary>
    public required long DownloadBytes { get; init; }

    public required long FreeBytes { get; init; }

    public required IReadOnlyList<PulledFile> Files { get; init; }

    public static PullResult Of(HubName name, HubListing listing, ModelPull pull, IReadOnlyList<PlannedFile> plan, bool isDryRun) => new()
    {
        Model = name.Repository,
        Revision = name.Revision ?? "main",
        Commit = listing.Commit,
        Path = pull.Path,
        DryRun = isDryRun,
        Bytes = plan.Sum(file => file.File.Size),
        DownloadBytes = plan.Sum(file => file.File.Size - file.Present),
        FreeBytes = pull.FreeBytes(),
        Files = [.. plan.Select(file => new PulledFile(file.File.Path, file.File.Size, file.File.Size - file.Present))],
    };

    /// <summary>One sentence on what is to be downloaded, and whether there is room.</summary>
    public string Announcement() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Model}@{Revision} ({Commit[..8]}): {Files.Count} files of {Sizes.Bytes(Bytes)}, {(DownloadBytes == 0 ? "all in the cache" : $"{Sizes.Bytes(DownloadBytes)} to download")}; {Sizes.Bytes(FreeBytes)} free on the disk");
}

/// <summary>One file of a pull.</summary>
internal sealed record PulledFile(string Path, long Bytes, long DownloadBytes);
