using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Hadal.Cli;

/// <summary>What surrounds a command: streams and whether people see them, keys, variables and folders.</summary>
internal sealed class Shell
{
    private const string ShowCursor = "\e[?25h";
    private const int InputDescriptor = 0, OutputDescriptor = 1, ErrorDescriptor = 2;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);
    private TextWriter? _text;

    public required Stream Input { get; init; }

    /// <summary>Standard output as bytes; see <see cref="Text"/>.</summary>
    public required Stream Output { get; init; }

    public required TextWriter Error { get; init; }

    public bool IsInputTerminal { get; init; }

    public bool IsOutputTerminal { get; init; }

    public bool IsErrorTerminal { get; init; }

    /// <summary>Columns of the terminal.</summary>
    public Func<int> Width { get; init; } = () => 80;

    /// <summary>The next key pressed, without echo.</summary>
    public Func<ConsoleKeyInfo> ReadKey { get; init; } = () => throw new InvalidOperationException("no terminal, no keys");

    /// <summary>Whether Ctrl+C is a key for <see cref="ReadKey"/> or a signal.</summary>
    public Action<bool> TakeCtrlC { get; init; } = _ => { };

    /// <summary>The value of an environment variable, or null where it is not set or empty.</summary>
    public required Func<string, string?> Variable { get; init; }

    public required string CurrentDirectory { get; init; }

    /// <summary>Where the program and its built-in model are.</summary>
    public required string ProgramDirectory { get; init; }

    public required Interruption Interruption { get; init; }

    /// <summary>Measures times and waits.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Standard output as UTF-8 text; every write goes out at once.</summary>
    public TextWriter Text => _text ??= new StreamWriter(Output, Utf8) { AutoFlush = true, NewLine = "\n" };

    /// <summary>Whether a terminal may be coloured: nobody has said no (no-color.org).</summary>
    public bool HasColour => Variable("NO_COLOR") is null && Variable("TERM") != "dumb";

    /// <summary>Whether messages are coloured.</summary>
    public bool UsesColour => IsErrorTerminal && HasColour;

    /// <summary>The user's home directory, or null.</summary>
    public string? Home => Variable(OperatingSystem.IsWindows() ? "USERPROFILE" : "HOME");

    /// <summary>The shell of this process.</summary>
    public static Shell OfProcess()
    {
        var (isInputClosed, isErrorClosed) = (IsClosed(InputDescriptor), IsClosed(ErrorDescriptor));
        var isErrorTerminal = !isErrorClosed && !Console.IsErrorRedirected;
        var error = isErrorClosed ? TextWriter.Null : new StreamWriter(Console.OpenStandardError(), Utf8) { AutoFlush = true, NewLine = "\n" };
        if (OperatingSystem.IsWindows()) Console.OutputEncoding = Utf8;
        return new Shell
        {
            Input = isInputClosed ? Stream.Null : Console.OpenStandardInput(),
            Output = new StandardOutput(OpenOutput()),
            Error = error,
            IsInputTerminal = !isInputClosed && !Console.IsInputRedirected,
            IsOutputTerminal = !Console.IsOutputRedirected,
            IsErrorTerminal = isErrorTerminal,
            Width = () => Math.Max(20, Console.WindowWidth),
            ReadKey = () => Console.ReadKey(intercept: true),
            TakeCtrlC = isKey => Console.TreatControlCAsInput = isKey,
            Variable = name => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null,
            CurrentDirectory = Environment.CurrentDirectory,
            ProgramDirectory = AppContext.BaseDirectory,
            Interruption = new Interruption(() =>
            {
                if (isErrorTerminal) error.Write(ShowCursor);
                Environment.Exit(ExitCode.Interrupted);
            }),
        };
    }

    /// <summary>Whether this process was started without standard output.</summary>
    public static bool IsOutputClosed => IsClosed(OutputDescriptor);

    /// <summary>Whether a failed write means that nobody reads standard output any more.</summary>
    public static bool IsBrokenPipe(IOException fault) =>
        fault.HResult is BrokenPipeUnix or BrokenPipeWindows or NoDataWindows;

    private const int BrokenPipeUnix = 32;
    private const int BrokenPipeWindows = unchecked((int)0x8007006D);
    private const int NoDataWindows = unchecked((int)0x800700E8);

    /// <summary>Whether this process was started without a descriptor. The run time takes the free number for a pipe of its own, from which nothing would
    /// ever come, and into which nobody but it may write; what it opens is closed on exec, and nothing that a process is started with can be.</summary>
    private static bool IsClosed(int descriptor)
    {
        const int closeOnExec = 0x80000;
        const string flags = "flags:";
        if (!OperatingSystem.IsLinux() || !Directory.Exists("/proc/self/fdinfo")) return false;
        try
        {
            var info = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fdinfo/{descriptor}"));
            var begin = info.IndexOf(flags, StringComparison.Ordinal);
            if (begin < 0) return false;
            var line = info.AsSpan(begin + flags.Length);
            return (Convert.ToInt32(line[..line.IndexOf('\n')].Trim().ToString(), 8) & closeOnExec) != 0;
        }
        catch (FileNotFoundException)
        {
            return true;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>The console's stream takes a reader who has gone for success, so pipes are written through a file stream. Files keep the console's
    /// stream, which writes where the file stands, also when several programs share it.</summary>
    private static Stream OpenOutput()
    {
        if (!Console.IsOutputRedirected || OperatingSystem.IsWindows()) return Console.OpenStandardOutput();
        var stream = new FileStream(new SafeFileHandle(OutputDescriptor, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        return stream.CanSeek ? Console.OpenStandardOutput() : stream;
    }
}
