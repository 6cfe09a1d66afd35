namespace Hadal.Inference.Kernels;

/// <summary>Root-mean-square norm: <c>y[i] = x[i] / sqrt(mean(x²) + eps) · weight[i]</c>.</summary>
/// <remarks>Sums in float32, in an order that depends on hidden_size only, never on batch or thread count.
/// Zhang and Sennrich 2019, arXiv:1910.07467.</remarks>
public static class RmsNorm
{
    /// <summary>Normalises one vector.</summary>
    /// <param name="x">[hidden_size].</param>
    /// <param name="weight">[hidden_size].</param>
    /// <param name="eps">Added to the mean square.</param>
    /// <param name="y">[hidden_size]; may be <paramref name="x"/> itself, otherwise must not overlap it.</param>
    /// <exception cref="ArgumentException">Lengths differ, or the spans overlap partly.</exception>
    public static void Apply(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float eps, Span<float> y)
    {
        SpanCheck.Length(x.Length, weight.Length, nameof(weight));
        SpanCheck.Length(x.Length, y.Length, nameof(y));
        SpanCheck.SameOrApart(x, y, nameof(y));
        var scale = 1f / MathF.Sqrt((Reduction.SumOfSquares(x) / x.Length) + eps);
        ElementWise.Apply(new ScaleAndWeigh(scale), x, weight, y);
    }

    /// <summary>The definition.</summary>
    internal static void Scalar(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float eps, Span<float> y)
    {
        var sum = 0f;
        for (var i = 0; i < x.Length; i++) sum += x[i] * x[i];
        var scale = 1f / MathF.Sqrt((sum / x.Length) + eps);
        for (var i = 0; i < x.Length; i++) y[i] = x[i] * scale * weight[i];
    }

    private readonly struct ScaleAndWeigh(float scale) : IBinaryOperation
    {
        public float Scalar(float a, float b) => a * scale * b;

        public TVector Apply<TLanes, TVector>(TVector a, TVector b)
            where TLanes : struct, Lanes.ILanes<TVector>
            where TVector : struct =>
            TLanes.Multiply(TLanes.Multiply(a, TLanes.Broadcast(scale)), b);
    }
}
