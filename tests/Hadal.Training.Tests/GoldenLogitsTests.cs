using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;
using Hadal.Training.Models;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Tests;

/// <summary>The twin against logits of an engine that is not ours.</summary>
public sealed class GoldenLogitsTests
{
    [Fact]
    public void Deepseek_v3_in_the_repository_gives_the_golden_logits() => CompareWithGolden(GoldenData.PathOf("deepseek-v3"), "hf");

    [Theory]
    [InlineData("deepseek-v3", "hf")]
    [InlineData("deepseek-v32-dsa", "hf")]
    [InlineData("llama3-rope", "hf")]
    [InlineData("llama-gqa", "model-F32.gguf")]
    [InlineData("qwen2", "hf")]
    [InlineData("qwen3", "hf")]
    [InlineData("qwen3", "model-F32.gguf")]
    public void Golden_folders_beside_the_repository_give_their_logits(string name, string file) => CompareWithGolden(SharedData.PathOrSkip("golden/" + name), file);

    [Fact]
    public void Rotary_factors_that_no_config_can_say_are_refused()
    {
        using var checkpoint = Checkpoint.Open(GoldenData.PathOf("llama3-rope/model-F16.gguf"));
        Assert.Contains("rope_freqs.weight", Assert.Throws<CheckpointException>(() => ModelFiles.Load(checkpoint)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_saved_model_reads_back_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        using var checkpoint = Checkpoint.Open(GoldenData.PathOf("deepseek-v3/hf"));
        var directory = Directory.CreateTempSubdirectory("hadal-");
        try
        {
            using var model = ModelFiles.Load(checkpoint);
            ModelFiles.Save(model, directory.FullName, DType.F32);
            using var again = Checkpoint.Open(directory.FullName);
            Assert.Equal(checkpoint.Tensors.Keys.Order(), again.Tensors.Keys.Order());
            foreach (var (tensorName, tensor) in checkpoint.Tensors) Assert.True(tensor.Bytes.SequenceEqual(again.Tensors[tensorName].Bytes), tensorName);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static void CompareWithGolden(string folder, string file)
    {
        var temporary = Directory.CreateTempSubdirectory("hadal-");
        try
        {
            using var checkpoint = Checkpoint.Open(GoldenData.Unpacked(folder, file, temporary.FullName));
            using var model = ModelFiles.Load(checkpoint);
            CompareWithGolden(model, folder);
        }
        finally
        {
            temporary.Delete(recursive: true);
        }
    }

    private static void CompareWithGolden(CausalModel model, string folder)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "golden.json")));
        var expected = TensorBytes.ReadAll(Path.Combine(folder, "logits.safetensors"));
        var tolerance = golden.RootElement.GetProperty("tolerance").GetProperty("exact_max_abs").GetDouble();
        foreach (var sequence in golden.RootElement.GetProperty("sequences").EnumerateArray())
        {
            var ids = sequence.GetProperty("token_ids").EnumerateArray().Select(id => id.GetInt64()).ToArray();
            var positions = sequence.GetProperty("logit_positions").EnumerateArray().Select(position => position.GetInt64()).ToArray();
            var hidden = model.Hidden(tensor(ids).unsqueeze(0));
            var logits = model.Logits(hidden)[0].index_select(0, tensor(positions));
            var difference = (logits - expected["exact.F32." + sequence.GetProperty("name").GetString()]).abs().max().item<float>();
            Assert.True(difference <= tolerance, $"{folder} {sequence.GetProperty("name")}: {difference} > {tolerance}");
            TestContext.Current.SendDiagnosticMessage($"{folder} {sequence.GetProperty("name")}: {difference}");
        }
    }
}
