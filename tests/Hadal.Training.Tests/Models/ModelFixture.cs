using System.Text.Json;
using Hadal.Checkpoints.Config;
using Hadal.Tests;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Models;

/// <summary>The hand-checkable numbers that the engine's tests keep, and a small config to change.</summary>
internal static class ModelFixture
{
    public static DeepSeekConfig Tiny { get; } = new()
    {
        ModelType = "hadal", VocabSize = 23, HiddenSize = 12, IntermediateSize = 20, MoeIntermediateSize = 10, NumHiddenLayers = 2, NumAttentionHeads = 3, NumKeyValueHeads = 3,
        RmsNormEps = 1e-6, MaxPositionEmbeddings = 64, QLoraRank = 8, KvLoraRank = 6, QkNopeHeadDim = 4, QkRopeHeadDim = 4, VHeadDim = 5, NSharedExperts = 1, FirstKDenseReplace = 1,
        NRoutedExperts = 4, NumExpertsPerTok = 2, TopkMethod = "noaux_tc", ScoringFunc = "sigmoid", NormTopkProb = true, NumNextnPredictLayers = 1, IndexNHeads = 2, IndexHeadDim = 8, IndexTopk = 5,
    };

    public static JsonElement Open(string name)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Inference.Tests", "Models", "Fixtures", name)));
        return document.RootElement.Clone();
    }

    /// <summary>Nested lists of numbers as a tensor; strings such as <c>-Infinity</c> are numbers too.</summary>
    public static Tensor Numbers(this JsonElement parent, string name, ScalarType type = ScalarType.Float32)
    {
        var values = new List<double>();
        var shape = new List<long>();
        Read(parent.GetProperty(name), 0);
        return tensor(values.ToArray(), [.. shape], type);

        void Read(JsonElement element, int depth)
        {
            if (element.ValueKind != JsonValueKind.Array)
            {
                values.Add(element.ValueKind == JsonValueKind.String ? double.Parse(element.GetString()!, System.Globalization.CultureInfo.InvariantCulture) : element.GetDouble());
                return;
            }

            if (shape.Count == depth) shape.Add(element.GetArrayLength());
            foreach (var item in element.EnumerateArray()) Read(item, depth + 1);
        }
    }

    /// <summary>Fails unless both are equal within <paramref name="tolerance"/>, or both the same infinity.</summary>
    public static void Near(Tensor expected, Tensor actual, double tolerance)
    {
        Assert.Equal(expected.shape, actual.shape);
        var (e, a) = (expected.to(ScalarType.Float64), actual.detach().to(ScalarType.Float64));
        var isRight = e.eq(a).logical_or((e - a).abs().le(tolerance));
        Assert.True(isRight.all().item<bool>(), $"largest difference {(e - a).abs().max().item<double>():g3}; expected {string.Join(' ', e.flatten().data<double>().ToArray().Take(40))}, got {string.Join(' ', a.flatten().data<double>().ToArray().Take(40))}");
    }

    /// <summary>Sets every parameter of a module to normal numbers of deviation <paramref name="deviation"/>.</summary>
    public static void Draw(this nn.Module module, int seed, double deviation = 0.4)
    {
        using var noGradient = no_grad();
        random.manual_seed(seed);
        foreach (var parameter in module.parameters()) parameter.normal_(0, deviation);
    }
}
