using System.CommandLine;
using System.CommandLine.Help;
using System.Text;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Text;
using Hadal.Cli.Hub;
using Hadal.Inference.Engine;

namespace Hadal.Cli;

/// <summary>The <c>hadal</c> command: its verbs, and how their faults become one line and an exit code.</summary>
internal static class HadalCommand
{
    private const int HelpColumns = 110;

    /// <summary>Every verb, in the order of the help, with what makes it.</summary>
    private static readonly (string Name, Func<Shell, Command> Create)[] Verbs =
    [
        ("run", RunCommand.Create),
        ("serve", ServeCommand.Create),
        ("bench", BenchCommand.Create),
        ("pull", PullCommand.Create),
        ("list", ListCommand.Create),
        ("remove", RemoveCommand.Create),
        ("inspect", InspectCommand.Create),
        ("tokenize", TokenizeCommand.Create),
        ("render", RenderCommand.Create),
        ("logits", LogitsCommand.Create),
        ("perplexity", PerplexityCommand.Create),
        ("quantize", QuantizeCommand.Create),
        ("merge", MergeCommand.Create),
        ("synth", SynthCommand.Create),
        ("grammar-bench", GrammarBenchCommand.Create),
        ("doctor", DoctorCommand.Create),
        (TrainCommand.Name, TrainCommand.Create),
    ];

    /// <summary>Runs the command for this process; nothing gets past it.</summary>
    public static int RunProcess(string[] arguments)
    {
        var shell = Shell.OfProcess();
        if (Shell.IsOutputClosed) return Fail(shell, ExitCode.Failed, "standard output is closed");
        using var listening = shell.Interruption.Listen();
        try
        {
            return Run(arguments, shell);
        }
        catch (Exception fault) when (fault is not OutOfMemoryException)
        {
            // The last resort of the process: whoever reads the message can report it, and nobody wants the trace of a program in their log.
            return Fail(shell, ExitCode.Failed, $"internal fault, please report it: {fault.GetType().Name}: {fault.Message}");
        }
    }

    /// <summary>Runs the command.</summary>
    /// <param name="arguments">Arguments without the program's name.</param>
    /// <param name="shell">Where it runs.</param>
    /// <returns>The exit code.</returns>
    public static int Run(IReadOnlyList<string> arguments, Shell shell)
    {
        try
        {
            // The trainer parses its own arguments.
            if (arguments.Count > 0 && arguments[0] == TrainCommand.Name) return TrainCommand.Run(shell, arguments.Skip(1));
            return Invoke(arguments, shell);
        }
        catch (CommandException fault)
        {
            return Fail(shell, fault.ExitCode, fault.Message);
        }
        catch (IOException fault) when (Shell.IsBrokenPipe(fault))
        {
            return ExitCode.Done;
        }
        catch (Exception fault) when (fault is CheckpointException or ChatTemplateException or GenerationException or IOException or UnauthorizedAccessException)
        {
            return Fail(shell, ExitCode.Failed, fault.Message);
        }
        catch (OutOfMemoryException)
        {
            return Fail(shell, ExitCode.Failed, "out of memory; a smaller --context needs less");
        }
    }

    /// <summary>The command with all verbs, or with the one that is called.</summary>
    internal static RootCommand Create(Shell shell, string? verb)
    {
        var root = new RootCommand("Runs DeepSeek-class language models: published checkpoints, GGUF files, and the built-in hadal-mini.") { HelpName = "hadal" };
        root.Directives.Clear();
        root.Options.Remove(root.Options.First(option => option is HelpOption));
        root.Add(new HelpOption("--help", "-h")
        {
            Recursive = true,
            Action = new HelpAction { MaxWidth = shell.IsOutputTerminal ? shell.Width() : HelpColumns },
        });
        var isKnown = Verbs.Any(entry => entry.Name == verb);
        foreach (var (name, create) in Verbs)
            if (!isKnown || name == verb) root.Add(create(shell));
        return root;
    }

    private static int Invoke(IReadOnlyList<string> arguments, Shell shell)
    {
        var verbs = string.Join(", ", Verbs.Select(verb => verb.Name));
        if (arguments.Count == 0) throw CommandException.Usage($"no command given; there are {verbs}; see hadal --help");
        var parsed = Create(shell, arguments[0]).Parse(arguments, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
        var command = parsed.CommandResult.Command;
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpAction)
        {
            if (command is RootCommand && !arguments[0].StartsWith('-')) throw CommandException.Usage($"unknown command '{arguments[0]}'; there are {verbs}");
            var faults = string.Join("; ", parsed.Errors.Select(error => error.Message.TrimEnd('.')));
            throw CommandException.Usage($"{faults}; see hadal {(command is RootCommand ? "" : command.Name + " ")}--help");
        }

        return parsed.Invoke(new InvocationConfiguration
        {
            Output = shell.Text,
            Error = shell.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        });
    }

    private static int Fail(Shell shell, int exitCode, string message)
    {
        try
        {
            shell.Error.WriteLine($"hadal: {OneLine(message)}");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // Standard error is full or closed; the exit code is all that can be said.
        }

        return exitCode;
    }

    /// <summary>The text on one line and without anything that could steer a terminal: messages quote files and arguments.</summary>
    internal static string OneLine(string message)
    {
        var line = new StringBuilder(message.Length);
        foreach (var unit in message.Trim().ReplaceLineEndings(" ")) line.Append(char.IsControl(unit) ? '\uFFFD' : unit);
        return line.ToString();
    }
}
