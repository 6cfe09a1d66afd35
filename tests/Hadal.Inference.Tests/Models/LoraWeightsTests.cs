using System.Text.Json;
using Hadal.Checkpoints.Adapters;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models.Adapters;
using Hadal.Inference.Tests.Kernels;

namespace Hadal.Inference.Tests.Models;

/// <summary>The arithmetic of adapters.</summary>
[Trait("Width", "all")]
public sealed unsafe class LoraWeightsTests
{
    [Fact]
    public void The_example_gives_its_outputs_plain_with_root_scale_and_with_trained_lengths()
    {
        using var fixture = Fixture.Open("lora.json", "Models");
        var example = fixture.RootElement;
        var x = example.Floats("x");
        AssertClose(example.Floats("y"), Apply(example, example.GetProperty("scale").GetDouble(), null, x));
        AssertClose(Products(example.Matrix("merged_rslora"), x), Apply(example, example.GetProperty("rslora_scale").GetDouble(), null, x));
        var dora = example.GetProperty("dora");
        AssertClose(dora.Floats("y"), Apply(example, example.GetProperty("scale").GetDouble(), dora.Floats("trained_magnitude"), x));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Tokens_and_shares_change_no_bit_and_the_sum_is_that_of_the_merged_matrix(bool isLengthTrained)
    {
        const int Input = 45, Output = 70, Rank = 5, Tokens = 37;
        float[] weight = Lengths.Random(Output * Input, 1), a = Lengths.Random(Rank * Input, 2), b = Lengths.Random(Output * Rank, 3), bias = Lengths.Random(Output, 4), trained = Lengths.Random(Output, 5);
        var magnitude = isLengthTrained ? Lengths.Random(Output, 6) : null;
        using var model = new TinyModel(TinyModel.GroupedQuery);
        model.Add("w", [Output, Input], weight).Add("a", [Rank, Input], a).Add("b", [Output, Rank], b).Add("bias", [Output], trained).Add("m", [Output], magnitude ?? new float[Output]);
        var module = new LoraModule("w", model.Tensors["a"], model.Tensors["b"], 0.75) { Bias = model.Tensors["bias"], Magnitude = isLengthTrained ? model.Tensors["m"] : null };
        using var memory = new GuardedBuffer(LoraWeights.FloatCount(module) * sizeof(float));
        var matrix = WeightMatrix.Create(model.Tensors["w"]);
        var lora = new LoraWeights(module, matrix, bias, memory.Floats);
        var x = Lengths.Random(Tokens * Input, 7);
        float[] whole = new float[Tokens * Output], parts = new float[Tokens * Output];
        fixed (float* px = x, pw = whole, pp = parts)
        {
            matrix.Multiply(px, Input, Tokens, pw, Output, 0, Output);
            matrix.Multiply(px, Input, Tokens, pp, Output, 0, Output);
            lora.Apply(px, Input, Tokens, pw, Output, 0, Output);
            for (var token = 0; token < Tokens; token++)
            {
                lora.Apply(px + (token * Input), Input, 1, pp + (token * Output), Output, 0, 17);
                lora.Apply(px + (token * Input), Input, 1, pp + (token * Output), Output, 17, Output);
            }
        }

        Assert.Equal(whole, parts);
        for (var o = 0; o < Output; o++)
        {
            var merged = new double[Input];
            for (var i = 0; i < Input; i++)
            {
                merged[i] = weight[(o * Input) + i];
                for (var j = 0; j < Rank; j++) merged[i] += 0.75 * b[(o * Rank) + j] * a[(j * Input) + i];
            }

            var factor = magnitude is null ? 1 : magnitude[o] / Math.Sqrt(merged.Sum(value => value * value));
            for (var token = 0; token < Tokens; token++)
            {
                var expected = trained[o] - bias[o] + (factor * merged.Select((value, i) => value * x[(token * Input) + i]).Sum());
                Assert.Equal(expected, whole[(token * Output) + o], 2e-4);
            }
        }
    }

    [Fact]
    public void A_row_of_zeros_stays_zero_whatever_its_trained_length_and_one_too_short_for_it_is_told()
    {
        Assert.Equal((true, 0f), Of(0, 3));
        Assert.Equal((true, 5f), Of(2, 5));

        // Their squares are beyond what a single can hold.
        Assert.Equal(3, Of(1e-25f, 3).Output, 1e-6f);
        Assert.Equal(3, Of(1e25f, 3).Output, 1e-6f);
        Assert.False(Of(1e-38f, 1e10f).HasFiniteLengths);

        static (bool HasFiniteLengths, float Output) Of(float number, float length)
        {
            using var model = new TinyModel(TinyModel.GroupedQuery);
            model.Add("w", [2, 4], [1, 0, 0, 0, number, 0, 0, 0]).Add("a", [1, 4], [1, 1, 1, 1]).Add("b", [2, 1], [1, 0]).Add("m", [2], [2, length]);
            var module = new LoraModule("w", model.Tensors["a"], model.Tensors["b"], 1) { Magnitude = model.Tensors["m"] };
            using var memory = new GuardedBuffer(LoraWeights.FloatCount(module) * sizeof(float));
            var matrix = WeightMatrix.Create(model.Tensors["w"]);
            var lora = new LoraWeights(module, matrix, null, memory.Floats);
            float* x = stackalloc float[] { 1, 1, 1, 1 }, y = stackalloc float[2];
            matrix.Multiply(x, 4, 1, y, 2, 0, 2);
            lora.Apply(x, 4, 1, y, 2, 0, 2);
            return (lora.HasFiniteLengths, y[1]);
        }
    }

    private static float[] Apply(JsonElement example, double scale, float[]? magnitude, float[] x)
    {
        using var model = new TinyModel(TinyModel.GroupedQuery);
        model.Add("w", [3, 4], example.Matrix("weight")).Add("a", [2, 4], example.Matrix("lora_A")).Add("b", [3, 2], example.Matrix("lora_B")).Add("m", [3], magnitude ?? new float[3]);
        var module = new LoraModule("w", model.Tensors["a"], model.Tensors["b"], scale) { Magnitude = magnitude is null ? null : model.Tensors["m"] };
        using var memory = new GuardedBuffer(LoraWeights.FloatCount(module) * sizeof(float));
        var weight = WeightMatrix.Create(model.Tensors["w"]);
        var lora = new LoraWeights(module, weight, null, memory.Floats);
        var y = new float[3];
        fixed (float* px = x, py = y)
        {
            weight.Multiply(px, 4, 1, py, 3, 0, 3);
            lora.Apply(px, 4, 1, py, 3, 0, 3);
        }

        return y;
    }

    private static float[] Products(float[] matrix, float[] x) => [.. matrix.Chunk(x.Length).Select(row => row.Zip(x, (a, b) => a * b).Sum())];

    private static void AssertClose(float[] expected, float[] actual) => Assert.True(Generation.MaxDifference(expected, actual) < 1e-5f, string.Join(" ", actual));
}
