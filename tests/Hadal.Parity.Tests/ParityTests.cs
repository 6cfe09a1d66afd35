using System.Collections.Concurrent;
using CsCheck;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Models;
using Hadal.Tests;
using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;

namespace Hadal.Parity.Tests;

/// <summary>The model is written twice; here both are held together, block by block.</summary>
/// <remarks>Both sides compute in float32 with another order of summation. One rounding is 2⁻²⁴ = 6e-8 of a term; sums have up to some hundred terms and pass
/// through at most four blocks, each of which may enlarge a difference a few times.</remarks>
public sealed class ParityTests
{
    /// <summary>Largest difference allowed, as a share of the largest number of the block.</summary>
    private const double Bound = 2e-5;

    /// <summary>Where two candidates of a choice are closer than this, rounding may decide, and other weights are drawn. The numbers that decide are of size one
    /// and differ by some 1e-6 between the sides.</summary>
    private const double LeastMargin = 2e-5;

    private const int CaseCount = 80;

    private static double _largest;

    [Fact]
    public void Whatever_config_torch_writes_the_engine_computes_the_same_in_every_block()
    {
        var seen = new ConcurrentDictionary<string, int>();
        DrawnCase.Gen.Sample(
            drawn =>
            {
                foreach (var feature in drawn.Features()) seen.AddOrUpdate(feature, 1, (_, count) => count + 1);
                CompareWritten(drawn);
            },
            iter: CaseCount, threads: 1, print: drawn => drawn.ToString());

        // A feature that never came up would not have been tested; each has a chance of one in six or more per case.
        string[] expected =
        [
            "deepseek_v2", "deepseek_v3", "deepseek_v32", "hadal", "saved in bfloat16", "saved in float32", "Absorbed attention", "Plain attention", "full queries", "query latent",
            "greedy router", "group_limited_greedy router", "noaux_tc router", "0 shared experts", "1 shared experts", "2 shared experts", "normalised weights", "groups",
            "odd head count", "yarn", "tied embeddings", "prediction layer", "selection",
        ];
        TestContext.Current.SendDiagnosticMessage($"largest difference as a share of its block: {_largest:g3}");
        Assert.All(expected, feature => Assert.True(seen.ContainsKey(feature), $"no case with: {feature}"));
    }

    [Fact]
    public void Whatever_grouped_query_config_torch_writes_the_engine_computes_the_same_in_every_block()
    {
        var seen = new ConcurrentDictionary<string, int>();
        GroupedQueryCase.Gen.Sample(
            drawn =>
            {
                foreach (var feature in drawn.Features()) seen.AddOrUpdate(feature, 1, (_, count) => count + 1);
                var tokenIds = TokensOf(drawn.TokenCount, drawn.Config.VocabSize, drawn.Seed);
                using var model = TorchSide.Draw(drawn);
                CompareSaved(model, TorchSide.Run(model, tokenIds), tokenIds, drawn.IsBFloat16, MlaForm.Absorbed, drawn.ToString());
            },
            iter: CaseCount, threads: 1, print: drawn => drawn.ToString());
        string[] expected =
        [
            "llama", "qwen2", "qwen3", "no scaling", "linear", "llama3", "yarn", "saved in bfloat16", "saved in float32", "output bias", "feed-forward bias", "tied embeddings", "shared keys",
        ];
        Assert.All(expected, feature => Assert.True(seen.ContainsKey(feature), $"no case with: {feature}"));
    }

    [Theory]
    [InlineData(MlaForm.Absorbed)]
    [InlineData(MlaForm.Plain)]
    public void Sequences_longer_than_blocks_of_cache_and_queries_agree_too(MlaForm form)
    {
        CompareWritten(DrawnCase.Long with { Form = form });
    }

    [Theory]
    [InlineData("deepseek-v3")]
    [InlineData("deepseek-v32-dsa")]
    public void Published_layouts_give_the_same_activations_on_both_sides(string name)
    {
        var folder = name == "deepseek-v3" ? GoldenData.PathOf(name) : SharedData.PathOrSkip("golden/" + name);
        using var checkpoint = Checkpoint.Open(Path.Combine(folder, "hf"));
        var tokenIds = TokensOf(40, checkpoint.Config.VocabSize, seed: 1);
        using var model = (DeepSeekModel)ModelFiles.Load(checkpoint);
        Compare(TorchSide.Run(model, tokenIds), EngineSide.Run(checkpoint, tokenIds, MlaForm.Absorbed), name);
    }

    private static void CompareWritten(DrawnCase drawn)
    {
        var tokenIds = TokensOf(drawn.TokenCount, drawn.Config.VocabSize, drawn.Seed);
        for (var attempt = 0; attempt < 200; attempt++)
        {
            using var model = TorchSide.Draw(drawn, attempt);
            var expected = TorchSide.Run(model, tokenIds);
            if (expected.Margin < LeastMargin) continue;

            CompareSaved(model, expected, tokenIds, drawn.IsBFloat16, drawn.Form, drawn.ToString());
            return;
        }

        Assert.Fail($"no weights without a near tie: {drawn}");
    }

    private static void CompareSaved(CausalModel model, Activations expected, int[] tokenIds, bool isBFloat16, MlaForm form, string what)
    {
        var directory = Directory.CreateTempSubdirectory("hadal-parity-");
        try
        {
            ModelFiles.Save(model, directory.FullName, isBFloat16 ? DType.BF16 : DType.F32);
            using var checkpoint = Checkpoint.Open(directory.FullName);
            Compare(expected, EngineSide.Run(checkpoint, tokenIds, form), what);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static void Compare(Activations expected, Activations actual, string what)
    {
        Assert.Equal(expected.Blocks.Select(block => block.Name), actual.Blocks.Select(block => block.Name));
        foreach (var ((name, values), (_, found)) in expected.Blocks.Zip(actual.Blocks))
        {
            Assert.Equal(values.Length, found.Length);
            var scale = Math.Max(1, values.Max(Math.Abs));
            var worst = Enumerable.Range(0, values.Length).MaxBy(index => float.IsNaN(found[index]) ? float.MaxValue : Math.Abs(values[index] - found[index]));
            _largest = Math.Max(_largest, Math.Abs(values[worst] - found[worst]) / scale);
            Assert.True(
                Math.Abs(values[worst] - found[worst]) <= Bound * scale,
                $"{name} is the first block that differs: number {worst} of {values.Length} is {found[worst]}, expected {values[worst]} ± {Bound * scale:g2}; {what}");
        }
    }

    private static int[] TokensOf(int count, int vocabSize, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(vocabSize))];
    }
}
