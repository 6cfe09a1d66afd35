using System.Text;
using System.Text.Json;

namespace Hadal.Cli.Tests;

/// <summary>What a command left behind.</summary>
internal sealed record Outcome(int ExitCode, byte[] Output, string Error)
{
    /// <summary>Standard output as text.</summary>
    public string Text { get; } = Encoding.UTF8.GetString(Output);

    /// <summary>The one JSON object on standard output.</summary>
    public JsonElement Json => JsonElement.Parse(Text);

    /// <summary>The outcome, which must be a success without a word on standard error.</summary>
    public Outcome Done()
    {
        Assert.Equal("", Error);
        Assert.Equal(0, ExitCode);
        return this;
    }

    /// <summary>The one line on standard error of a command that must have ended with <paramref name="exitCode"/> and printed nothing.</summary>
    public string Fault(int exitCode)
    {
        Assert.Equal(exitCode, ExitCode);
        Assert.Equal("", Text);
        Assert.StartsWith("hadal: ", Error, StringComparison.Ordinal);
        Assert.Equal(Error.Length - 1, Error.IndexOf('\n', StringComparison.Ordinal));
        return Error[..^1];
    }
}

/// <summary>Runs commands in this process, with streams that tests can read.</summary>
internal sealed class TestShell
{
    public byte[] Input { get; init; } = [];

    public bool IsTerminal { get; init; }

    public Dictionary<string, string> Variables { get; init; } = [];

    public string CurrentDirectory { get; init; } = Path.GetTempPath();

    public string ProgramDirectory { get; init; } = AppContext.BaseDirectory;

    /// <summary>Keys that are pressed, one after the other.</summary>
    public IEnumerable<ConsoleKeyInfo> Keys { get; init; } = [];

    public int Width { get; init; } = 80;

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Runs one command with text on standard input, which is then not a terminal.</summary>
    public static Outcome Run(string input, params string[] arguments) => new TestShell { Input = Encoding.UTF8.GetBytes(input) }.Run(arguments);

    /// <summary>Runs one command.</summary>
    public Outcome Run(params string[] arguments)
    {
        using var input = new MemoryStream(Input);
        using var output = new MemoryStream();
        using var error = new StringWriter { NewLine = "\n" };
        var exitCode = HadalCommand.Run(arguments, Shell(input, output, error));
        return new Outcome(exitCode, output.ToArray(), error.ToString());
    }

    /// <summary>The shell over given streams.</summary>
    public Shell Shell(Stream input, Stream output, TextWriter error)
    {
        var keys = Keys.GetEnumerator();
        return new Shell
        {
            Input = input,
            Output = output,
            Error = error,
            IsInputTerminal = IsTerminal,
            IsOutputTerminal = IsTerminal,
            IsErrorTerminal = IsTerminal,
            Width = () => Width,
            ReadKey = () => keys.MoveNext() ? keys.Current : throw new InvalidOperationException("no more keys are pressed"),
            Variable = name => Variables.GetValueOrDefault(name),
            CurrentDirectory = CurrentDirectory,
            ProgramDirectory = ProgramDirectory,
            Clock = Clock,
            Interruption = new Interruption(() => throw new InvalidOperationException("the process would end")),
        };
    }
}
