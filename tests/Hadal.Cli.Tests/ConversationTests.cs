using Hadal.Tests;

namespace Hadal.Cli.Tests;

/// <summary>Conversations on a terminal whose keys are given.</summary>
public sealed class ConversationTests
{
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");
    private static readonly string[] Command = ["run", Model, "--temperature", "0", "--max-tokens", "6"];

    [Fact]
    public void Ctrl_D_and_exit_leave_with_0_and_Ctrl_C_with_130()
    {
        Assert.Equal(ExitCode.Done, Talk([Keys.Control('d')]).ExitCode);
        Assert.Equal(ExitCode.Done, Talk(Keys.Typed("/exit\n")).ExitCode);
        Assert.Equal(ExitCode.Interrupted, Talk([Keys.Control('c')]).ExitCode);
    }

    [Fact]
    public void Each_prompt_gets_an_answer_that_knows_what_was_said_before()
    {
        var lines = Talk(Keys.Typed("One\nTwo\n/exit\n")).Text;
        var alone = Talk(Keys.Typed("One\n/clear\nTwo\n/exit\n"));
        Assert.NotEqual(lines, alone.Text);
        Assert.Equal(Answer("One") + Answer("Two"), alone.Text);
        Assert.Contains("The conversation is forgotten.", alone.Error, StringComparison.Ordinal);
        Assert.Contains("parameters in f32. /help shows what there is.", alone.Error, StringComparison.Ordinal);
        Assert.Equal(2, alone.Error.Split("tokens/s").Length - 1);
    }

    [Fact]
    public void System_begins_a_new_conversation_with_a_text()
    {
        Assert.Equal(Answer("One") + Answer("Two", "--system", "Be brief."), Talk(Keys.Typed("One\n/system Be brief.\nTwo\n/exit\n")).Text);
        Assert.Equal(Answer("One"), new TestShell { IsTerminal = true, Keys = Keys.Typed("/system\nOne\n/exit\n") }.Run([.. Command, "--system", "Be long."]).Text);
    }

    [Fact]
    public void Help_and_unknown_commands_talk_to_the_person_and_not_to_the_model()
    {
        var outcome = Talk(Keys.Typed("/help\n/halp\n\n/exit\n"));
        Assert.Equal("", outcome.Text);
        Assert.Contains("/system TEXT", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("/halp is no command", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(Answer("/etc/passwd?"), Talk(Keys.Typed("/etc/passwd?\n/exit\n")).Text);
    }

    [Fact]
    public void A_prompt_that_does_not_fit_is_said_and_the_conversation_goes_on()
    {
        var shell = new TestShell { IsTerminal = true, Keys = Keys.Typed("Hello, this is far too long to fit\nOne\n/exit\n") };
        var outcome = shell.Run([.. Command, "--context", "16"]);
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains("hadal: the prompt has", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("/clear begins a new conversation", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(Answer("One"), outcome.Text);
    }

    [Fact]
    public void A_terminal_that_cannot_move_its_cursor_gives_plain_lines()
    {
        var shell = new TestShell { IsTerminal = true, Variables = { ["TERM"] = "dumb" }, Input = "One\n/exit\n"u8.ToArray() };
        var outcome = shell.Run(Command);
        Assert.Equal((0, Answer("One")), (outcome.ExitCode, outcome.Text));
        Assert.DoesNotContain('\e', outcome.Error);
        Assert.Equal(ExitCode.Done, new TestShell { IsTerminal = true, Variables = { ["TERM"] = "dumb" } }.Run(Command).ExitCode);
    }

    [Theory]
    [InlineData("What is 37 plus 45?", "37 + 45 = 82")]
    [InlineData("What is 508 plus 467?", "508 + 467 = 975")]
    [InlineData("你好", "你好")]
    public void Who_names_no_model_talks_to_one_that_answers(string prompt, string expected)
    {
        var outcome = new TestShell { IsTerminal = true, Keys = Keys.Typed($"{prompt}\n/exit\n") }.Run("run");
        Assert.Contains(expected, outcome.Text, StringComparison.Ordinal);
        Assert.Contains("hadal-mini-chat, 7.5", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(outcome.Text, new TestShell { IsTerminal = true }.Run("run", "hadal-mini-chat", "-p", prompt).Text);
    }

    private static Outcome Talk(IEnumerable<ConsoleKeyInfo> keys) => new TestShell { IsTerminal = true, Keys = keys }.Run(Command);

    /// <summary>The answer to one prompt, as a terminal shows it.</summary>
    private static string Answer(string prompt, params string[] options) => new TestShell { IsTerminal = true }.Run([.. Command, "-p", prompt, .. options]).Text;
}
