using System.CommandLine;
using System.Runtime.InteropServices;
using Hadal.Checkpoints;
using Hadal.Training;
using Hadal.Training.Trainers;
using Spectre.Console;

namespace Hadal.Train;

/// <summary><c>hadal-train pretrain CONFIG.json [--resume] [--set key=value]</c>.</summary>
internal static class PretrainCommand
{
    private const int Failed = 1, Interrupted = 130;

    public static Command Create()
    {
        var config = new Argument<FileInfo>("CONFIG.json") { Description = "The run: model, tokenizer, sources, steps. Keys are those of PretrainOptions in snake_case." };
        var resume = new Option<bool>("--resume") { Description = "Go on from the newest complete checkpoint of the output folder." };
        var changes = new Option<string[]>("--set") { Description = "Change one key: --set learning_rate=0.002, --set tokenizer.vocab_size=4096.", HelpName = "key=value" };
        var command = new Command("pretrain", "Trains a decoder from text files: tokenizer, data, training, checkpoint directory.") { config, resume, changes };
        command.SetAction(parsed => Run(parsed.GetValue(config)!, parsed.GetValue(resume), parsed.GetValue(changes) ?? []));
        return command;
    }

    private static int Run(FileInfo config, bool resume, string[] changes)
    {
        using var cancellation = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            var options = PretrainOptions.Read(config.FullName, changes);
            var model = Console.IsErrorRedirected
                ? Pretrain.Run(options, resume, null, cancellation.Token)
                : RunWithBar(options, resume, cancellation.Token);
            Console.Out.WriteLine(model);
            return 0;
        }
        catch (OperationCanceledException fault)
        {
            Console.Error.WriteLine($"hadal-train: {fault.Message}");
            return Interrupted;
        }
        catch (Exception fault) when (fault is TrainingException or CheckpointException or IOException or UnauthorizedAccessException or NotSupportedException or DllNotFoundException)
        {
            Console.Error.WriteLine($"hadal-train: {fault.Message.ReplaceLineEndings(" ")}");
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

    private static string RunWithBar(PretrainOptions options, bool resume, CancellationToken cancellation)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                var task = context.AddTask("preparing tokenizer and data", maxValue: options.TotalSteps);
                return Pretrain.Run(options, resume, new Bar(task), cancellation);
            });
    }

    private sealed class Bar(ProgressTask task) : IProgress<StepMetrics>
    {
        public void Report(StepMetrics value)
        {
            task.Description = $"{value.Stage} step {value.Step}/{task.MaxValue}  loss {value.Loss:F3}  {value.TokensPerSecond:F0} tokens/s";
            task.Value = value.Step;
        }
    }
}
