using System.CommandLine;
using System.Globalization;

namespace Hadal.Cli.Hub;

/// <summary><c>hadal list [--json]</c>.</summary>
internal static class ListCommand
{
    private const int ShownCommitLength = 8;

    public static Command Create(Shell shell)
    {
        var json = JsonOutput.Option();
        var command = new Command("list", "Shows the models in the hub cache, and the one that comes with the program.") { json };
        command.SetAction(parsed =>
        {
            var locator = new ModelLocator(shell);
            var cache = new HubCache(shell);
            var result = new ListResult(
                [.. cache.Folders.Where(Directory.Exists)],
                [.. cache.Repositories().OrderBy(repository => repository.Name.Repository, StringComparer.OrdinalIgnoreCase).SelectMany(repository => CachedRevision.ReadAll(repository.Name, repository.Path)).Select(ListedModel.Of)],
                [.. locator.BuiltIns]);
            if (parsed.GetValue(json)) JsonOutput.Write(shell, result, CommandJson.Default.ListResult);
            else WriteTable(shell, result);
            return ExitCode.Done;
        });
        return command;
    }

    private static void WriteTable(Shell shell, ListResult result)
    {
        var rows = result.Models.Select(model => new[] { model.Model, Revision(model), model.Family ?? "?", model.Quantization ?? "?", Sizes.Bytes(model.Bytes) }).ToList();
        foreach (var builtIn in result.BuiltIn) rows.Add([builtIn, "comes with the program", "", "", ""]);
        if (rows.Count > 0) Tables.WriteRows(shell, ["model", "revision", "family", "quantisation", "size"], [.. rows.Select(row => row.Select(TerminalText.Visible).ToArray())], leftColumns: 4);
        foreach (var model in result.Models.Where(model => model.Fault is not null)) shell.Text.WriteLine($"{TerminalText.Visible(model.Model)} cannot be opened: {HadalCommand.OneLine(model.Fault!)}");
        shell.Text.WriteLine(result.Models.Count > 0
            ? string.Create(CultureInfo.InvariantCulture, $"{result.Models.Select(model => model.Model).Distinct().Count()} models of {Sizes.Bytes(result.Models.Sum(model => model.Bytes))} in {string.Join(", ", result.Folders)}")
            : "no models in the hub cache; hadal pull OWNER/NAME downloads one");
    }

    private static string Revision(ListedModel model)
    {
        var commit = model.Revision.Length > ShownCommitLength ? model.Revision[..ShownCommitLength] : model.Revision;
        return model.References.Count > 0 ? $"{commit} ({string.Join(", ", model.References)})" : commit;
    }
}

/// <summary>What <c>list --json</c> prints.</summary>
/// <param name="Folders">Folders that were looked through.</param>
/// <param name="Models">One entry for each commit of each model.</param>
/// <param name="BuiltIn">Names of the models that come with the program.</param>
internal sealed record ListResult(IReadOnlyList<string> Folders, IReadOnlyList<ListedModel> Models, IReadOnlyList<string> BuiltIn);

/// <summary>One commit of a model.</summary>
internal sealed record ListedModel
{
    public required string Model { get; init; }

    /// <summary>The commit.</summary>
    public required string Revision { get; init; }

    /// <summary>Branches and tags that name it.</summary>
    public required IReadOnlyList<string> References { get; init; }

    public required long Bytes { get; init; }

    /// <summary><c>model_type</c> of its config; null where it has none.</summary>
    public required string? Family { get; init; }

    /// <summary>Null where it cannot be opened.</summary>
    public required string? Quantization { get; init; }

    public required string Path { get; init; }

    /// <summary>Why it cannot be opened; null where it can.</summary>
    public required string? Fault { get; init; }

    public static ListedModel Of(CachedRevision revision)
    {
        var (family, quantization, fault) = revision.Describe();
        return new ListedModel
        {
            Model = revision.Name.Repository,
            Revision = revision.Commit,
            References = revision.References,
            Bytes = revision.Bytes,
            Family = family,
            Quantization = quantization,
            Path = revision.Path,
            Fault = fault,
        };
    }
}
