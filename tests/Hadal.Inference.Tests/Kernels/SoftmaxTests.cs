using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

public sealed class SoftmaxTests : KernelConformance
{
    protected override float[][] Inputs(int length, int seed) => [Lengths.Random(length, seed, 10)];

    protected override void Run(Func<int, Span<float>> inputs, Span<float> output) => Softmax.Apply(inputs(0), output);

    protected override void Scalar(float[][] inputs, float[] output) => Softmax.Scalar(inputs[0], output);

    protected override double[] Reference(float[][] inputs)
    {
        if (inputs[0].Length == 0) return [];
        var max = inputs[0].Max();
        var sum = inputs[0].Sum(x => Math.Exp((double)x - max));
        return [.. inputs[0].Select(x => Math.Exp((double)x - max) / sum)];
    }

    // The difference to the maximum, at most 20, is rounded once, which the exponential turns into 20 relative roundings; n additions follow.
    protected override double[] Bound(float[][] inputs, double[] reference) => Relative(reference, inputs[0].Length + 30);

    [Fact]
    public void Masked_positions_get_exactly_zero_and_change_nothing_else()
    {
        var x = Lengths.Random(70, 1);
        for (var i = 50; i < 70; i++) x[i] = float.NegativeInfinity;
        var y = new float[70];
        Softmax.Apply(x, y);
        Assert.All(y[50..], value => Assert.Equal(0f, value));
        Assert.Equal(1.0, y.Sum(value => (double)value), 1e-6);
    }
}
