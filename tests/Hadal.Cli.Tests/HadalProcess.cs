using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Hadal.Cli.Tests;

/// <summary>The program as a process of its own.</summary>
internal sealed partial class HadalProcess : IDisposable
{
    private const int Sigint = 2, Sigterm = 15;

    /// <summary>Ends a test whose process hangs; nothing is measured with it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly Process _process;
    private readonly Lazy<Task<string>> _error;
    private readonly Timer _guard;

    private HadalProcess(ProcessStartInfo start, bool readsErrorLines = false)
    {
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        start.StandardOutputEncoding = start.StandardErrorEncoding = Encoding.UTF8;
        _process = Process.Start(start)!;
        _error = new Lazy<Task<string>>(_process.StandardError.ReadToEndAsync);
        if (!readsErrorLines) _ = _error.Value;
        _guard = new Timer(_ => _process.Kill(entireProcessTree: true), null, Patience, Timeout.InfiniteTimeSpan);
    }

    public StreamReader Output => _process.StandardOutput;

    public StreamWriter Input => _process.StandardInput;

    /// <summary>How the program is started from a shell.</summary>
    public static string CommandLine => $"'{Environment.ProcessPath}' exec '{Path.Combine(AppContext.BaseDirectory, "hadal.dll")}'";

    /// <summary>Starts the program.</summary>
    public static HadalProcess Start(params string[] arguments) =>
        new(new ProcessStartInfo(Environment.ProcessPath!, ["exec", Path.Combine(AppContext.BaseDirectory, "hadal.dll"), .. arguments]));

    /// <summary>Starts the program; its messages are read with <see cref="ReadErrorUntilAsync"/>.</summary>
    public static HadalProcess StartService(params string[] arguments) => StartService(new Dictionary<string, string>(), arguments);

    /// <summary>The same with variables of its own.</summary>
    public static HadalProcess StartService(IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["exec", Path.Combine(AppContext.BaseDirectory, "hadal.dll"), .. arguments]);
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return new HadalProcess(start, readsErrorLines: true);
    }

    /// <summary>Starts another program.</summary>
    public static HadalProcess StartProgram(string path, params string[] arguments) => new(new ProcessStartInfo(path, arguments));

    /// <summary>Starts a command line of the POSIX shell.</summary>
    public static HadalProcess StartShell(string commandLine) => new(new ProcessStartInfo("/bin/sh", ["-c", commandLine]));

    /// <summary>Starts a command line on a pseudo-terminal, whose screen is <see cref="Output"/> and whose keyboard is <see cref="Input"/>.</summary>
    public static HadalProcess StartOnTerminal(string commandLine, string stateFolder)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists("/usr/bin/script"), "needs the program script of util-linux for a pseudo-terminal");
        // The shell makes way: dash, interrupted beside its child, would answer 130 for a child that ended well.
        var start = new ProcessStartInfo("/usr/bin/script", ["-q", "-e", "-c", "exec " + commandLine, "/dev/null"]);
        start.Environment["XDG_STATE_HOME"] = stateFolder;
        start.Environment["TERM"] = "xterm";
        start.Environment.Remove("NO_COLOR");
        return new HadalProcess(start);
    }

    /// <summary>Sends SIGINT.</summary>
    public void Interrupt() => Assert.Equal(0, Kill(_process.Id, Sigint));

    /// <summary>Sends SIGTERM.</summary>
    public void Terminate() => Assert.Equal(0, Kill(_process.Id, Sigterm));

    /// <summary>Reads messages until one begins with a text, and returns it.</summary>
    public async Task<string> ReadErrorUntilAsync(string begin)
    {
        var read = new StringBuilder();
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(begin, StringComparison.Ordinal)) return line;
            read.AppendLine(line);
        }

        Assert.Fail($"expected a message '{begin}', found: {read}");
        return "";
    }

    /// <summary>Reads output until a text has come, and returns what was read.</summary>
    public string ReadUntil(string text)
    {
        var read = new StringBuilder();
        while (read.Length < text.Length || read.ToString(read.Length - text.Length, text.Length) != text)
        {
            var unit = Output.Read();
            if (unit < 0) Assert.Fail($"expected '{text}' in the output, found its end after: {read}");
            read.Append((char)unit);
        }

        return read.ToString();
    }

    /// <summary>Waits for the end.</summary>
    public (int ExitCode, string Error) End()
    {
        _process.WaitForExit();
        return (_process.ExitCode, _error.Value.GetAwaiter().GetResult());
    }

    public void Dispose()
    {
        _guard.Dispose();
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);
}
