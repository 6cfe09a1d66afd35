using System.Text.Json;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

/// <summary>What only a process of its own shows: pipes, signals, terminals.</summary>
public sealed class ProcessTests : IDisposable
{
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");
    private static readonly string[] LongAnswer = ["run", Model, "-p", "Hello", "--seed", "1", "--max-tokens", "100000", "--context", "163840"];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_process_prints_what_the_command_does()
    {
        using var process = HadalProcess.Start("run", Model, "--seed", "5", "--max-tokens", "12", "--json");
        process.Input.Write("Grüße, 世界\n");
        process.Input.Close();
        var text = process.Output.ReadToEnd();
        Assert.Equal((0, ""), process.End());
        var expected = TestShell.Run("Grüße, 世界\n", "run", Model, "--seed", "5", "--max-tokens", "12", "--json").Done().Json;
        Assert.Equal(expected.GetProperty("text").GetString(), JsonElement.Parse(text).GetProperty("text").GetString());
    }

    [Fact]
    public void A_fault_is_one_line_and_an_exit_code()
    {
        using var process = HadalProcess.Start("run", "no/such", "-p", "x");
        Assert.Equal("", process.Output.ReadToEnd());
        var (exitCode, error) = process.End();
        Assert.Equal(1, exitCode);
        Assert.Matches(@"^hadal: model 'no/such' was not found; .*\n$", error);
    }

    [Fact]
    public void Ctrl_C_ends_an_answer_with_130()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs POSIX signals");
        using var process = HadalProcess.Start(LongAnswer);
        Assert.NotEqual(-1, process.Output.Read());
        process.Interrupt();
        process.Output.ReadToEnd();
        Assert.Equal((130, ""), process.End());
    }

    [Fact]
    public void Ctrl_C_ends_work_that_has_no_answer_with_130()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs POSIX signals");
        using var process = HadalProcess.Start("logits", Model, "--json", "--token-ids", string.Join(',', new int[20000]));
        process.ReadUntil("\"logits\":[[");
        process.Interrupt();
        Assert.Equal((130, ""), process.End());
    }

    [Fact]
    public void A_reader_that_goes_away_ends_the_answer_quietly()
    {
        using var process = HadalProcess.Start(LongAnswer);
        Assert.NotEqual(-1, process.Output.Read());
        process.Output.Close();
        Assert.Equal((0, ""), process.End());
    }

    [Fact]
    public void A_full_disk_is_said()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "needs /dev/full");
        using var process = HadalProcess.StartShell($"{HadalProcess.CommandLine} inspect '{Model}' --json > /dev/full");
        var (exitCode, error) = process.End();
        Assert.Equal(1, exitCode);
        Assert.Matches("^hadal: standard output: cannot be written: No space left on device.*\n$", error);
    }

    [Theory]
    [InlineData("run MODEL <&-", 2, "standard input is empty; give a prompt with -p or through a pipe")]
    [InlineData("run MODEL -p x --max-tokens 2 >&-", 1, "standard output is closed")]
    [InlineData("--help >&-", 1, "standard output is closed")]
    [InlineData("run no/such -p x 2>&-", 1, null)]
    [InlineData("run no/such -p x <&- >&- 2>&-", 1, null)]
    public void A_stream_that_is_closed_is_told_from_a_pipe(string commandLine, int expectedCode, string? expected)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /proc");
        using var process = HadalProcess.StartShell($"{HadalProcess.CommandLine} {commandLine.Replace("MODEL", $"'{Model}'", StringComparison.Ordinal)}");
        Assert.Equal((expectedCode, expected is null ? "" : $"hadal: {expected}\n"), process.End());
    }

    [Fact]
    public void Messages_may_come_from_a_pipe()
    {
        Assert.SkipUnless(File.Exists("/dev/stdin"), "needs /dev/stdin");
        using var process = HadalProcess.StartShell($"cat | {HadalProcess.CommandLine} render '{Model}' --messages /dev/stdin");
        process.Input.Write("[{ \"role\": \"user\", \"content\": \"Hello\" }]");
        process.Input.Close();
        var text = process.Output.ReadToEnd();
        Assert.Equal((0, ""), process.End());
        Assert.Contains("Hello", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_fault_that_nobody_can_be_told_still_has_its_exit_code()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "needs /dev/full");
        using var process = HadalProcess.StartShell($"{HadalProcess.CommandLine} run no/such -p x 2> /dev/full");
        Assert.Equal(1, process.End().ExitCode);
    }

    [Fact]
    public void Two_commands_write_one_behind_the_other_into_a_file()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a POSIX shell");
        var file = Path.Combine(_folder.FullName, "out.txt");
        using var process = HadalProcess.StartShell($"for text in one two; do printf $text | {HadalProcess.CommandLine} tokenize '{Model}'; done > '{file}'");
        Assert.Equal((0, ""), process.End());
        Assert.Equal(2, File.ReadAllLines(file).Length);
    }

    [Fact]
    public void On_a_terminal_a_conversation_answers_stops_and_leaves()
    {
        using var process = HadalProcess.StartOnTerminal(
            $"{HadalProcess.CommandLine} run '{Model}' --temperature 0 --max-tokens 100000 --context 163840 --stop impossible", _folder.FullName);
        process.ReadUntil("> ");
        // An answer, stopped while it is written; pasted lines and an edited line reach the model whole.
        process.Input.Write("\e[200~Hello\r\nworld\e[201~\r");
        process.ReadUntil("\r\n· world");
        process.ReadUntil("\e[?2004l");
        process.ReadUntil("\n");
        Assert.NotEqual(-1, process.Output.Read());
        process.Input.Write("\x03");
        Assert.Contains("tokens/s", process.ReadUntil(", stopped]"), StringComparison.Ordinal);
        process.ReadUntil("> ");
        process.Input.Write("/exot\e[D\x7f" + "i\r");
        process.Output.ReadToEnd();
        Assert.Equal((0, ""), process.End());
        Assert.Equal(["Hello\\nworld", "/exit"], File.ReadAllLines(Path.Combine(_folder.FullName, "hadal", "history")));
    }

    [Fact]
    public void On_a_terminal_Ctrl_C_on_an_empty_line_leaves_with_130()
    {
        using var process = HadalProcess.StartOnTerminal($"{HadalProcess.CommandLine} run '{Model}'", _folder.FullName);
        process.ReadUntil("> ");
        process.Input.Write("\x03");
        process.Output.ReadToEnd();
        Assert.Equal((130, ""), process.End());
    }
}
