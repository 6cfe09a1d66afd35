using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

/// <summary>The sums of all shapes against published parameter counts.</summary>
public sealed class WeightManifestTests
{
    [Theory]
    [InlineData("r1-distill-qwen-1.5b", 1777088000)]
    [InlineData("r1-distill-qwen-7b", 7615616512)]
    [InlineData("r1-distill-llama-8b", 8030261248)]
    [InlineData("deepseek-v2-lite", 15706484224)]
    [InlineData("deepseek-v2", 235741434880)]
    [InlineData("deepseek-v3", 671026419200)]
    public void Shapes_add_up_to_the_published_number_of_parameters(string name, long expected)
    {
        var config = Config(name);
        Assert.Equal(expected, WeightManifest.For(config).Where(spec => !IsPrediction(spec, config)).Sum(spec => spec.ElementCount));
    }

    [Fact]
    public void The_prediction_layer_of_V3_has_its_published_size()
    {
        var config = Config("deepseek-v3");
        var specs = WeightManifest.For(config).Where(spec => IsPrediction(spec, config)).ToList();
        Assert.Equal(13463426304, specs.Sum(spec => spec.ElementCount));
        Assert.Equal(11610068224, specs.Where(spec => !spec.Optional).Sum(spec => spec.ElementCount));
    }

    [Theory]
    [InlineData("deepseek-v2-lite", 13763072, 571080704, 8650752, 67239936)]
    [InlineData("deepseek-v2", 149227520, 3822878720, 23592960, 188743680)]
    [InlineData("deepseek-v3", 187107328, 11320164608, 44040192, 396361728)]
    public void Parts_of_a_layer_have_their_published_sizes(string name, long attention, long moeLayer, long expert, long dense)
    {
        var specs = WeightManifest.For(Config(name));
        Assert.Equal(attention, Sum("model.layers.0.self_attn."));
        Assert.Equal(dense, Sum("model.layers.0.mlp."));
        Assert.Equal(moeLayer, Sum("model.layers.5.mlp."));
        Assert.Equal(expert, Sum("model.layers.5.mlp.experts.3."));

        long Sum(string prefix) => specs.Where(spec => spec.Name.StartsWith(prefix, StringComparison.Ordinal)).Sum(spec => spec.ElementCount);
    }

    [Theory]
    [MemberData(nameof(ModelConfigTests.Published), MemberType = typeof(ModelConfigTests))]
    public void Every_name_stands_once_and_every_dimension_has_its_key(string name)
    {
        var specs = WeightManifest.For(Config(name));
        Assert.Equal(specs.Count, specs.Select(spec => spec.Name).Distinct().Count());
        Assert.All(specs, spec => Assert.Equal(spec.Shape.Count, spec.DimensionKeys.Count));
        Assert.All(specs, spec => Assert.All(spec.Shape, size => Assert.True(size > 0, spec.Name)));
    }

    private static ModelConfig Config(string name) => ModelConfigReader.Read(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Configs", name + ".json"));

    private static bool IsPrediction(WeightSpec spec, ModelConfig config) => spec.Name.StartsWith($"model.layers.{config.NumHiddenLayers}.", StringComparison.Ordinal);
}
