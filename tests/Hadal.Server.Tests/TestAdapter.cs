using System.Runtime.InteropServices;
using Hadal.Checkpoints.Weights;

namespace Hadal.Server.Tests;

/// <summary>An adapter of rank 2 for one projection of hadal-mini, written as a trainer would: beside its place, and moved there whole.</summary>
internal static class TestAdapter
{
    private const string Projection = "base_model.model.model.layers.2.self_attn.o_proj.";

    /// <summary>Writes one.</summary>
    /// <param name="directory">Where its folder will be.</param>
    /// <param name="name">Its folder.</param>
    /// <param name="seed">Its numbers are drawn from it.</param>
    /// <param name="spoil">A number in the place of the first one.</param>
    /// <param name="head">Whether it brings a head for two labels.</param>
    /// <param name="length">The trained length of every row; null for none.</param>
    /// <returns>The folder.</returns>
    public static string Write(string directory, string name, int seed, float? spoil = null, bool head = false, float? length = null)
    {
        var (folder, place) = (Directory.CreateDirectory(Path.Combine(directory, "." + name)).FullName, Path.Combine(directory, name));
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), head ? """{"peft_type":"LORA","task_type":"SEQ_CLS","r":2,"lora_alpha":16,"modules_to_save":["score"]}""" : $$"""{"peft_type":"LORA","r":2,"lora_alpha":16,"use_dora":{{(length is null ? "false" : "true")}}}""");
        var random = new Random(seed);
        var lengths = length is not { } number ? [] : new[] { new TensorToWrite(Projection + "lora_magnitude_vector", DType.F32, [256], MemoryMarshal.AsBytes<float>(Enumerable.Repeat(number, 256).ToArray()).ToArray()) };
        SafetensorsWriter.Write(Path.Combine(folder, "adapter_model.safetensors"), [Tensor(Projection + "lora_A.weight", [2, 256]), Tensor(Projection + "lora_B.weight", [256, 2]), .. head ? new[] { Tensor("base_model.model.score.weight", [2, 256], spoil) } : [], .. lengths]);
        Directory.Move(folder, place);
        return place;

        TensorToWrite Tensor(string name, int[] shape, float? spoilt = null)
        {
            var values = new float[512];
            for (var i = 0; i < values.Length; i++) values[i] = random.NextSingle() - 0.5f;
            if ((head ? spoilt : spoil) is { } first) values[0] = first;
            return new TensorToWrite(name, DType.F32, shape, stream => stream.Write(MemoryMarshal.AsBytes<float>(values)));
        }
    }
}
