using System.Text.Json;

namespace Hadal.Cli.Tests.Hub;

/// <summary>What a pull leaves behind, and what it says.</summary>
public sealed class PullCommandTests : PullTests
{
    [Fact]
    public void A_model_lies_as_the_hub_s_tools_lay_it_and_every_verb_opens_it()
    {
        GiveModel();
        var pulled = Pull();
        Assert.Equal((0, Snapshot + "\n"), (pulled.ExitCode, pulled.Text));
        Assert.StartsWith($"hadal: own/tiny@main ({TestHub.Commit[..8]}): {Hub.Files.Count} files of ", pulled.Error, StringComparison.Ordinal);
        Assert.Contains("free on the disk", pulled.Error, StringComparison.Ordinal);
        Assert.Equal(TestHub.Commit, File.ReadAllText(Path.Combine(Repository, "refs", "main")));
        Assert.Equal($"../../blobs/{TestHub.GitHash(Hub.Files["config.json"])}", new FileInfo(Path.Combine(Snapshot, "config.json")).LinkTarget);
        Assert.Equal(Hub.Files.Keys.Order(), Directory.GetFiles(Snapshot).Select(Path.GetFileName).Order());
        Assert.All(Directory.GetFiles(Snapshot), path => Assert.Equal(Hub.Files[Path.GetFileName(path)], File.ReadAllBytes(path)));
        Assert.Empty(Partials());
        Assert.Equal("deepseek_v3", Run(["inspect", "own/tiny", "--json"]).Done().Json.GetProperty("model_type").GetString());
        Assert.NotEqual("", Run(["run", "own/tiny@main", "-p", "x", "--max-tokens", "3"]).Done().Text);
        Assert.Equal(Snapshot, Run(["inspect", "own/tiny@0123456", "--json"]).Done().Json.GetProperty("path").GetString());

        var before = Hub.Downloads.Count();
        Assert.Equal(Snapshot + "\n", Pull().Done().Text);
        Assert.Equal(before, Hub.Downloads.Count());
    }

    [Fact]
    public void A_model_that_is_absent_is_said_with_what_brings_it() =>
        Assert.Contains("hadal pull own/tiny@v2 downloads it", Run(["run", "own/tiny@v2", "-p", "x"]).Fault(1), StringComparison.Ordinal);

    [Fact]
    public void Only_what_a_model_is_opened_from_is_downloaded()
    {
        GiveWeights(100);
        foreach (var path in new[] { "model.fp16.safetensors", "pytorch_model.bin", "pytorch_model.bin.index.json", "modeling.py", "README.md", "onnx/model.safetensors", "original/params.json" }) Hub.Files[path] = [1];
        foreach (var path in new[] { "tokenizer.json", "chat_template.jinja", "tokenizer.model", "LICENSE" }) Hub.Files[path] = [.. path.Select(unit => (byte)unit)];
        Assert.Equal(0, Pull().ExitCode);
        Assert.Equal(["LICENSE", "chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json", "tokenizer.model"], Directory.GetFiles(Snapshot).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("model-00001-of-00002.safetensors model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors model-00002-of-00002.safetensors consolidated.safetensors a.gguf")]
    [InlineData("adapter_model.safetensors", "adapter_model.safetensors b.bin")]
    [InlineData("a-Q4.gguf", "a-Q4.gguf")]
    [InlineData("a-00001-of-00002.gguf a-00002-of-00002.gguf", "a-00001-of-00002.gguf a-00002-of-00002.gguf")]
    public void Weights_are_chosen_by_what_the_engine_opens(string expected, string there)
    {
        var seed = 0;
        foreach (var path in there.Split(' ')) Hub.Files[path] = Content(9, seed++);
        Assert.Equal(0, Pull().ExitCode);
        Assert.Equal(expected.Split(' '), Directory.GetFiles(Snapshot).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("a-Q4.gguf a-Q8.gguf", "has 2 GGUF models (a-Q4.gguf, a-Q8.gguf); choose one, for example with --include 'a-Q4*'")]
    [InlineData("pytorch_model.bin config.json", "has neither safetensors nor GGUF files")]
    public void Weights_that_are_not_clear_are_not_guessed(string there, string expected)
    {
        foreach (var path in there.Split(' ')) Hub.Files[path] = [1];
        Assert.Contains(expected, Pull().Fault(1), StringComparison.Ordinal);
        Assert.Empty(Hub.Downloads);
    }

    [Fact]
    public void Patterns_replace_the_choice_and_take_from_it()
    {
        GiveWeights(10);
        (Hub.Files["a-Q4.gguf"], Hub.Files["deep/er/notes.md"], Hub.Files["extra.json"]) = (Content(5, 2), Content(6, 3), "[]"u8.ToArray());
        Assert.Equal(0, Pull("--include", "*.gguf", "--include", "deep/*").ExitCode);
        Assert.Equal("../../../../blobs/" + Path.GetFileName(new FileInfo(Path.Combine(Snapshot, "deep/er/notes.md")).LinkTarget), new FileInfo(Path.Combine(Snapshot, "deep/er/notes.md")).LinkTarget);
        Assert.Equal(Hub.Files["deep/er/notes.md"], File.ReadAllBytes(Path.Combine(Snapshot, "deep/er/notes.md")));
        Assert.Equal(["a-Q4.gguf"], Directory.GetFiles(Snapshot).Select(Path.GetFileName));
        Assert.Equal(0, Pull("--exclude", "extra*").ExitCode);
        Assert.Equal(["a-Q4.gguf", "config.json", "model.safetensors"], Directory.GetFiles(Snapshot).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Contains("no file fits *.onnx; it has config.json", Pull("--include", "*.onnx").Fault(1), StringComparison.Ordinal);
    }

    [Fact]
    public void A_dry_run_shows_and_changes_nothing()
    {
        GiveWeights(3 << 20);
        var text = Pull("--dry-run").Done().Text;
        Assert.Contains("model.safetensors   3.00 MiB      3.00 MiB", text, StringComparison.Ordinal);
        Assert.Contains("3.00 MiB to download; ", text, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Cache));
        Pull();
        var json = Pull("--dry-run", "--json").Done().Json;
        Assert.Equal((0, (3 << 20) + 2, true), (json.GetProperty("download_bytes").GetInt64(), json.GetProperty("bytes").GetInt64(), json.GetProperty("dry_run").GetBoolean()));
    }

    [Fact]
    public void A_revision_is_kept_under_its_name_and_all_files_are_of_its_commit()
    {
        GiveWeights(10);
        Assert.Equal(0, Run(["pull", "own/tiny@refs/pr/3"]).ExitCode);
        Assert.Equal(TestHub.Commit, File.ReadAllText(Path.Combine(Repository, "refs", "refs", "pr", "3")));
        Assert.Contains(Hub.Requests, request => request.Target == "/api/models/own/tiny/revision/refs%2Fpr%2F3?blobs=true");
        Assert.All(Hub.Downloads, request => Assert.StartsWith($"/own/tiny/resolve/{TestHub.Commit}/", request.Target, StringComparison.Ordinal));
        Assert.Equal(0, Pull("--revision", TestHub.Commit).ExitCode);
        Assert.Equal(["refs"], Directory.GetFileSystemEntries(Path.Combine(Repository, "refs")).Select(Path.GetFileName));
        Assert.Contains("is not the revision in 'own/tiny@a'", Run(["pull", "own/tiny@a", "--revision", "b"]).Fault(2), StringComparison.Ordinal);
    }

    [Fact]
    public void A_new_commit_takes_over_what_has_not_changed()
    {
        var weights = GiveWeights(1000);
        Pull();
        Hub.Head = new string('b', 40);
        Hub.Files["config.json"] = "{ }"u8.ToArray();
        var before = Hub.Downloads.Count();
        Assert.Equal(0, Pull().ExitCode);
        Assert.EndsWith("/config.json", Assert.Single(Hub.Downloads.Skip(before)).Target, StringComparison.Ordinal);
        Assert.Equal(weights, File.ReadAllBytes(Path.Combine(Snapshot, "model.safetensors")));
        Assert.Equal(Hub.Head, File.ReadAllText(Path.Combine(Repository, "refs", "main")));
    }

    [Fact]
    public void Where_links_are_unwanted_the_files_lie_in_their_places()
    {
        GiveWeights(1000);
        Hub.Files["same.json"] = Hub.Files["config.json"];
        Assert.Equal(0, Run(["pull", "own/tiny"], ("HF_HUB_DISABLE_SYMLINKS", "1")).ExitCode);
        Assert.Equal(3, Directory.GetFiles(Snapshot).Length);
        Assert.All(Directory.GetFiles(Snapshot), path => Assert.Null(new FileInfo(path).LinkTarget));
        AssertPulled();
        Assert.Equal(Hub.Files["same.json"], File.ReadAllBytes(Path.Combine(Snapshot, "same.json")));
        Assert.Empty(Directory.GetFiles(Path.Combine(Repository, "blobs")));
        var before = Hub.Downloads.Count();
        Assert.Equal(0, Run(["pull", "own/tiny"], ("HF_HUB_DISABLE_SYMLINKS", "1")).ExitCode);
        Assert.Equal(before, Hub.Downloads.Count());
    }

    [Fact]
    public void Links_and_copies_live_beside_each_other()
    {
        GiveWeights(1000);
        Hub.Files["same.json"] = Hub.Files["config.json"];
        var (first, copies) = (Snapshot, ("HF_HUB_DISABLE_SYMLINKS", "1"));
        Assert.Equal(0, Pull("--include", "model.safetensors").ExitCode);
        Hub.Head = new string('b', 40);
        Assert.Equal(0, Run(["pull", "own/tiny", "--include", "model.safetensors", "--include", "config.json"], copies).ExitCode);
        AssertPulled();
        Assert.Null(new FileInfo(Path.Combine(Snapshot, "model.safetensors")).LinkTarget);
        // What the first commit links to is still there.
        Assert.Equal(Hub.Files["model.safetensors"], File.ReadAllBytes(Path.Combine(first, "model.safetensors")));
        Run(["remove", $"own/tiny@{Path.GetFileName(first)}", "--yes"]).Done();
        Directory.Delete(Path.Combine(Repository, "blobs"), recursive: true);
        Assert.Equal(0, Run(["pull", "own/tiny"], copies).ExitCode);
        Assert.Equal(Hub.Files["same.json"], File.ReadAllBytes(Path.Combine(Snapshot, "same.json")));
        AssertPulled();
    }

    [Fact]
    public void Too_little_space_is_said_before_anything_is_downloaded()
    {
        GiveWeights(10);
        Hub.Listing = Hub.TrueListing().Replace("\"size\":10", $"\"size\":{1L << 49}", StringComparison.Ordinal);
        Assert.Matches("^hadal: own/tiny: too little space: expected 512 TiB, found .* free on the disk of .*; remove a model .* or set HF_HUB_CACHE", Pull().Fault(1));
        Assert.Empty(Hub.Downloads);
    }

    [Fact]
    public void Offline_nothing_is_asked()
    {
        GiveWeights(10);
        Assert.Contains("it is not in the cache", Run(["pull", "own/tiny"], ("HF_HUB_OFFLINE", "1")).Fault(1), StringComparison.Ordinal);
        Assert.Empty(Hub.Requests);
        Pull();
        Assert.Contains($"the cache has it: {Snapshot}", Run(["pull", "own/tiny"], ("HF_HUB_OFFLINE", "yes")).Fault(1), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tiny")]
    [InlineData("own/tiny/x")]
    [InlineData("../tiny")]
    [InlineData("own/..")]
    [InlineData("own--x/tiny")]
    [InlineData("own/tiny@")]
    [InlineData("own/tiny@../main")]
    [InlineData("own/tiny@a//b")]
    [InlineData("own/ti ny")]
    public void A_name_that_is_none_is_wrong_usage(string name)
    {
        Assert.Contains("expected owner/name or owner/name@revision", Run(["pull", name]).Fault(2), StringComparison.Ordinal);
        Assert.Empty(Hub.Requests);
    }

    [Theory]
    [InlineData("HF_ENDPOINT", "ftp://x", "HF_ENDPOINT: expected http://host or https://host, found 'ftp://x'")]
    [InlineData("HF_ENDPOINT", "https://me:secret@x", "HF_ENDPOINT: expected")]
    [InlineData("HF_HUB_DOWNLOAD_TIMEOUT", "soon", "HF_HUB_DOWNLOAD_TIMEOUT: expected seconds")]
    public void A_variable_that_makes_no_sense_is_named(string variable, string value, string expected) =>
        Assert.Contains(expected, Run(["pull", "own/tiny"], (variable, value)).Fault(2), StringComparison.Ordinal);

    [Fact]
    public void On_a_terminal_bars_show_how_far_it_is()
    {
        GiveWeights(1 << 20);
        using var error = new SignalWriter("all files");
        Hub.Answer = request => request.Range is { To: > 10 } ? Hub.FileReply(request) with { HoldAfter = 1 << 19, Release = error.Seen } : null;
        using var output = new MemoryStream();
        Assert.Equal(0, HadalCommand.Run(["pull", "own/tiny"], Shell(isTerminal: true, [], ("TERM", "xterm")).Shell(Stream.Null, output, error)));
        AssertPulled();
        Assert.DoesNotContain("all files", Shell(isTerminal: true, [], ("HF_HUB_DISABLE_PROGRESS_BARS", "1")).Run("pull", "own/tiny").Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_at_once_download_everything_once()
    {
        GiveWeights(20 << 20);
        var both = await Task.WhenAll(Task.Run(() => Pull()), Task.Run(() => Pull()));
        Assert.All(both, outcome => Assert.Equal((0, Snapshot + "\n"), (outcome.ExitCode, outcome.Text)));
        AssertPulled();
        Assert.Equal(Hub.Files.Values.Sum(content => content.Length), Hub.Sent - (2 * Hub.TrueListing().Length));
        Assert.Empty(Partials());
    }

    [Fact]
    public void The_result_as_json_names_the_commit_and_the_place()
    {
        GiveWeights(77);
        var outcome = Pull("--json");
        var json = outcome.Json;
        Assert.Equal(["model", "revision", "commit", "path", "dry_run", "bytes", "download_bytes", "free_bytes", "files"], json.EnumerateObject().Select(member => member.Name));
        Assert.Equal((TestHub.Commit, Snapshot, 79), (json.GetProperty("commit").GetString(), json.GetProperty("path").GetString(), json.GetProperty("download_bytes").GetInt64()));
        Assert.Equal(JsonValueKind.Array, json.GetProperty("files").ValueKind);
    }

    /// <summary>Tells when a text was written.</summary>
    private sealed class SignalWriter(string text) : StringWriter
    {
        private readonly TaskCompletionSource _seen = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Seen => _seen.Task;

        public override void Write(string? value)
        {
            lock (_seen) base.Write(value);
            if (value?.Contains(text, StringComparison.Ordinal) == true) _seen.TrySetResult();
        }
    }
}
