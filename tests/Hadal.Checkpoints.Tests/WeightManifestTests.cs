using System.Text.Json;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Tests.Text;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

/// <summary>The sums of all shapes against published parameter counts.</summary>
public sealed class WeightManifestTests
{
    private static readonly JsonElement Counts =
        TokenizerFixtures.Json(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Fixtures", "parameter_counts.json")).GetProperty("models");

    [Theory]
    [InlineData("r1-distill-qwen-1.5b", "R1-Distill-Qwen-1.5B")]
    [InlineData("r1-distill-qwen-7b", "R1-Distill-Qwen-7B")]
    [InlineData("r1-distill-llama-8b", "R1-Distill-Llama-8B")]
    [InlineData("deepseek-v2-lite", "DeepSeek-V2-Lite")]
    [InlineData("deepseek-v2", "DeepSeek-V2")]
    [InlineData("deepseek-v3", "DeepSeek-V3")]
    public void Shapes_add_up_to_the_published_number_of_parameters(string name, string published)
    {
        var config = Config(name);
        Assert.Equal(Published(published, "total"), WeightManifest.For(config).Where(spec => !IsPrediction(spec, config)).Sum(spec => spec.ElementCount));
    }

    [Fact]
    public void The_prediction_layer_of_V3_has_its_published_size()
    {
        var config = Config("deepseek-v3");
        var specs = WeightManifest.For(config).Where(spec => IsPrediction(spec, config)).ToList();
        Assert.Equal(Published("DeepSeek-V3 MTP layer (as stored, with embedding and head copies)", "total"), specs.Sum(spec => spec.ElementCount));
        Assert.Equal(Published("DeepSeek-V3 MTP layer (unique, without embedding and head copies)", "total"), specs.Where(spec => !spec.Optional).Sum(spec => spec.ElementCount));
    }

    [Theory]
    [InlineData("deepseek-v2-lite", "DeepSeek-V2-Lite")]
    [InlineData("deepseek-v2", "DeepSeek-V2")]
    [InlineData("deepseek-v3", "DeepSeek-V3")]
    public void Parts_of_a_layer_have_their_published_sizes(string name, string published)
    {
        var specs = WeightManifest.For(Config(name));
        Assert.Equal(Published(published, "attention_per_layer"), Sum("model.layers.0.self_attn."));
        Assert.Equal(Published(published, "dense_mlp"), Sum("model.layers.0.mlp."));
        Assert.Equal(Published(published, "moe_layer"), Sum("model.layers.5.mlp."));
        Assert.Equal(Published(published, "expert"), Sum("model.layers.5.mlp.experts.3."));

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

    private static long Published(string name, string count) => Counts.GetProperty(name).GetProperty(count).GetInt64();

    private static ModelConfig Config(string name) => ModelConfigReader.Read(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Configs", name + ".json"));

    private static bool IsPrediction(WeightSpec spec, ModelConfig config) => spec.Name.StartsWith($"model.layers.{config.NumHiddenLayers}.", StringComparison.Ordinal);
}
