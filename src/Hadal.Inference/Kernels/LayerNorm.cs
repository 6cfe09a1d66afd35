namespace Hadal.Inference.Kernels;

/// <summary>Layer norm with bias: <c>y[i] = (x[i] − mean(x)) / sqrt(var(x) + eps) · weight[i] + bias[i]</c>, variance over n.</summary>
/// <remarks>Two passes in float32, in an order that depends on the length only. Ba, Kiros and Hinton 2016, arXiv:1607.06450.</remarks>
public static class LayerNorm
{
    /// <summary>Normalises one vector.</summary>
    /// <param name="x">[n].</param>
    /// <param name="weight">[n].</param>
    /// <param name="bias">[n]; must not overlap <paramref name="y"/>, nor may <paramref name="weight"/>.</param>
    /// <param name="eps">Added to the variance.</param>
    /// <param name="y">[n]; may be <paramref name="x"/> itself, otherwise must not overlap it.</param>
    /// <exception cref="ArgumentException">Lengths differ, or the spans overlap partly.</exception>
    public static void Apply(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, float eps, Span<float> y)
    {
        SpanCheck.Length(x.Length, weight.Length, nameof(weight));
        SpanCheck.Length(x.Length, bias.Length, nameof(bias));
        SpanCheck.Length(x.Length, y.Length, nameof(y));
        SpanCheck.SameOrApart(x, y, nameof(y));
        var mean = Reduction.Sum(x) / x.Length;
        ElementWise.Apply(new Shift(-mean), x, x, y);
        var scale = 1f / MathF.Sqrt((Reduction.SumOfSquares(y) / x.Length) + eps);
        ElementWise.Apply(new ScaleAndWeigh(scale), y, weight, y);
        ElementWise.Apply(default(Sum), y, bias, y);
    }

    /// <summary>The definition.</summary>
    internal static void Scalar(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, float eps, Span<float> y)
    {
        var sum = 0f;
        for (var i = 0; i < x.Length; i++) sum += x[i];
        var mean = sum / x.Length;
        var squares = 0f;
        for (var i = 0; i < x.Length; i++) squares += (x[i] - mean) * (x[i] - mean);
        var scale = 1f / MathF.Sqrt((squares / x.Length) + eps);
        for (var i = 0; i < x.Length; i++) y[i] = ((x[i] - mean) * scale * weight[i]) + bias[i];
    }

    private readonly struct Shift(float offset) : IBinaryOperation
    {
        public float Scalar(float a, float b) => a + offset;

        public TVector Apply<TLanes, TVector>(TVector a, TVector b)
            where TLanes : struct, Lanes.ILanes<TVector>
            where TVector : struct =>
            TLanes.Add(a, TLanes.Broadcast(offset));
    }

    private readonly struct ScaleAndWeigh(float scale) : IBinaryOperation
    {
        public float Scalar(float a, float b) => a * scale * b;

        public TVector Apply<TLanes, TVector>(TVector a, TVector b)
            where TLanes : struct, Lanes.ILanes<TVector>
            where TVector : struct =>
            TLanes.Multiply(TLanes.Multiply(a, TLanes.Broadcast(scale)), b);
    }

    private readonly struct Sum : IBinaryOperation
    {
        public float Scalar(float a, float b) => a + b;

        public TVector Apply<TLanes, TVector>(TVector a, TVector b)
            where TLanes : struct, Lanes.ILanes<TVector>
            where TVector : struct =>
            TLanes.Add(a, b);
    }
}
