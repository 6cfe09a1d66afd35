namespace Hadal.Cli.Tests;

public sealed class ModelLocatorTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("hadal-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void A_directory_is_a_model_and_its_name()
    {
        Make("models/tiny/config.json");
        Assert.Equal(new ModelLocation("tiny", PathOf("models/tiny")), Find("models/tiny/"));
        Assert.Equal(new ModelLocation("tiny", PathOf("models/tiny")), Find(PathOf("models/tiny")));
    }

    [Fact]
    public void A_gguf_file_is_a_model_and_any_other_file_is_not()
    {
        Make("Tiny-Q4_0.GGUF");
        Make("model.safetensors");
        Assert.Equal(new ModelLocation("Tiny-Q4_0", PathOf("Tiny-Q4_0.GGUF")), Find("Tiny-Q4_0.GGUF"));
        Assert.Equal(
            $"{PathOf("model.safetensors")} is a file, expected a .gguf file or a directory with config.json; for safetensors give the directory they are in",
            Fault("model.safetensors", ExitCode.Failed));
    }

    [Fact]
    public void A_folder_without_config_but_with_one_gguf_file_means_that_file()
    {
        Make("quantised/a.gguf");
        Assert.Equal(PathOf("quantised/a.gguf"), Find("quantised").Path);
        Make("quantised/b.gguf");
        Assert.Contains("has several .gguf files (a.gguf, b.gguf); give the path of one", Fault("quantised", ExitCode.Failed), StringComparison.Ordinal);
    }

    [Fact]
    public void Left_out_it_is_the_model_beside_the_program()
    {
        Assert.StartsWith($"hadal-mini is missing: expected {PathOf("program/models/hadal-mini")}", Fault(null, ExitCode.Failed), StringComparison.Ordinal);
        Make("program/models/hadal-mini/config.json");
        Assert.Equal(new ModelLocation("hadal-mini", PathOf("program/models/hadal-mini")), Find(null));
        Assert.Equal(PathOf("program/models/hadal-mini"), Find("hadal-mini").Path);
        Make("hadal-mini/config.json");
        Assert.Equal(PathOf("hadal-mini"), Find("hadal-mini").Path);
    }

    [Theory]
    [InlineData("HF_HUB_CACHE", "hub", "hub")]
    [InlineData("HF_HOME", "home", "home/hub")]
    [InlineData("XDG_CACHE_HOME", "cache", "cache/huggingface/hub")]
    [InlineData("HOME", "user", "user/.cache/huggingface/hub")]
    public void The_hub_cache_is_found_where_its_own_tools_put_it(string variable, string value, string folder)
    {
        Make($"{folder}/models--own--tiny-1.5/snapshots/0123abc/config.json");
        Make($"{folder}/models--own--tiny-1.5/refs/main", "0123abc\n");
        var variables = new Dictionary<string, string> { [variable] = PathOf(value) };
        Assert.Equal(new ModelLocation("own/tiny-1.5", PathOf($"{folder}/models--own--tiny-1.5/snapshots/0123abc")), Find("own/tiny-1.5", variables));
    }

    [Fact]
    public void Without_a_reference_the_only_snapshot_is_taken_and_none_of_several()
    {
        var variables = new Dictionary<string, string> { ["HF_HUB_CACHE"] = PathOf("hub") };
        Make("hub/models--a--b/snapshots/one/weights.gguf");
        Assert.Equal(PathOf("hub/models--a--b/snapshots/one/weights.gguf"), Find("a/b", variables).Path);
        Make("hub/models--a--b/snapshots/two/weights.gguf");
        Assert.Contains("(2 snapshots and no refs/main to choose by)", Fault("a/b", ExitCode.Failed, variables), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../../../secret")]
    [InlineData("/etc")]
    [InlineData("")]
    public void A_reference_that_leads_out_of_the_cache_is_refused(string revision)
    {
        Make("hub/models--a--b/refs/main", revision);
        Make("secret/config.json");
        var fault = Fault("a/b", ExitCode.Failed, new() { ["HF_HUB_CACHE"] = PathOf("hub") });
        Assert.Contains("refs/main: expected the name of a revision", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_model_names_everything_that_was_looked_for()
    {
        Make("hub/models--deepseek-ai--DeepSeek-V2-Lite/snapshots/x/config.json");
        Make("hub/models--own--broken/refs/main", "gone");
        var variables = new Dictionary<string, string> { ["HF_HUB_CACHE"] = PathOf("hub"), ["HOME"] = PathOf("user") };
        var fault = Fault("own/tiny", ExitCode.Failed, variables);
        Assert.Equal(
            $"model 'own/tiny' was not found; looked for {PathOf("own/tiny")} (no such file or directory), {PathOf("hub/models--own--tiny")} (not in this hub cache), " +
            $"{PathOf("user/.cache/huggingface/hub")} (no such hub cache); the hub cache has deepseek-ai/DeepSeek-V2-Lite, own/broken; " +
            "hadal pull own/tiny downloads it if the hub has it; or give a checkpoint directory, a .gguf file, or the owner/name of a model in the local hub cache",
            fault);
        Assert.Contains($"{PathOf("hub/models--own--broken/snapshots/gone")} (named by refs/main, not there)", Fault("own/broken", ExitCode.Failed, variables), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData("a\0b")]
    public void An_empty_name_is_wrong_usage(string model) => Assert.StartsWith("MODEL is empty", Fault(model, ExitCode.WrongUsage), StringComparison.Ordinal);

    private string PathOf(string relative) => Path.Combine(_root, relative);

    private void Make(string relative, string content = "")
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(relative))!);
        File.WriteAllText(PathOf(relative), content);
    }

    private ModelLocation Find(string? model, Dictionary<string, string>? variables = null)
    {
        var shell = new TestShell { CurrentDirectory = _root, ProgramDirectory = PathOf("program"), Variables = variables ?? [] };
        return new ModelLocator(shell.Shell(Stream.Null, Stream.Null, TextWriter.Null)).Find(model);
    }

    private string Fault(string? model, int exitCode, Dictionary<string, string>? variables = null)
    {
        var fault = Assert.Throws<CommandException>(() => Find(model, variables));
        Assert.Equal(exitCode, fault.ExitCode);
        return fault.Message;
    }
}
