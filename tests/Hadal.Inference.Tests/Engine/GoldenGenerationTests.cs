using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Tests.Models;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Engine;

/// <summary>Greedy continuations of golden checkpoints, through the whole engine.</summary>
public sealed class GoldenGenerationTests
{
    [Theory]
    [Trait("Width", "all")]
    [MemberData(nameof(GoldenFolder.InRepository), MemberType = typeof(GoldenFolder))]
    public Task Golden_folders_in_the_repository_continue_as_expected(string folder, string file) => Compare(GoldenData.PathOf(folder), file);

    [Theory]
    [InlineData("llama-gqa", "hf")]
    [InlineData("llama3-rope", "hf")]
    [InlineData("qwen2", "hf")]
    [InlineData("qwen3", "hf-bf16")]
    [InlineData("qwen3", "model-BF16.gguf")]
    [InlineData("deepseek-v2-lite", "hf")]
    [InlineData("deepseek-v2-lite", "model-Q4_K.gguf")]
    [InlineData("deepseek-v3", "hf-bf16-sharded")]
    [InlineData("deepseek-v3", "model-F16-old-mla.gguf")]
    [InlineData("deepseek-v32-dsa", "hf")]
    public Task Golden_folders_beside_the_repository_continue_as_expected(string folder, string file) => Compare(SharedData.PathOrSkip("golden/" + folder), file);

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
