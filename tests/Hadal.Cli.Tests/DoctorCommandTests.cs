using Hadal.Inference.Kernels;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class DoctorCommandTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void It_says_what_it_runs_on_and_that_the_built_in_model_is_right()
    {
        Assert.SkipUnless(Directory.Exists(Path.Combine(AppContext.BaseDirectory, "models", "hadal-mini")), "the built-in model is not in the repository yet");
        var json = TestShell.Run("", "doctor", "--json").Done().Json;
        Assert.Equal(VectorWidth.Bits, json.GetProperty("vector_width").GetInt32());
        Assert.False(json.GetProperty("native_aot").GetBoolean());
        Assert.Contains(".NET", json.GetProperty("runtime").GetString(), StringComparison.Ordinal);
        Assert.InRange(json.GetProperty("threads").GetInt32(), 1, json.GetProperty("processors").GetInt32());
        Assert.InRange(json.GetProperty("memory_available_bytes").GetInt64(), 1, json.GetProperty("memory_bytes").GetInt64());
        Assert.True(json.GetProperty("self_check").GetProperty("ok").GetBoolean());
        Assert.InRange(json.GetProperty("self_check").GetProperty("bits_per_byte").GetDouble(), 0.1, 4);
        Assert.Contains("self check", TestShell.Run("", "doctor").Done().Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_of_noise_fails_the_self_check()
    {
        Directory.CreateDirectory(Path.Combine(_folder.FullName, "models"));
        Directory.CreateSymbolicLink(Path.Combine(_folder.FullName, "models", "hadal-mini"), GoldenData.PathOf("deepseek-v3/hf"));
        var outcome = new TestShell { ProgramDirectory = _folder.FullName }.Run("doctor", "--json");
        Assert.Equal(ExitCode.Failed, outcome.ExitCode);
        Assert.Matches("^hadal: self check: expected at most 4 bits per byte on a plain sentence, found [0-9.]+; weights or kernels are wrong\n$", outcome.Error);
        Assert.False(outcome.Json.GetProperty("self_check").GetProperty("ok").GetBoolean());
    }

    [Fact]
    public void A_missing_model_fails_the_self_check_and_hub_caches_are_listed()
    {
        var hub = Path.Combine(_folder.FullName, "hub");
        Directory.CreateDirectory(Path.Combine(hub, "models--own--tiny"));
        var outcome = new TestShell { ProgramDirectory = _folder.FullName, Variables = { ["HF_HUB_CACHE"] = hub, ["HOME"] = "/nobody" } }.Run("doctor", "--json");
        Assert.Equal(ExitCode.Failed, outcome.ExitCode);
        Assert.Contains("hadal-mini is missing", outcome.Json.GetProperty("self_check").GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(["own/tiny"], outcome.Json.GetProperty("models").EnumerateArray().Select(model => model.GetString()));
        Assert.Equal(
            [(hub, true), ("/nobody/.cache/huggingface/hub", false)],
            outcome.Json.GetProperty("model_folders").EnumerateArray().Select(folder => (folder.GetProperty("path").GetString()!, folder.GetProperty("exists").GetBoolean())));
    }
}
