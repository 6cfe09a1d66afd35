using System.CommandLine;
using System.Runtime.InteropServices;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Text;
using Hadal.Training;
using Hadal.Training.Trainers;
using Spectre.Console;

namespace Hadal.Train;

/// <summary><c>hadal-train VERB CONFIG.json [--resume] [--set key=value]</c>: what all trainings have in common on a command line.</summary>
internal static class TrainingCommand
{
    private const int Failed = 1, Interrupted = 130;

    /// <summary>Codes of a full disk: ENOSPC, ERROR_DISK_FULL.</summary>
    private const int DiskFullUnix = 28, DiskFullWindows = unchecked((int)0x80070070);

    /// <summary>Runs a training: its config, the changes to it, whether it is resumed, and where to say how far it is.</summary>
    /// <returns>Path of the result.</returns>
    public delegate string Runner(string config, string[] changes, bool resume, IProgress<StepMetrics>? progress, Action<string> note, CancellationToken cancellation);

    /// <summary>Makes the command of one verb.</summary>
    /// <param name="verb">The verb.</param>
    /// <param name="description">What it does, for the help.</param>
    /// <param name="keys">What the config names, for the help.</param>
    /// <param name="example">A key to change, for the help.</param>
    /// <param name="run">Does it.</param>
    public static Command Create(string verb, string description, string keys, string example, Runner run)
    {
        var config = new Argument<FileInfo>("CONFIG.json") { Description = keys };
        var resume = new Option<bool>("--resume") { Description = "Go on from the newest complete checkpoint of the output folder." };
        var changes = new Option<string[]>("--set") { Description = $"Change one key: {example}.", HelpName = "key=value" };
        var command = new Command(verb, description) { config, resume, changes };
        command.SetAction(parsed => Run(run, parsed.GetValue(config)!.FullName, parsed.GetValue(changes) ?? [], parsed.GetValue(resume)));
        return command;
    }

    private static int Run(Runner run, string config, string[] changes, bool resume) => Guarded(cancellation => Console.IsErrorRedirected
        ? run(config, changes, resume, null, note => Console.Error.WriteLine($"hadal-train: {note}"), cancellation)
        : RunWithBar(run, config, changes, resume, cancellation));

    /// <summary>Runs something that can be interrupted, prints what it gives, and says in one line what went wrong.</summary>
    /// <returns>The exit code.</returns>
    public static int Guarded(Func<CancellationToken, string> run)
    {
        using var cancellation = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            Console.Out.WriteLine(run(cancellation.Token));
            return 0;
        }
        catch (OperationCanceledException fault)
        {
            Console.Error.WriteLine($"hadal-train: {fault.Message}");
            return Interrupted;
        }
        catch (Exception fault) when (fault is TrainingException or CheckpointException or ChatTemplateException or IOException or UnauthorizedAccessException or NotSupportedException or DllNotFoundException)
        {
            Console.Error.WriteLine($"hadal-train: {fault.Message.ReplaceLineEndings(" ")}{(fault.HResult is DiskFullUnix or DiskFullWindows ? "; make room there and use --resume" : "")}");
            return Failed;
        }
        catch (ExternalException fault)
        {
            // libtorch puts its call stack behind the first line.
            var sentence = fault.Message.Split('\n')[0];
            var isMemory = sentence.Contains("memory", StringComparison.OrdinalIgnoreCase) || sentence.Contains("alloc", StringComparison.OrdinalIgnoreCase);
            Console.Error.WriteLine($"hadal-train: libtorch: {sentence}{(isMemory ? "; lower batch_sequences and raise accumulation_steps" : "")}");
            return Failed;
        }

        // The first Ctrl+C (or a plain kill) ends after the current step, with a checkpoint; the second one ends at once.
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = !cancellation.IsCancellationRequested;
            cancellation.Cancel();
        }
    }

    private static string RunWithBar(Runner run, string config, string[] changes, bool resume, CancellationToken cancellation)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                var task = context.AddTask("reading the data", maxValue: double.MaxValue);
                return run(config, changes, resume, new Bar(task), note => console.WriteLine(note), cancellation);
            });
    }

    private sealed class Bar(ProgressTask task) : IProgress<StepMetrics>
    {
        public void Report(StepMetrics value)
        {
            task.MaxValue = value.TotalSteps;
            task.Description = $"{value.Stage} step {value.Step}/{value.TotalSteps}  loss {value.Loss:F3}  {value.TokensPerSecond:F0} tokens/s";
            task.Value = value.Step;
        }
    }
}
