using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

public sealed class RmsNormTests : KernelConformance
{
    private const float Eps = 1e-6f;

    protected override float[][] Inputs(int length, int seed) => [Lengths.Random(length, seed, 3), Lengths.Random(length, seed + 1)];

    protected override void Run(Func<int, Span<float>> inputs, Span<float> output) => RmsNorm.Apply(inputs(0), inputs(1), Eps, output);

    protected override void Scalar(float[][] inputs, float[] output) => RmsNorm.Scalar(inputs[0], inputs[1], Eps, output);

    protected override double[] Reference(float[][] inputs)
    {
        var scale = 1 / Math.Sqrt((inputs[0].Sum(value => (double)value * value) / inputs[0].Length) + Eps);
        return [.. inputs[0].Zip(inputs[1], (x, weight) => x * scale * weight)];
    }

    // The sum of n squares is off by n roundings at most, its root by half of that; six more roundings follow.
    protected override double[] Bound(float[][] inputs, double[] reference) => Relative(reference, (inputs[0].Length / 2.0) + 6);

    [Fact]
    public void Lengths_that_differ_are_refused()
    {
        Assert.Throws<ArgumentException>(() => RmsNorm.Apply(new float[4], new float[5], Eps, new float[4]));
        Assert.Throws<ArgumentException>(() => RmsNorm.Apply(new float[4], new float[4], Eps, new float[3]));
    }
}

public sealed class LayerNormTests : KernelConformance
{
    private const float Eps = 1e-6f;

    protected override IEnumerable<int> KernelLengths => Lengths.All.Where(length => length != 1);

    protected override float[][] Inputs(int length, int seed) =>
        [Lengths.Random(length, seed, 3), Lengths.Random(length, seed + 1), Lengths.Random(length, seed + 2)];

    protected override void Run(Func<int, Span<float>> inputs, Span<float> output) =>
        LayerNorm.Apply(inputs(0), inputs(1), inputs(2), Eps, output);

    protected override void Scalar(float[][] inputs, float[] output) => LayerNorm.Scalar(inputs[0], inputs[1], inputs[2], Eps, output);

    protected override double[] Reference(float[][] inputs)
    {
        var (mean, scale) = Moments(inputs[0]);
        return [.. inputs[0].Select((x, i) => ((x - mean) * scale * inputs[1][i]) + inputs[2][i])];
    }

    // The mean is off by n roundings of the mean magnitude, every deviation by the same.
    protected override double[] Bound(float[][] inputs, double[] reference)
    {
        if (inputs[0].Length == 0) return [];
        var (_, scale) = Moments(inputs[0]);
        var largest = inputs[0].Max(Math.Abs);
        var roundings = inputs[0].Length + 8;
        return [.. reference.Select((y, i) => roundings * Lengths.Epsilon * ((2 * largest * scale * Math.Abs(inputs[1][i])) + Math.Abs(inputs[2][i]) + Math.Abs(y)))];
    }

    private static (double Mean, double Scale) Moments(float[] x)
    {
        if (x.Length == 0) return (0, 0);
        var mean = x.Average(value => (double)value);
        return (mean, 1 / Math.Sqrt(x.Average(value => (value - mean) * (value - mean)) + Eps));
    }
}
