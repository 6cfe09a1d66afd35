namespace Hadal.Cli.Tests.Hub;

/// <summary><c>hadal list</c> and <c>hadal remove</c> over a cache that <c>hadal pull</c> made.</summary>
public sealed class CacheCommandTests : PullTests
{
    private static readonly string Second = new('b', 40);

    [Fact]
    public void The_list_says_what_a_model_is_and_what_it_costs()
    {
        GiveModel();
        Pull();
        var text = Run(["list"]).Done().Text;
        Assert.Matches(@"own/tiny +01234567 \(main\) +deepseek_v3 +f32 +\d", text);
        foreach (var builtIn in (string[])["hadal-mini", "hadal-mini-chat"]) Assert.Matches($"{builtIn} +comes with the program", text);
        Assert.Contains($"in {Cache}", text, StringComparison.Ordinal);
        var model = Assert.Single(Run(["list", "--json"]).Done().Json.GetProperty("models").EnumerateArray());
        Assert.Equal(("own/tiny", TestHub.Commit, Hub.Files.Values.Sum(content => content.Length)), (model.GetProperty("model").GetString(), model.GetProperty("revision").GetString(), model.GetProperty("bytes").GetInt32()));
        Assert.Equal(["main"], model.GetProperty("references").EnumerateArray().Select(reference => reference.GetString()));
    }

    [Fact]
    public void A_model_that_cannot_be_opened_is_listed_with_the_reason()
    {
        Hub.Files["config.json"] = """{"model_type":"mamba"}"""u8.ToArray();
        Hub.Files["model.safetensors"] = Content(100);
        Pull();
        var text = Run(["list"]).Done().Text;
        Assert.Matches(@"own/tiny +01234567 \(main\) +mamba +\? ", text);
        Assert.Contains("own/tiny cannot be opened: ", text, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_cache_says_how_to_fill_it() =>
        Assert.Contains("no models in the hub cache; hadal pull OWNER/NAME downloads one", Run(["list"]).Done().Text, StringComparison.Ordinal);

    [Fact]
    public void A_model_goes_with_everything_that_is_its_own()
    {
        GiveModel();
        Pull();
        Directory.CreateDirectory(Path.Combine(Cache, "models--own--other", "snapshots", "x"));
        Assert.StartsWith($"would remove own/tiny: 1 revisions, ", Run(["remove", "own/tiny", "--dry-run"]).Done().Text, StringComparison.Ordinal);
        Assert.True(Directory.Exists(Snapshot));
        var json = Run(["remove", "own/tiny", "--yes", "--json"]).Done().Json;
        Assert.True(json.GetProperty("bytes").GetInt64() >= Hub.Files.Values.Sum(content => content.Length));
        Assert.False(Directory.Exists(Repository));
        Assert.Contains("own/tiny: not in the hub cache", Run(["remove", "own/tiny", "--yes"]).Fault(1), StringComparison.Ordinal);
        Assert.True(Directory.Exists(Path.Combine(Cache, "models--own--other")));
    }

    [Theory]
    [InlineData("v1")]
    [InlineData("0123456789")]
    [InlineData(TestHub.Commit)]
    public void What_another_revision_uses_stays(string revision)
    {
        GiveTwo();
        var old = Path.Combine(Repository, "snapshots", TestHub.Commit);
        var bytes = Run(["remove", $"own/tiny@{revision}", "--yes", "--json"]).Done().Json.GetProperty("bytes").GetInt64();
        Assert.Equal(2, bytes);
        Assert.False(Directory.Exists(old));
        Assert.False(File.Exists(Path.Combine(Repository, "refs", "v1")));
        Assert.Equal(2, Directory.GetFiles(Path.Combine(Repository, "blobs")).Length);
        AssertPulled();
        Assert.Equal(Second, File.ReadAllText(Path.Combine(Repository, "refs", "main")));
    }

    [Fact]
    public void A_revision_that_is_not_there_is_said_with_those_that_are()
    {
        GiveTwo();
        Assert.Contains($"no such revision in the hub cache; it has {TestHub.Commit}, v1, {Second}, main", Run(["remove", "own/tiny@v9", "--yes"]).Fault(1), StringComparison.Ordinal);
        Assert.Equal(3, Directory.GetFiles(Path.Combine(Repository, "blobs")).Length);
    }

    [Theory]
    [InlineData('y', true)]
    [InlineData('n', false)]
    [InlineData('\r', false)]
    public void On_a_terminal_a_person_is_asked(char key, bool isRemoved)
    {
        GiveWeights(10);
        Pull();
        var outcome = Shell(isTerminal: true, [new ConsoleKeyInfo(key, default, false, false, false)]).Run("remove", "own/tiny");
        Assert.Contains("remove own/tiny: 1 revisions, ", outcome.Error, StringComparison.Ordinal);
        Assert.Equal((isRemoved ? 0 : 1, isRemoved), (outcome.ExitCode, !Directory.Exists(Repository)));
    }

    [Fact]
    public void Where_nobody_can_be_asked_nothing_is_removed_without_yes()
    {
        GiveWeights(10);
        Pull();
        Assert.Contains("give --yes", Run(["remove", "own/tiny"]).Fault(2), StringComparison.Ordinal);
        Assert.True(Directory.Exists(Snapshot));
    }

    [Fact]
    public void What_links_lead_to_outside_the_cache_is_not_touched()
    {
        GiveTwo();
        var outside = Path.Combine(Path.GetDirectoryName(Cache)!, "mine.txt");
        File.WriteAllText(outside, "mine");
        File.CreateSymbolicLink(Path.Combine(Repository, "snapshots", TestHub.Commit, "mine.txt"), outside);
        Directory.CreateSymbolicLink(Path.Combine(Repository, "snapshots", TestHub.Commit, "folder"), Path.GetDirectoryName(outside)!);
        Run(["remove", "own/tiny@v1", "--yes"]).Done();
        Run(["remove", "own/tiny", "--yes"]).Done();
        Assert.Equal("mine", File.ReadAllText(outside));
    }

    /// <summary>Two commits with the same weights and other configs.</summary>
    private void GiveTwo()
    {
        GiveWeights(1000);
        Pull("--revision", "v1");
        (Hub.Head, Hub.Files["config.json"]) = (Second, "{ }"u8.ToArray());
        Pull();
    }
}
