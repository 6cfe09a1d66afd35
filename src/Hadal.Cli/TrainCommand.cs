using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;

namespace Hadal.Cli;

/// <summary><c>hadal train …</c> starts <c>hadal-train …</c>, which brings libtorch and is therefore a program of its own.</summary>
internal static class TrainCommand
{
    public const string Name = "train";

    private const string Program = "hadal-train";

    /// <summary>The verb as the help shows it; <see cref="Run"/> gets its arguments before they are parsed.</summary>
    public static Command Create(Shell shell)
    {
        var command = new Command(Name, $"Starts {Program} with the arguments that follow: training, a program of its own.") { TreatUnmatchedTokensAsErrors = false };
        command.SetAction(parsed => Run(shell, parsed.UnmatchedTokens));
        return command;
    }

    /// <summary>Starts the trainer and waits for it.</summary>
    /// <returns>Its exit code.</returns>
    /// <exception cref="CommandException">It is not there or cannot be started.</exception>
    public static int Run(Shell shell, IEnumerable<string> arguments)
    {
        var path = Find(shell);
        // The terminal sends Ctrl+C to both; what it means is the trainer's to decide, and this process only waits.
        using var work = shell.Interruption.Begin();
        try
        {
            using var process = Process.Start(new ProcessStartInfo(path, arguments) { UseShellExecute = false, WorkingDirectory = shell.CurrentDirectory })!;
            process.WaitForExit();
            return process.ExitCode;
        }
        catch (Win32Exception fault)
        {
            throw CommandException.Failed($"{path}: cannot be started: {fault.Message}", fault);
        }
    }

    private static string Find(Shell shell)
    {
        var file = OperatingSystem.IsWindows() ? Program + ".exe" : Program;
        var folders = (shell.Variable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Prepend(shell.ProgramDirectory);
        return folders.Select(folder => Path.Combine(folder, file)).FirstOrDefault(File.Exists)
            ?? throw CommandException.Failed($"{Program} was not found beside this program ({shell.ProgramDirectory}) or on the PATH; training comes as a program of its own");
    }
}
