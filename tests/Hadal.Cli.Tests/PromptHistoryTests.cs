namespace Hadal.Cli.Tests;

public sealed class PromptHistoryTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("hadal-").FullName;

    private string FilePath => Path.Combine(_root, "hadal", "history");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Prompts_come_back_in_the_next_conversation_with_all_their_lines()
    {
        var history = Open();
        string[] prompts = ["plain", "two\nlines", @"a \ and \n as typed", "世界"];
        foreach (var prompt in prompts) history.Add(prompt);
        history.Add("世界");
        Assert.Equal(prompts, Open().Prompts);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(FilePath));
    }

    [Fact]
    public void Only_the_newest_thousand_are_kept()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(FilePath)!);
        File.WriteAllLines(FilePath, Enumerable.Range(0, 2001).Select(i => $"prompt {i}"));
        Assert.Equal(Enumerable.Range(1001, 1000).Select(i => $"prompt {i}"), Open().Prompts);
        Assert.Equal(1000, File.ReadAllLines(FilePath).Length);
    }

    [Fact]
    public void A_place_that_cannot_be_written_leaves_the_history_in_memory()
    {
        File.WriteAllText(Path.Combine(_root, "hadal"), "a file where the folder should be");
        var history = Open();
        history.Add("kept");
        Assert.Equal(["kept"], history.Prompts);
    }

    private PromptHistory Open() =>
        PromptHistory.Open(new TestShell { Variables = { ["XDG_STATE_HOME"] = _root, ["LOCALAPPDATA"] = _root } }.Shell(Stream.Null, Stream.Null, TextWriter.Null));
}
