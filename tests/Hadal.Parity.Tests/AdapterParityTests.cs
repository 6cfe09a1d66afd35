using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;
using Hadal.Training.Adapters;
using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Models.GroupedQuery;
using static TorchSharp.torch;

namespace Hadal.Parity.Tests;

/// <summary>An adapter that training writes is served as it was trained.</summary>
public sealed class AdapterParityTests
{
    /// <summary>As for whole models, with the adapter's sums on top.</summary>
    private const double Bound = 5e-5;

    public static TheoryData<string, bool, bool, string, string?> Cases => new()
    {
        { "llama", false, false, "none", null }, { "qwen2", true, false, "lora_only", null }, { "qwen2", false, true, "lora_only", null }, { "qwen3", true, true, "none", null },
        { "deepseek_v2", false, false, "none", null }, { "deepseek_v3", false, true, "none", null }, { "hadal", true, false, "none", null },
        { "deepseek_v2", false, false, "none", WithExperts }, { "deepseek_v3", false, true, "none", WithExperts }, { "hadal", true, false, "none", WithExperts },
        { "qwen2", true, false, "none", WithEmbedding }, { "tied", false, false, "none", WithEmbedding }, { "tied", false, true, "none", WithEmbedding }, { "hadal", false, true, "none", WithEmbedding },
        { "qwen2", true, false, "none", WithHead }, { "llama", false, false, "none", Head }, { "tied", false, false, "none", WithHead }, { "tied", true, true, "none", Head }, { "tied", false, true, "none", HeadAndEmbedding },
        { "deepseek_v2", false, false, "none", HeadAndEmbedding }, { "deepseek_v3", false, true, "none", WithHead }, { "hadal", false, true, "none", WithHead },
    };

    /// <summary>Routed experts and the matrix that attention absorbs, beside others.</summary>
    private const string WithExperts = """["experts", "kv_b_proj", "o_proj", "down_proj"]""";

    /// <summary>The table of embeddings beside others; a head that is tied to it stays as it was.</summary>
    private const string WithEmbedding = """["embed_tokens", "down_proj"]""";

    /// <summary>The output head alone, beside others, and beside the table of embeddings, which it may be tied to.</summary>
    private const string Head = """["lm_head"]""", WithHead = """["lm_head", "down_proj"]""", HeadAndEmbedding = """["lm_head", "embed_tokens"]""";

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_engine_computes_the_adapter_that_training_writes(string family, bool useRslora, bool useDora, string bias, string? targets)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        random.manual_seed(21);
        using CausalModel model = Config(family) is DeepSeekConfig deepSeek ? new DeepSeekModel(deepSeek) : new GroupedQueryModel((GroupedQueryConfig)Config(family));
        foreach (var parameter in model.parameters()) parameter.add_(randn_like(parameter).mul_(0.15));
        var directory = Directory.CreateTempSubdirectory("hadal-adapter-");
        try
        {
            var (basePath, adapterPath) = (Path.Combine(directory.FullName, "base"), Path.Combine(directory.FullName, "adapter"));
            ModelFiles.Save(model, basePath, DType.F32);
            var tokenIds = Enumerable.Range(0, 30).Select(index => index * 7 % 37).ToArray();
            var plain = Logits(model, tokenIds);
            using var adapter = LowRankAdapter.Attach(model, new LoraOptions { R = 3, LoraAlpha = 4, UseRslora = useRslora, UseDora = useDora, Bias = bias, TargetModules = targets is null ? null : System.Text.Json.JsonElement.Parse(targets) }, basePath);
            foreach (var parameter in adapter.Parameters) parameter.Parameter.add_(randn_like(parameter.Parameter).mul_(0.1));
            adapter.Save(adapterPath);
            var expected = Logits(model, tokenIds);

            using var checkpoint = Checkpoint.Open(basePath);
            using var opened = LoraAdapter.Open(adapterPath, checkpoint.Config);
            Assert.Equal(adapter.ParameterCount, opened.ParameterCount);
            var actual = Served(checkpoint, opened, tokenIds);
            var largest = expected.Max(Math.Abs);
            Assert.True(Difference(plain, expected) > 0.05 * largest, "the adapter should change something");
            Assert.True(Difference(expected, actual) < Bound * largest, $"{Difference(expected, actual) / largest:g3} of {largest}");

            // Worked into the weights it is the same again, in whole weights within rounding.
            var mergedPath = Path.Combine(directory.FullName, "merged");
            new AdapterMerger(checkpoint, opened).Write(mergedPath, 2);
            using var merged = Checkpoint.Open(mergedPath);
            var whole = Served(merged, null, tokenIds);
            Assert.True(Difference(actual, whole) < Bound * largest, $"merged: {Difference(actual, whole) / largest:g3} of {largest}");
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_model_in_bfloat16_is_adapted_as_it_is_and_merged_in_its_format()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        random.manual_seed(22);
        using var model = new DeepSeekModel(DrawnCase.Long.Config);
        foreach (var parameter in model.parameters()) parameter.add_(randn_like(parameter).mul_(0.15));
        var directory = Directory.CreateTempSubdirectory("hadal-adapter-");
        try
        {
            var (basePath, adapterPath, mergedPath) = (Path.Combine(directory.FullName, "base"), Path.Combine(directory.FullName, "adapter"), Path.Combine(directory.FullName, "merged"));
            ModelFiles.Save(model, basePath, DType.BF16);
            using var checkpoint = Checkpoint.Open(basePath);
            using var rounded = ModelFiles.Load(checkpoint);
            using var adapter = LowRankAdapter.Attach(rounded, new LoraOptions { R = 2, TargetModules = System.Text.Json.JsonElement.Parse("""["kv_b_proj", "lm_head"]""") }, basePath);
            foreach (var parameter in adapter.Parameters) parameter.Parameter.add_(randn_like(parameter.Parameter).mul_(0.1));
            adapter.Save(adapterPath);
            var tokenIds = Enumerable.Range(0, 19).ToArray();
            var expected = Logits(rounded, tokenIds);
            using var opened = LoraAdapter.Open(adapterPath, checkpoint.Config);
            Assert.True(Difference(expected, Served(checkpoint, opened, tokenIds)) < Bound * expected.Max(Math.Abs));
            new AdapterMerger(checkpoint, opened).Write(mergedPath, 2);
            using var merged = Checkpoint.Open(mergedPath);
            Assert.All(merged.Tensors, pair => Assert.Equal(checkpoint.Tensors[pair.Key].DType, pair.Value.DType));

            // A merged weight is rounded to BF16 once: 2⁻⁹ of it, in three of the matrices that a logit passes through.
            var largest = expected.Max(Math.Abs);
            Assert.True(Difference(expected, Served(merged, null, tokenIds)) < 0.02 * largest);
            Assert.True(Difference(expected, Served(checkpoint, null, tokenIds)) > 0.05 * largest);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    /// <summary>Some conversions store a head and say that it is tied. Where it is another matrix than the table, training and engine must not take one for the other.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_head_that_is_stored_beside_a_table_it_is_said_to_be_tied_to_is_trained_beside_as_it_is_served(bool isSame)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        random.manual_seed(23);
        using var model = new GroupedQueryModel((GroupedQueryConfig)Config("qwen3"));
        foreach (var parameter in model.parameters()) parameter.add_(randn_like(parameter).mul_(0.15));
        if (isSame) model.Head!.Weight.copy_(model.PublishedWeights().Single(named => named.Spec.Name == "model.embed_tokens.weight").Tensor);
        var directory = Directory.CreateTempSubdirectory("hadal-adapter-");
        try
        {
            var (basePath, adapterPath, mergedPath) = (Path.Combine(directory.FullName, "base"), Path.Combine(directory.FullName, "adapter"), Path.Combine(directory.FullName, "merged"));
            ModelFiles.Save(model, basePath, DType.F32);
            File.WriteAllText(Path.Combine(basePath, "config.json"), (model.Config with { TieWordEmbeddings = true, TorchDtype = "float32" }).ToJson());
            using var checkpoint = Checkpoint.Open(basePath);
            Assert.True(checkpoint.Config.TieWordEmbeddings && checkpoint.Tensors.ContainsKey("lm_head.weight"));
            using var loaded = ModelFiles.Load(checkpoint);
            Assert.Equal(isSame, loaded.Config.TieWordEmbeddings);
            var tokenIds = Enumerable.Range(0, 19).ToArray();
            Near(Logits(model, tokenIds), Served(checkpoint, null, tokenIds));
            Near(Logits(loaded, tokenIds), Served(checkpoint, null, tokenIds));

            using var adapter = LowRankAdapter.Attach(loaded, new LoraOptions { R = 2, UseDora = true, TargetModules = System.Text.Json.JsonElement.Parse(WithHead) }, basePath);
            foreach (var parameter in adapter.Parameters) parameter.Parameter.add_(randn_like(parameter.Parameter).mul_(0.1));
            adapter.Save(adapterPath);
            using var opened = LoraAdapter.Open(adapterPath, checkpoint.Config);
            Near(Logits(loaded, tokenIds), Served(checkpoint, opened, tokenIds));
            new AdapterMerger(checkpoint, opened).Write(mergedPath, 1);
            using var merged = Checkpoint.Open(mergedPath);
            Near(Logits(loaded, tokenIds), Served(merged, null, tokenIds));
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        static void Near(float[] expected, float[] actual) => Assert.True(Difference(expected, actual) < Bound * expected.Max(Math.Abs), $"{Difference(expected, actual) / expected.Max(Math.Abs):g3}");
    }

    private static float[] Logits(CausalModel model, int[] tokenIds) =>
        model.Logits(model.Hidden(tensor(tokenIds.Select(id => (long)id).ToArray()).unsqueeze(0))).contiguous().data<float>().ToArray();

    private static float[] Served(Checkpoint checkpoint, LoraAdapter? adapter, int[] tokenIds)
    {
        using var model = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = 2, MaxContext = tokenIds.Length + 1, MaxBatchTokens = tokenIds.Length });
        using var ready = adapter is null ? null : model.AddAdapter(adapter);
        using var cache = model.CreateCache();
        var batch = new ScheduledBatch(model.Config.VocabSize);
        batch.Add(cache, tokenIds, tokenIds.Length, ready);
        model.Forward(batch);
        return batch.Logits.ToArray();
    }

    private static float Difference(float[] expected, float[] actual) => expected.Zip(actual).Max(pair => Math.Abs(pair.First - pair.Second));

    private static ModelConfig Config(string family) => family switch
    {
        "hadal" => DrawnCase.Long.Config,
        "tied" => Config("qwen3") with { TieWordEmbeddings = true },
        "deepseek_v2" or "deepseek_v3" => DrawnCase.Long.Config with
        {
            ModelType = family,
            IndexNHeads = null,
            IndexHeadDim = null,
            IndexTopk = null,
            NumNextnPredictLayers = 0,
            QLoraRank = family == "deepseek_v2" ? null : 12,
            TopkMethod = family == "deepseek_v2" ? "greedy" : "noaux_tc",
            ScoringFunc = family == "deepseek_v2" ? "softmax" : "sigmoid",
        },
        _ => new GroupedQueryConfig
        {
            ModelType = family, VocabSize = 37, HiddenSize = 27, IntermediateSize = 32, NumHiddenLayers = 2, NumAttentionHeads = 4, NumKeyValueHeads = 2, HeadDim = 6, RmsNormEps = 1e-6,
            MaxPositionEmbeddings = 64,
        },
    };
}
