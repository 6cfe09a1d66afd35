using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class InspectCommandTests
{
    [Theory]
    [InlineData("deepseek-v3/hf", "deepseek_v3", "safetensors", "f32")]
    [InlineData("deepseek-v3/model-F16.gguf", "deepseek_v3", "gguf", "f16")]
    [InlineData("deepseek-v32-dsa/model-F16.gguf", "deepseek_v32", "gguf", "f16")]
    [InlineData("llama3-rope/model-F16.gguf", "llama", "gguf", "f16")]
    [InlineData("qwen2/model-Q4_K.gguf", "qwen2", "gguf", "q4_k")]
    public void Parameters_bytes_and_tensors_are_those_of_the_file(string path, string modelType, string format, string quantization)
    {
        var json = TestShell.Run("", "inspect", GoldenData.PathOf(path), "--json").Done().Json;
        Assert.Equal(modelType, json.GetProperty("model_type").GetString());
        Assert.Equal(format, json.GetProperty("format").GetString());
        Assert.Equal(quantization, json.GetProperty("quantization").GetString());
        Assert.Equal(modelType, json.GetProperty("config").GetProperty("model_type").GetString());
        var tensors = json.GetProperty("tensors").EnumerateArray().ToList();
        Assert.All(tensors, tensor => Assert.Equal(["name", "dtype", "shape", "bytes"], tensor.EnumerateObject().Select(field => field.Name)));
        Assert.Equal(Golden.Of(path.Split('/')[0]).GetProperty("parameters").GetInt64(), json.GetProperty("parameters").GetInt64());
        Assert.Equal(json.GetProperty("parameters").GetInt64(), tensors.Where(tensor => tensor.GetProperty("name").GetString() != "rope_freqs.weight").Sum(tensor => Golden.Ints(tensor.GetProperty("shape")).Aggregate(1L, (count, size) => count * size)));
        Assert.Equal(json.GetProperty("bytes").GetInt64(), tensors.Sum(tensor => tensor.GetProperty("bytes").GetInt64()));
        Assert.Equal(json.GetProperty("bytes").GetInt64(), json.GetProperty("memory").GetProperty("weight_bytes").GetInt64());
        Assert.InRange(json.GetProperty("parameters_active").GetInt64(), 1, json.GetProperty("parameters").GetInt64());
    }

    /// <summary>DeepSeek-V3's report: 671 billion parameters, of which 37 billion are activated for each token; 14 billion more in the prediction layer
    /// (README_WEIGHTS.md of the published model).</summary>
    [Fact]
    public void Active_parameters_of_DeepSeek_V3_are_the_published_ones()
    {
        var config = new DeepSeekConfig
        {
            ModelType = "deepseek_v3", VocabSize = 129280, HiddenSize = 7168, IntermediateSize = 18432, NumHiddenLayers = 61, NumAttentionHeads = 128,
            NumKeyValueHeads = 128, RmsNormEps = 1e-6, MaxPositionEmbeddings = 163840, QLoraRank = 1536, KvLoraRank = 512, QkNopeHeadDim = 128, QkRopeHeadDim = 64,
            VHeadDim = 128, MoeIntermediateSize = 2048, NRoutedExperts = 256, NSharedExperts = 1, NumExpertsPerTok = 8, FirstKDenseReplace = 3, NGroup = 8,
            TopkGroup = 4, TopkMethod = "noaux_tc", ScoringFunc = "sigmoid", NormTopkProb = true, RoutedScalingFactor = 2.5, NumNextnPredictLayers = 1,
        };
        var tensors = WeightManifest.For(config).Where(spec => !spec.Optional).Select(spec => (spec.Name, spec.ElementCount)).ToList();
        Assert.InRange(tensors.Sum(tensor => tensor.ElementCount) / 1e9, 671, 686);
        Assert.InRange(InspectCommand.ActiveParameters(config, tensors) / 1e9, 36.5, 37.6);
    }

    [Fact]
    public void People_see_experts_of_a_layer_on_one_line()
    {
        var text = TestShell.Run("", "inspect", GoldenData.PathOf("deepseek-v3/hf")).Done().Text;
        Assert.Contains("265 thousand, 191 thousand active per token", text, StringComparison.Ordinal);
        Assert.Contains("model.layers.1.mlp.experts.*.up_proj.weight (16)", text, StringComparison.Ordinal);
        Assert.DoesNotContain("experts.0.", text, StringComparison.Ordinal);
        Assert.DoesNotContain(" \n", text, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', text);
    }

    [Fact]
    public void A_broken_checkpoint_is_one_line_that_says_where()
    {
        var folder = Directory.CreateTempSubdirectory("hadal-");
        try
        {
            foreach (var file in Directory.GetFiles(GoldenData.PathOf("deepseek-v3/hf"))) File.Copy(file, Path.Combine(folder.FullName, Path.GetFileName(file)));
            var weights = Path.Combine(folder.FullName, "model.safetensors");
            using (var stream = File.OpenWrite(weights)) stream.SetLength(stream.Length - 1000);
            Assert.Contains(weights, TestShell.Run("", "inspect", folder.FullName).Fault(1), StringComparison.Ordinal);
            File.WriteAllText(Path.Combine(folder.FullName, "config.json"), "{ \"model_type\": \"mamba\e[31m\" }");
            var fault = TestShell.Run("", "inspect", folder.FullName).Fault(1);
            Assert.Contains("config.json", fault, StringComparison.Ordinal);
            Assert.DoesNotContain('\e', fault);
            File.Delete(Path.Combine(folder.FullName, "config.json"));
            Assert.Contains("config.json", TestShell.Run("", "inspect", folder.FullName).Fault(1), StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
