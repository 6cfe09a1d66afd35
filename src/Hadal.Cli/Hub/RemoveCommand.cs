using System.CommandLine;
using System.Globalization;

namespace Hadal.Cli.Hub;

/// <summary><c>hadal remove OWNER/NAME[@REVISION]</c>.</summary>
internal sealed class RemoveCommand
{
    private readonly Argument<string> _model = new("MODEL") { Description = "owner/name of a model in the hub cache: all its revisions; or owner/name@revision: one of them." };
    private readonly Option<bool> _yes = new("--yes", "-y") { Description = "Do not ask." };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Only show what would be removed." };
    private readonly Option<bool> _json = JsonOutput.Option();
    private readonly Shell _shell;

    private RemoveCommand(Shell shell) => _shell = shell;

    public static Command Create(Shell shell)
    {
        var remove = new RemoveCommand(shell);
        var command = new Command("remove", "Removes a model from the hub cache. What other revisions of it use stays.") { remove._model, remove._yes, remove._dryRun, remove._json };
        command.SetAction(parsed => remove.RunAsync(parsed).GetAwaiter().GetResult());
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed)
    {
        var text = parsed.GetValue(_model)!;
        if (HubName.TryParse(text) is not { } name) throw CommandException.Usage($"MODEL: expected owner/name or owner/name@revision of a model in the hub cache, found '{text}'");
        var cache = new HubCache(_shell);
        var repository = cache.Repositories().FirstOrDefault(found => found.Name.Repository == name.Repository).Path
            ?? throw CommandException.Failed($"{name}: not in the hub cache ({string.Join(", ", cache.Folders)}); hadal list shows what is");
        using var work = _shell.Interruption.Begin();
        using var turn = await RepositoryLock.TakeAsync(Path.GetDirectoryName(repository)!, name, _shell.Clock, line => _shell.Error.WriteLine($"hadal: {line}"), work.Token).ConfigureAwait(false);
        var removal = ModelRemoval.Plan(name, repository);
        var result = new RemoveResult(name.Repository, [.. removal.Revisions.Select(revision => revision.Commit)], repository, removal.Bytes, parsed.GetValue(_dryRun));
        var question = string.Create(CultureInfo.InvariantCulture, $"{name}: {result.Revisions.Count} revisions, {Sizes.Bytes(result.Bytes)} in {repository}");
        if (!result.DryRun)
        {
            if (!parsed.GetValue(_yes) && !IsWanted(question)) throw CommandException.Failed("nothing was removed");
            removal.Run();
        }

        if (parsed.GetValue(_json)) JsonOutput.Write(_shell, result, CommandJson.Default.RemoveResult);
        else _shell.Text.WriteLine($"{(result.DryRun ? "would remove" : "removed")} {question}");
        return ExitCode.Done;
    }

    private bool IsWanted(string question)
    {
        if (!_shell.IsInputTerminal || !_shell.IsErrorTerminal) throw CommandException.Usage("nobody can be asked here; give --yes to remove without a question");
        _shell.Error.Write($"remove {question}? [y/N] ");
        var key = _shell.ReadKey().KeyChar;
        _shell.Error.WriteLine(char.IsControl(key) ? "" : key.ToString());
        return key is 'y' or 'Y';
    }
}

/// <summary>What <c>remove --json</c> prints.</summary>
internal sealed record RemoveResult(string Model, IReadOnlyList<string> Revisions, string Path, long Bytes, bool DryRun);
