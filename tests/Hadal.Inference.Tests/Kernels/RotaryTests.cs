using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

public abstract class RotaryConformance : KernelConformance
{
    protected override IEnumerable<int> KernelLengths => Lengths.All.Where(length => length % 2 == 0);

    protected override bool IsAlwaysInPlace => true;

    /// <summary>Places of pair i in a head of the given number of pairs.</summary>
    protected abstract (int First, int Second) Pair(int i, int pairs);

    protected override float[][] Inputs(int length, int seed)
    {
        var angles = Lengths.Random(length / 2, seed + 1, 3);
        return [Lengths.Random(length, seed, 4), [.. angles.Select(MathF.Cos)], [.. angles.Select(MathF.Sin)]];
    }

    protected override double[] Reference(float[][] inputs)
    {
        var y = new double[inputs[0].Length];
        for (var i = 0; i < inputs[1].Length; i++)
        {
            var (first, second) = Pair(i, inputs[1].Length);
            double a = inputs[0][first], b = inputs[0][second], c = inputs[1][i], s = inputs[2][i];
            y[first] = (a * c) - (b * s);
            y[second] = (a * s) + (b * c);
        }

        return y;
    }

    protected override double[] Bound(float[][] inputs, double[] reference) => [.. reference.Select(_ => 2 * 8 * Lengths.Epsilon)];
}

public sealed class InterleavedRotaryTests : RotaryConformance
{
    protected override (int First, int Second) Pair(int i, int pairs) => (2 * i, (2 * i) + 1);

    protected override void Run(Func<int, Span<float>> inputs, Span<float> output) =>
        RotaryEmbedding.ApplyInterleaved(output, inputs(1), inputs(2));

    protected override void Scalar(float[][] inputs, float[] output)
    {
        inputs[0].CopyTo(output, 0);
        RotaryEmbedding.ScalarInterleaved(output, inputs[1], inputs[2]);
    }
}

public sealed class HalfSplitRotaryTests : RotaryConformance
{
    protected override (int First, int Second) Pair(int i, int pairs) => (i, i + pairs);

    protected override void Run(Func<int, Span<float>> inputs, Span<float> output) =>
        RotaryEmbedding.ApplyHalfSplit(output, inputs(1), inputs(2));

    protected override void Scalar(float[][] inputs, float[] output)
    {
        inputs[0].CopyTo(output, 0);
        RotaryEmbedding.ScalarHalfSplit(output, inputs[1], inputs[2]);
    }
}

[Trait("Width", "all")]
public sealed class RotaryFrequenciesTests
{
    [Fact]
    public void Both_pairings_give_the_published_numbers()
    {
        using var fixture = Fixture.Open("rope_layouts.json");
        var root = fixture.RootElement;
        var frequencies = RotaryFrequencies.Create(root.GetProperty("dim").GetInt32(), root.GetProperty("base").GetDouble(), null, 64);
        float[] cos = new float[4], sin = new float[4];
        frequencies.Fill(root.GetProperty("position").GetInt32(), cos, sin);
        var x = root.Floats("x");
        RotaryEmbedding.ApplyInterleaved(x, cos, sin);
        AssertClose(root.Doubles("interleaved"), x, 1e-6);
        x = root.Floats("x");
        RotaryEmbedding.ApplyHalfSplit(x, cos, sin);
        AssertClose(root.Doubles("half_split"), x, 1e-6);
    }

    [Fact]
    public void Rows_in_the_order_of_a_llama_file_with_interleaved_pairs_are_published_rows_with_half_split_pairs()
    {
        using var fixture = Fixture.Open("gguf_llama_qk_permutation.json");
        var root = fixture.RootElement;
        int heads = root.GetProperty("n_heads").GetInt32(), headDim = root.GetProperty("head_dim").GetInt32();
        var sourceRows = root.GetProperty("source_row").EnumerateArray().Select(row => row.GetInt32()).ToArray();
        float[] cos = new float[headDim / 2], sin = new float[headDim / 2], published = Lengths.Random(heads * headDim, 3);
        RotaryFrequencies.Create(headDim, 10000, null, 64).Fill(5, cos, sin);
        var stored = sourceRows.Select(row => published[row]).ToArray();
        for (var h = 0; h < heads; h++)
        {
            RotaryEmbedding.ApplyHalfSplit(published.AsSpan(h * headDim, headDim), cos, sin);
            RotaryEmbedding.ApplyInterleaved(stored.AsSpan(h * headDim, headDim), cos, sin);
        }

        Assert.Equal(sourceRows.Select(row => published[row]), stored);
    }

    [Fact]
    public void Scores_depend_on_the_distance_of_positions_only()
    {
        using var fixture = Fixture.Open("rope_layouts.json");
        var root = fixture.RootElement;
        var frequencies = RotaryFrequencies.Create(8, 10000, null, 64);
        var expected = root.GetProperty("dot_products_interleaved");
        for (var m = 0; m < 3; m++)
        {
            for (var n = 0; n < 3; n++)
                Assert.Equal(expected[m][n].GetDouble(), Reduction.Dot(Rotated("q", m), Rotated("k", n)), 1e-5);
        }

        float[] Rotated(string name, int position)
        {
            float[] cos = new float[4], sin = new float[4], x = root.Floats(name);
            frequencies.Fill(position, cos, sin);
            RotaryEmbedding.ApplyInterleaved(x, cos, sin);
            return x;
        }
    }

    [Fact]
    public void Yarn_gives_the_frequencies_and_factors_of_DeepSeek()
    {
        using var fixture = Fixture.Open("yarn_deepseek.json");
        foreach (var model in fixture.RootElement.GetProperty("configs").EnumerateArray())
        {
            var scaling = new RopeScaling
            {
                Type = "yarn",
                Factor = model.GetProperty("factor").GetDouble(),
                OriginalMaxPositionEmbeddings = model.GetProperty("original_max_position").GetInt32(),
                BetaFast = model.GetProperty("beta_fast").GetDouble(),
                BetaSlow = model.GetProperty("beta_slow").GetDouble(),
                Mscale = model.GetProperty("mscale").GetDouble(),
                MscaleAllDim = model.GetProperty("mscale_all_dim").GetDouble(),
            };
            var frequencies = RotaryFrequencies.Create(model.GetProperty("rope_dim").GetInt32(), model.GetProperty("base").GetDouble(), scaling, 163840);
            AssertRelative(model.Doubles("inv_freq_yarn"), frequencies.Frequencies, 1e-6);
            Assert.Equal(model.GetProperty("cos_sin_multiplier").GetDouble(), frequencies.Multiplier, 1e-9);
            var scale = frequencies.AttentionFactor / Math.Sqrt(model.GetProperty("qk_head_dim").GetDouble());
            Assert.Equal(model.GetProperty("softmax_scale").GetDouble(), scale, 1e-9);
            float[] cos = new float[frequencies.PairCount], sin = new float[frequencies.PairCount];
            frequencies.Fill(4096, cos, sin);
            AssertClose(model.Doubles("cos_at_position_4096"), cos, 2e-4);
            AssertClose(model.Doubles("sin_at_position_4096"), sin, 2e-4);
        }
    }

    [Fact]
    public void Yarn_without_magnitude_keys_multiplies_cosine_and_sine()
    {
        var scaling = new RopeScaling { RopeType = "yarn", Factor = 4, OriginalMaxPositionEmbeddings = 32768 };
        var frequencies = RotaryFrequencies.Create(128, 1e6, scaling, 131072);
        Assert.Equal((0.1 * Math.Log(4)) + 1, frequencies.Multiplier, 1e-12);
        Assert.Equal(1, frequencies.AttentionFactor);
    }

    [Fact]
    public void Llama3_scaling_gives_the_published_frequencies_and_so_do_gguf_factors()
    {
        using var fixture = Fixture.Open("rope_llama3_scaling.json");
        var root = fixture.RootElement;
        var scaling = new RopeScaling
        {
            RopeType = "llama3",
            Factor = root.GetProperty("factor").GetDouble(),
            LowFreqFactor = root.GetProperty("low_freq_factor").GetDouble(),
            HighFreqFactor = root.GetProperty("high_freq_factor").GetDouble(),
            OriginalMaxPositionEmbeddings = root.GetProperty("original_max_position").GetInt32(),
        };
        var theta = root.GetProperty("base").GetDouble();
        var expected = root.Doubles("inv_freq_scaled");
        AssertRelative(expected, RotaryFrequencies.Create(128, theta, scaling, 131072).Frequencies, 1e-6);
        AssertRelative(expected, RotaryFrequencies.CreateWithFactors(128, theta, root.Floats("gguf_rope_freq_factor")).Frequencies, 1e-6);
    }

    [Fact]
    public void Unknown_scaling_is_refused_by_name()
    {
        var fault = Assert.Throws<CheckpointException>(() => RotaryFrequencies.Create(64, 10000, new RopeScaling { RopeType = "longrope" }, 4096));
        Assert.Contains("longrope", fault.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => RotaryFrequencies.Create(63, 10000, null, 4096));
    }

    private static void AssertClose(double[] expected, float[] found, double bound)
    {
        Assert.Equal(expected.Length, found.Length);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], found[i], bound);
    }

    private static void AssertRelative(double[] expected, ReadOnlySpan<double> found, double bound)
    {
        Assert.Equal(expected.Length, found.Length);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(1, found[i] / expected[i], bound);
    }
}
