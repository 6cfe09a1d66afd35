using System.Collections.Concurrent;
using Spectre.Console;

namespace Hadal.Cli.Hub;

/// <summary>Shows how far a download is: on a terminal a bar for all files and one for each that is under way, elsewhere nothing but what people should know.</summary>
internal static class PullProgress
{
    /// <summary>Runs a download.</summary>
    /// <param name="shell">Where it is shown.</param>
    /// <param name="isHidden">Whether bars are unwanted.</param>
    /// <param name="plan">What is to come.</param>
    /// <param name="work">The download; it is given what reports bytes, and what tells people something.</param>
    public static async Task RunAsync(Shell shell, bool isHidden, IReadOnlyList<PlannedFile> plan, Func<Action<HubFile, long>, Action<string>, Task> work)
    {
        var missing = plan.Where(file => !file.IsThere).ToList();
        if (isHidden || !shell.IsErrorTerminal || missing.Count == 0)
        {
            await work((_, _) => { }, text => shell.Error.WriteLine($"hadal: {HadalCommand.OneLine(text)}")).ConfigureAwait(false);
            return;
        }

        var console = Tables.ErrorConsole(shell);
        var progress = console.Progress().AutoClear(true).HideCompleted(true).Columns(
            new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new DownloadedColumn(), new TransferSpeedColumn(), new RemainingTimeColumn());
        await progress.StartAsync(async context =>
        {
            var all = Add(context, "all files", missing.Sum(file => file.File.Size), missing.Sum(file => file.Present));
            var bars = new ConcurrentDictionary<string, Lazy<ProgressTask>>();
            var present = missing.ToDictionary(file => file.File.Hash, file => file.Present);
            await work(
                (file, bytes) =>
                {
                    all.Increment(bytes);
                    bars.GetOrAdd(file.Hash, _ => new Lazy<ProgressTask>(() => Add(context, file.Path, file.Size, present[file.Hash]))).Value.Increment(bytes);
                },
                text => console.WriteLine($"hadal: {HadalCommand.OneLine(text)}")).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    private static ProgressTask Add(ProgressContext context, string title, long total, long done)
    {
        var task = context.AddTask(Markup.Escape(TerminalText.Visible(title)), maxValue: Math.Max(1, total));
        task.Increment(done);
        return task;
    }
}
