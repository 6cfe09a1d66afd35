using Hadal.Checkpoints;
using Hadal.Inference.Models;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Models;

/// <summary>The forward passes against logits of an engine that is not ours.</summary>
public sealed class GoldenLogitsTests
{
    [Theory]
    [Trait("Width", "all")]
    [MemberData(nameof(GoldenFolder.InRepository), MemberType = typeof(GoldenFolder))]
    public void Golden_folders_in_the_repository_give_their_logits(string folder, string file) => Compare(GoldenData.PathOf(folder), file);

    [Theory]
    [Trait("Width", "all")]
    [InlineData("llama-gqa", "hf")]
    [InlineData("llama3-rope", "hf")]
    [InlineData("qwen2", "hf")]
    [InlineData("qwen3", "hf")]
    [InlineData("qwen3", "hf-bf16")]
    [InlineData("deepseek-v2-lite", "hf")]
    [InlineData("deepseek-v3", "hf-bf16")]
    [InlineData("deepseek-v3", "hf-bf16-sharded")]
    [InlineData("deepseek-v32-dsa", "hf")]
    [InlineData("llama-gqa", "model-F32.gguf")]
    [InlineData("llama-gqa", "model-F16.gguf")]
    [InlineData("llama-gqa", "model-Q8_0.gguf")]
    [InlineData("llama-gqa", "model-Q4_0.gguf")]
    [InlineData("llama-gqa", "model-Q4_K.gguf")]
    [InlineData("llama-gqa", "model-Q5_K.gguf")]
    [InlineData("llama-gqa", "model-Q6_K.gguf")]
    [InlineData("llama3-rope", "model-F32.gguf")]
    [InlineData("llama3-rope", "model-F16.gguf")]
    [InlineData("qwen2", "model-F32.gguf")]
    [InlineData("qwen2", "model-F16.gguf")]
    [InlineData("qwen2", "model-Q8_0.gguf")]
    [InlineData("qwen2", "model-Q4_0.gguf")]
    [InlineData("qwen2", "model-Q4_K.gguf")]
    [InlineData("qwen2", "model-Q5_K.gguf")]
    [InlineData("qwen2", "model-Q6_K.gguf")]
    [InlineData("qwen3", "model-F32.gguf")]
    [InlineData("qwen3", "model-F16.gguf")]
    [InlineData("qwen3", "model-BF16.gguf")]
    [InlineData("deepseek-v2-lite", "model-F32.gguf")]
    [InlineData("deepseek-v2-lite", "model-F16.gguf")]
    [InlineData("deepseek-v2-lite", "model-Q8_0.gguf")]
    [InlineData("deepseek-v2-lite", "model-Q4_0.gguf")]
    [InlineData("deepseek-v2-lite", "model-Q4_K.gguf")]
    [InlineData("deepseek-v2-lite", "model-Q5_K.gguf")]
    [InlineData("deepseek-v2-lite", "model-Q6_K.gguf")]
    [InlineData("deepseek-v3", "model-F32.gguf")]
    [InlineData("deepseek-v3", "model-F16.gguf")]
    [InlineData("deepseek-v3", "model-BF16.gguf")]
    [InlineData("deepseek-v3", "model-F16-old-mla.gguf")]
    [InlineData("deepseek-v32-dsa", "model-F32.gguf")]
    [InlineData("deepseek-v32-dsa", "model-F16.gguf")]
    public void Golden_folders_beside_the_repository_give_their_logits(string folder, string file) => Compare(SharedData.PathOrSkip("golden/" + folder), file);

    private static void Compare(string folder, string file)
    {
        var golden = new GoldenFolder(folder);
        var temporary = Directory.CreateTempSubdirectory("hadal-");
        try
        {
            using var checkpoint = Checkpoint.Open(golden.Unpack(file, temporary.FullName));
            foreach (var form in new[] { MlaForm.Absorbed, MlaForm.Plain })
            {
                using var model = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = 2, MaxContext = 256, MaxBatchTokens = 160, MlaForm = form });
                using var oneThread = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = 1, MaxContext = 256, MaxBatchTokens = 23, MlaForm = form });
                CompareSequences(golden, file, model, oneThread);
                foreach (var (prompt, continuation) in golden.GreedyOf(file)) Assert.Equal(continuation, Generation.Greedy(model, prompt, continuation.Length));
                if (checkpoint.Config is not Checkpoints.Config.DeepSeekConfig) break;
            }
        }
        finally
        {
            temporary.Delete(recursive: true);
        }
    }

    private static void CompareSequences(GoldenFolder golden, string file, DecoderModel model, DecoderModel oneThread)
    {
        var vocabSize = model.Config.VocabSize;
        foreach (var (name, tokenIds, positions) in golden.Sequences)
        {
            var logits = Generation.AllLogits(model, tokenIds);
            var expected = golden.Logits(golden.ExactSetOf(file), name);
            for (var i = 0; i < positions.Length; i++)
            {
                var difference = Generation.MaxDifference(logits.AsSpan(positions[i] * vocabSize, vocabSize), expected.Slice(i * vocabSize, vocabSize));
                Assert.True(difference <= golden.Tolerance / 5, $"{file} {name} position {positions[i]}: {difference}");
            }

            Assert.Equal(logits, Generation.AllLogits(oneThread, tokenIds));
            Assert.Equal(logits, Generation.AllLogits(model, tokenIds, sliceLength: 1));
        }
    }
}
