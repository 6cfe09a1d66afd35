using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

public sealed class SwiGluTests : KernelConformance
{
    protected override float[][] Inputs(int length, int seed) => [Lengths.Random(length, seed, 20), Lengths.Random(length, seed + 1, 2)];

    protected override void Run(Func<int, Span<float>> inputs, Span<float> output) => SwiGlu.Apply(inputs(0), inputs(1), output);

    protected override void Scalar(float[][] inputs, float[] output) => SwiGlu.Scalar(inputs[0], inputs[1], output);

    protected override double[] Reference(float[][] inputs) =>
        [.. inputs[0].Zip(inputs[1], (gate, up) => gate / (1 + Math.Exp(-(double)gate)) * up)];

    // Two units in the last place of the exponential, and one rounding for each of sum, quotient and product.
    protected override double[] Bound(float[][] inputs, double[] reference) => Relative(reference, 8);

    [Fact]
    public void A_value_does_not_depend_on_its_place()
    {
        var gate = Lengths.Random(97, 1, 10);
        var up = Lengths.Random(97, 2);
        var whole = new float[97];
        SwiGlu.Apply(gate, up, whole);
        for (var cut = 0; cut <= 97; cut++)
        {
            var parts = new float[97];
            SwiGlu.Apply(gate.AsSpan(0, cut), up.AsSpan(0, cut), parts.AsSpan(0, cut));
            SwiGlu.Apply(gate.AsSpan(cut), up.AsSpan(cut), parts.AsSpan(cut));
            Assert.Equal(whole, parts);
        }
    }

    [Fact]
    public void The_whole_range_of_gates_is_within_four_units_in_the_last_place()
    {
        var gate = new float[200_001];
        for (var i = 0; i < gate.Length; i++) gate[i] = (i - 100_000) * 0.00088f;
        var up = new float[gate.Length];
        Array.Fill(up, 1f);
        var y = new float[gate.Length];
        SwiGlu.Apply(gate, up, y);
        for (var i = 0; i < gate.Length; i++)
        {
            var exact = gate[i] / (1 + Math.Exp(-(double)gate[i]));
            Assert.True(Math.Abs(y[i] - exact) <= (Math.Abs(exact) * 8 * Lengths.Epsilon) + 1e-36, $"silu({gate[i]:R}): expected {exact:R}, found {y[i]:R}");
        }
    }
}
