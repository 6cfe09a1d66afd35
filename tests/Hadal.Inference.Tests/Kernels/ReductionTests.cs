using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

public sealed class DotTests : KernelConformance
{
    protected override bool AllowsInPlace => false;

    protected override float[][] Inputs(int length, int seed) => [Lengths.Random(length, seed), Lengths.Random(length, seed + 1)];

    protected override int OutputLength(int length) => 1;

    protected override void Run(Func<int, Span<float>> inputs, Span<float> output) => output[0] = Reduction.Dot(inputs(0), inputs(1));

    protected override void Scalar(float[][] inputs, float[] output) => output[0] = Reduction.Scalar(inputs[0], inputs[1]);

    protected override double[] Reference(float[][] inputs) => [inputs[0].Zip(inputs[1], (a, b) => (double)a * b).Sum()];

    protected override double[] Bound(float[][] inputs, double[] reference) =>
        [((inputs[0].Length + 2) * Lengths.Epsilon * inputs[0].Zip(inputs[1], (a, b) => Math.Abs((double)a * b)).Sum()) + 1e-37];
}

public sealed class SumTests : KernelConformance
{
    protected override bool AllowsInPlace => false;

    protected override float[][] Inputs(int length, int seed) => [Lengths.Random(length, seed)];

    protected override int OutputLength(int length) => 1;

    protected override void Run(Func<int, Span<float>> inputs, Span<float> output) => output[0] = Reduction.Sum(inputs(0));

    protected override void Scalar(float[][] inputs, float[] output) => output[0] = Reduction.ScalarSum(inputs[0]);

    protected override double[] Reference(float[][] inputs) => [inputs[0].Sum(value => (double)value)];

    protected override double[] Bound(float[][] inputs, double[] reference) =>
        [((inputs[0].Length + 2) * Lengths.Epsilon * inputs[0].Sum(value => Math.Abs((double)value))) + 1e-37];
}
