using System.Runtime.CompilerServices;

namespace Hadal.Cli.Tests;

/// <summary>The help of every verb against text files; HADAL_ACCEPT=1 writes them anew.</summary>
public sealed class HelpTests
{
    [Theory]
    [InlineData("hadal", "--help")]
    [InlineData("run", "run", "--help")]
    [InlineData("serve", "serve", "--help")]
    [InlineData("bench", "bench", "-h")]
    [InlineData("pull", "pull", "--help")]
    [InlineData("list", "list", "--help")]
    [InlineData("remove", "remove", "--help")]
    [InlineData("inspect", "inspect", "--help")]
    [InlineData("tokenize", "tokenize", "--help")]
    [InlineData("render", "render", "--help")]
    [InlineData("logits", "logits", "--help")]
    [InlineData("perplexity", "perplexity", "--help")]
    [InlineData("quantize", "quantize", "--help")]
    [InlineData("merge", "merge", "--help")]
    [InlineData("synth", "synth", "--help")]
    [InlineData("grammar-bench", "grammar-bench", "--help")]
    [InlineData("doctor", "doctor", "--help")]
    public void Help_is_as_it_was_reviewed(string name, params string[] arguments)
    {
        var path = Path.Combine(Folder(), "Snapshots", $"{name}.txt");
        var text = TestShell.Run("", arguments).Done().Text;
        if (Environment.GetEnvironmentVariable("HADAL_ACCEPT") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }

        Assert.Equal(File.ReadAllText(path), text);
    }

    [Fact]
    public void The_version_is_the_programs() =>
        Assert.Matches(@"^\d+\.\d+\.\d+", TestShell.Run("", "--version").Done().Text);

    private static string Folder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
