using System.Runtime.InteropServices;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

public sealed class MergeCommandTests : IDisposable
{
    private static readonly string Model = GoldenData.PathOf("deepseek-v3/hf");
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    private string Adapter => Path.Combine(_folder.FullName, "adapter");

    private string Target => Path.Combine(_folder.FullName, "merged");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_merged_model_answers_as_the_adapter_does()
    {
        WriteAdapter("model.layers.0.self_attn.o_proj", 64);
        var json = TestShell.Run("", "merge", Model, "--adapter", Adapter, "-o", Target, "--json").Done().Json;
        Assert.Equal(["model", "adapter", "path", "modules", "bytes"], json.EnumerateObject().Select(field => field.Name));
        Assert.Equal(("hf", Adapter, Target, 1), (json.GetProperty("model").GetString(), json.GetProperty("adapter").GetString(), json.GetProperty("path").GetString(), json.GetProperty("modules").GetInt32()));
        string[] options = ["-p", "Hello", "--temperature", "0", "--max-tokens", "12"];
        var applied = TestShell.Run("", ["run", Model, "--adapter", Adapter, .. options]).Done().Text;
        Assert.Equal(applied, TestShell.Run("", ["run", Target, .. options]).Done().Text);
        Assert.NotEqual(applied, TestShell.Run("", ["run", Model, .. options]).Done().Text);
        Assert.Equal(TestShell.Run("tide", "tokenize", Model).Done().Text, TestShell.Run("tide", "tokenize", Target).Done().Text);
        Assert.Contains("1 projections", TestShell.Run("", "merge", Model, "--adapter", Adapter, "-o", Target + "2").Done().Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_adapted_head_is_merged_and_untied_from_the_table_of_embeddings(bool isTied)
    {
        var model = isTied ? WriteTied() : Model;
        int[] shape = [.. Tensors(model)["model.embed_tokens.weight"].GetProperty("shape").EnumerateArray().Select(size => size.GetInt32())];
        Assert.Equal(!isTied, Tensors(model).ContainsKey("lm_head.weight"));
        WriteAdapter("lm_head", shape[1], shape[0]);
        string[] options = ["-p", "Hello", "--temperature", "0", "--max-tokens", "12"];
        var applied = TestShell.Run("", ["run", model, "--adapter", Adapter, .. options]).Done().Text;
        Assert.NotEqual(applied, TestShell.Run("", ["run", model, .. options]).Done().Text);
        TestShell.Run("", "merge", model, "--adapter", Adapter, "-o", Target).Done();
        Assert.Equal(applied, TestShell.Run("", ["run", Target, .. options]).Done().Text);
        Assert.Equal(shape, Tensors(Target)["lm_head.weight"].GetProperty("shape").EnumerateArray().Select(size => size.GetInt32()));
        Assert.False(JsonElement.Parse(File.ReadAllText(Path.Combine(Target, "config.json"))).GetProperty("tie_word_embeddings").GetBoolean());
        using Checkpoint before = Checkpoint.Open(model), after = Checkpoint.Open(Target);
        Assert.All(before.Tensors.Where(named => named.Key != "lm_head.weight"), named => Assert.True(named.Value.Bytes.SequenceEqual(after.Tensors[named.Key].Bytes), named.Key));

        WriteAdapter("lm_head", shape[1] / 2, shape[0]);
        foreach (var command in (string[][])[["merge", model, "--adapter", Adapter, "-o", Target + "2"], ["run", model, "--adapter", Adapter, .. options]])
            Assert.Contains($"lm_head.lora_A.weight' is [2, {shape[1] / 2}], expected [2, {shape[1]}]", TestShell.Run("", command).Fault(1), StringComparison.Ordinal);
        Assert.False(Directory.Exists(Target + "2"));

        static Dictionary<string, JsonElement> Tensors(string path) =>
            TestShell.Run("", "inspect", path, "--json").Done().Json.GetProperty("tensors").EnumerateArray().ToDictionary(tensor => tensor.GetProperty("name").GetString()!);
    }

    [Fact]
    public void A_quantised_model_is_merged_in_bfloat16()
    {
        WriteAdapter("model.layers.0.self_attn.o_proj", 64);
        var small = Path.Combine(_folder.FullName, "small");
        TestShell.Run("", "quantize", Model, "-o", small, "--group", "32").Done();
        TestShell.Run("", "merge", small, "--adapter", Adapter, "-o", Target).Done();
        var tensors = TestShell.Run("", "inspect", Target, "--json").Done().Json.GetProperty("tensors").EnumerateArray().ToDictionary(tensor => tensor.GetProperty("name").GetString()!);
        Assert.Equal("BF16", tensors["model.layers.0.mlp.up_proj.weight"].GetProperty("dtype").GetString());
        Assert.Equal("BF16", tensors["model.layers.0.self_attn.o_proj.weight"].GetProperty("dtype").GetString());
        TestShell.Run("", "run", Target, "-p", "Hello", "--max-tokens", "2").Done();
    }

    [Fact]
    public void What_does_not_fit_is_refused_and_nothing_is_written()
    {
        Assert.Contains("'--adapter' is required", TestShell.Run("", "merge", Model, "-o", Target).Fault(2), StringComparison.Ordinal);
        Assert.Contains("is no directory; expected an adapter", TestShell.Run("", "merge", Model, "--adapter", Adapter, "-o", Target).Fault(1), StringComparison.Ordinal);
        WriteAdapter("model.layers.9.self_attn.o_proj", 64);
        Assert.Contains("is no projection of this deepseek_v3 model", TestShell.Run("", "merge", Model, "--adapter", Adapter, "-o", Target).Fault(1), StringComparison.Ordinal);
        WriteAdapter("model.layers.0.self_attn.o_proj", 32);
        Assert.Contains("expected [2, 64]", TestShell.Run("", "merge", Model, "--adapter", Adapter, "-o", Target).Fault(1), StringComparison.Ordinal);
        Assert.False(Directory.Exists(Target));
        WriteAdapter("model.layers.0.self_attn.o_proj", 256, 256);
        Assert.Contains("is a GGUF file", TestShell.Run("", "merge", GoldenData.PathOf("qwen2/model-Q4_K.gguf"), "--adapter", Adapter, "-o", Target).Fault(1), StringComparison.Ordinal);
        Directory.CreateDirectory(Target);
        File.WriteAllText(Path.Combine(Target, "x"), "x");
        Assert.StartsWith($"hadal: {Target}: exists and is not empty", TestShell.Run("", "merge", Model, "--adapter", Adapter, "-o", Target).Fault(1), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(float.NaN, "model.layers.0.self_attn.o_proj has a number that is not finite")]
    [InlineData(1e25f, "model.layers.0.self_attn.o_proj.weight with the adapter has a number that does not fit F32")]
    public void An_adapter_that_would_ruin_the_weights_is_refused_and_nothing_is_written(float number, string message)
    {
        WriteAdapter("model.layers.0.self_attn.o_proj", 64, number: number);
        Assert.Contains(message, TestShell.Run("", "merge", Model, "--adapter", Adapter, "-o", Target).Fault(1), StringComparison.Ordinal);
        Assert.Equal([Adapter], Directory.GetFileSystemEntries(_folder.FullName));
    }

    [Fact]
    public void A_row_of_zeros_whose_length_was_trained_is_merged_into_one_of_zeros()
    {
        const string module = "model.layers.0.self_attn.o_proj";
        WriteAdapter(module, 64, isLengthTrained: true);
        TestShell.Run("", "merge", Model, "--adapter", Adapter, "-o", Target).Done();
        var scaled = Row(1);
        var model = Directory.CreateDirectory(Path.Combine(_folder.FullName, "model")).FullName;
        foreach (var file in Directory.GetFiles(Model)) File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        using (var file = File.OpenHandle(Path.Combine(model, "model.safetensors"), access: FileAccess.ReadWrite)) RandomAccess.Write(file, new byte[64 * sizeof(float)], Offset(model));
        Directory.Delete(Target, recursive: true);
        TestShell.Run("", "merge", model, "--adapter", Adapter, "-o", Target).Done();
        Assert.All(Row(0), number => Assert.Equal(0, number));
        Assert.Equal(scaled, Row(1));
        Assert.Equal(0.25, scaled.Sum(number => (double)number * number), 1e-5);

        float[] Row(int row)
        {
            var bytes = new byte[64 * sizeof(float)];
            using var file = File.OpenHandle(Path.Combine(Target, "model.safetensors"));
            RandomAccess.Read(file, bytes, Offset(Target) + (row * bytes.Length));
            return MemoryMarshal.Cast<byte, float>(bytes).ToArray();
        }

        static long Offset(string folder)
        {
            var bytes = File.ReadAllBytes(Path.Combine(folder, "model.safetensors"));
            var length = (int)BitConverter.ToInt64(bytes);
            return 8 + length + JsonElement.Parse(bytes.AsSpan(8, length)).GetProperty(module + ".weight").GetProperty("data_offsets")[0].GetInt64();
        }
    }

    /// <summary>The model without a head of its own.</summary>
    private string WriteTied()
    {
        var path = Directory.CreateDirectory(Path.Combine(_folder.FullName, "tied")).FullName;
        foreach (var file in Directory.GetFiles(Model)) File.Copy(file, Path.Combine(path, Path.GetFileName(file)));
        using (var checkpoint = Checkpoint.Open(Model))
        {
            SafetensorsWriter.Write(Path.Combine(path, "model.safetensors"), checkpoint.Tensors.Where(named => named.Key != "lm_head.weight").Select(named =>
            {
                var bytes = named.Value.Bytes.ToArray();
                return new TensorToWrite(named.Key, named.Value.DType, named.Value.Shape, bytes);
            }));
            File.WriteAllText(Path.Combine(path, "config.json"), (checkpoint.Config with { TieWordEmbeddings = true }).ToJson());
        }

        return path;
    }

    private void WriteAdapter(string module, int inputs, int outputs = 64, float? number = null, bool isLengthTrained = false)
    {
        Directory.CreateDirectory(Adapter);
        File.WriteAllText(Path.Combine(Adapter, "adapter_config.json"), $$"""{"peft_type":"LORA","r":2,"lora_alpha":64,"use_dora":{{(isLengthTrained ? "true" : "false")}}}""");
        TensorToWrite[] tensors = [Tensor(".lora_A.weight", [2, inputs], number), Tensor(".lora_B.weight", [outputs, 2], isLengthTrained ? 0 : number)];
        SafetensorsWriter.Write(Path.Combine(Adapter, "adapter_model.safetensors"), isLengthTrained ? [.. tensors, Tensor(".lora_magnitude_vector", [outputs], 0.5f)] : tensors);

        TensorToWrite Tensor(string part, int[] shape, float? all = null)
        {
            var random = new Random(part.Length);
            return new TensorToWrite($"base_model.model.{module}{part}", DType.F32, shape, stream =>
            {
                for (var index = 0; index < shape.Aggregate(1, (a, b) => a * b); index++) stream.Write(BitConverter.GetBytes(all ?? (float)(random.NextDouble() - 0.5)));
            });
        }
    }
}
