using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Tests.Text;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

/// <summary>The manifest of published configs against their published sizes.</summary>
public sealed class ParameterCountTests
{
    private static readonly DeepSeekConfig V2Lite = new()
    {
        ModelType = "deepseek_v2", VocabSize = 102400, HiddenSize = 2048, IntermediateSize = 10944, MoeIntermediateSize = 1408, NumHiddenLayers = 27,
        NumAttentionHeads = 16, NRoutedExperts = 64, NSharedExperts = 2, NumExpertsPerTok = 6, FirstKDenseReplace = 1, NGroup = 1, TopkGroup = 1,
        KvLoraRank = 512, QkNopeHeadDim = 128, QkRopeHeadDim = 64, VHeadDim = 128, RmsNormEps = 1e-6, MaxPositionEmbeddings = 163840,
    };

    private static readonly DeepSeekConfig V2 = V2Lite with
    {
        HiddenSize = 5120, IntermediateSize = 12288, MoeIntermediateSize = 1536, NumHiddenLayers = 60, NumAttentionHeads = 128, NRoutedExperts = 160,
        NGroup = 8, TopkGroup = 3, TopkMethod = "group_limited_greedy", QLoraRank = 1536,
    };

    private static readonly DeepSeekConfig V3 = V2 with
    {
        ModelType = "deepseek_v3", VocabSize = 129280, HiddenSize = 7168, IntermediateSize = 18432, MoeIntermediateSize = 2048, NumHiddenLayers = 61,
        NRoutedExperts = 256, NSharedExperts = 1, NumExpertsPerTok = 8, FirstKDenseReplace = 3, TopkGroup = 4, TopkMethod = "noaux_tc", ScoringFunc = "sigmoid",
    };

    private static readonly GroupedQueryConfig Qwen = new()
    {
        ModelType = "qwen2", VocabSize = 151936, HiddenSize = 1536, IntermediateSize = 8960, NumHiddenLayers = 28, NumAttentionHeads = 12, NumKeyValueHeads = 2,
        RmsNormEps = 1e-6, MaxPositionEmbeddings = 131072,
    };

    [Theory]
    [InlineData("DeepSeek-V2-Lite")]
    [InlineData("DeepSeek-V2")]
    [InlineData("DeepSeek-V3")]
    [InlineData("R1-Distill-Qwen-1.5B")]
    [InlineData("R1-Distill-Qwen-7B")]
    [InlineData("R1-Distill-Llama-8B")]
    public void A_published_config_has_as_many_parameters_as_published(string name)
    {
        Assert.Equal(Published(name), Count(ConfigOf(name)));
    }

    [Fact]
    public void The_prediction_layer_of_V3_counts_as_it_is_stored() =>
        Assert.Equal(Published("DeepSeek-V3 MTP layer (as stored, with embedding and head copies)"), Count(V3 with { NumNextnPredictLayers = 1 }) - Count(V3));

    private static long Count(ModelConfig config) => WeightManifest.For(config).Sum(spec => spec.ElementCount);

    private static long Published(string name)
    {
        var path = Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Fixtures", "parameter_counts.json");
        return TokenizerFixtures.Json(path).GetProperty("models").GetProperty(name).GetProperty("total").GetInt64();
    }

    private static ModelConfig ConfigOf(string name) => name switch
    {
        "DeepSeek-V2-Lite" => V2Lite,
        "DeepSeek-V2" => V2,
        "DeepSeek-V3" => V3,
        "R1-Distill-Qwen-1.5B" => Qwen,
        "R1-Distill-Qwen-7B" => Qwen with { VocabSize = 152064, HiddenSize = 3584, IntermediateSize = 18944, NumAttentionHeads = 28, NumKeyValueHeads = 4 },
        _ => Qwen with
        {
            ModelType = "llama", VocabSize = 128256, HiddenSize = 4096, IntermediateSize = 14336, NumHiddenLayers = 32, NumAttentionHeads = 32, NumKeyValueHeads = 8,
        },
    };
}
