using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Tests.Models;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Engine;

/// <summary>Greedy continuations of golden checkpoints, through the whole engine.</summary>
public sealed class GoldenGenerationTests
{
    [Fact]
    [Trait("Width", "all")]
    public Task The_golden_folder_in_the_repository_continues_as_expected() => Compare(GoldenData.PathOf("deepseek-v3"), "hf");

    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("llama3-rope")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("deepseek-v2-lite")]
    [InlineData("deepseek-v32-dsa")]
    public Task Golden_folders_beside_the_repository_continue_as_expected(string folder) => Compare(SharedData.PathOrSkip("golden/" + folder), "hf");

    private static async Task Compare(string folder, string file)
    {
        var golden = new GoldenFolder(folder);
        var temporary = Directory.CreateTempSubdirectory("hadal-");
        try
        {
            using var checkpoint = Checkpoint.Open(golden.Unpack(file, temporary.FullName));
            var options = new TextGeneratorOptions { MaxConcurrent = 2, MaxBatchTokens = 13 };
            await using var generator = TextGenerator.Open(checkpoint, options, new EngineOptions { ThreadCount = 2, MaxContext = 256, MaxSequences = 2 });
            var runs = golden.GreedyOf(file).ToArray();
            Assert.NotEmpty(runs);
            var answers = runs.Select(run => generator.CompleteAsync(run.Prompt, TinyEngine.Greedy(run.Continuation.Length) with { IgnoreEos = true })).ToArray();
            for (var i = 0; i < runs.Length; i++) Assert.Equal(runs[i].Continuation, (await answers[i]).TokenIds);
        }
        finally
        {
            temporary.Delete(recursive: true);
        }
    }
}
