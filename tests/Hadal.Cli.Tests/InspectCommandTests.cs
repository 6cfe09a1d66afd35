using System.Text.Json;
using System.Text.Json.Nodes;
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

    [Theory]
    [InlineData("deepseek-v2-lite", "DeepSeek-V2-Lite")]
    [InlineData("deepseek-v2", "DeepSeek-V2")]
    [InlineData("deepseek-v3", "DeepSeek-V3")]
    public void Active_parameters_are_the_published_ones(string name, string published)
    {
        var folder = Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests");
        var config = ModelConfigReader.Read(Path.Combine(folder, "Configs", name + ".json"));
        using var counts = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "Fixtures", "parameter_counts.json")));
        var expected = counts.RootElement.GetProperty("models").GetProperty(published);
        var active = InspectCommand.ActiveParameters(config, WeightManifest.For(config).Select(spec => (spec.Name, spec.ElementCount)));
        Assert.Equal(expected.GetProperty("active_incl_embed_and_head").GetInt64(), active);
        Assert.Equal(expected.GetProperty("active_without_embed").GetInt64(), active - ((long)config.VocabSize * config.HiddenSize));
    }

    [Fact]
    public void People_are_told_what_a_config_asks_for_in_vain()
    {
        var folder = Directory.CreateTempSubdirectory("hadal-");
        try
        {
            foreach (var file in Directory.GetFiles(GoldenData.PathOf("deepseek-v3/hf"))) File.Copy(file, Path.Combine(folder.FullName, Path.GetFileName(file)));
            var config = Path.Combine(folder.FullName, "config.json");
            Assert.Equal(0, WarningCount());
            var keys = JsonNode.Parse(File.ReadAllText(config))!.AsObject();
            keys["auto_map"] = new JsonObject { ["AutoConfig"] = "configuration_deepseek.DeepseekV3Config" };
            keys["pad_token_id"] = keys["vocab_size"]!.GetValue<int>();
            File.WriteAllText(config, keys.ToJsonString());
            Assert.Equal(2, WarningCount());
            var text = TestShell.Run("", "inspect", folder.FullName).Done().Text;
            Assert.Contains("auto_map is ignored: code that comes with a checkpoint is never run", text, StringComparison.Ordinal);
            Assert.Contains("pad_token_id is 512, vocab_size is 512; it is ignored, since nothing is padded", text, StringComparison.Ordinal);

            keys["auto_map"] = null;
            keys["pad_token_id"] = -1;
            File.WriteAllText(config, keys.ToJsonString());
            Assert.Equal(0, WarningCount());
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        int WarningCount() => TestShell.Run("", "inspect", folder.FullName, "--json").Done().Json.GetProperty("warnings").GetArrayLength();
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
