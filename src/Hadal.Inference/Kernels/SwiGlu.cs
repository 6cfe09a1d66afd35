namespace Hadal.Inference.Kernels;

/// <summary>Gated activation <c>y[i] = silu(gate[i]) · up[i]</c> with <c>silu(z) = z / (1 + e^−z)</c>.</summary>
/// <remarks>Element-wise: a value does not depend on its position, so spans may be cut anywhere. Shazeer 2020, arXiv:2002.05202.
/// Vector paths flush e^−z to 0 for z &gt; 87.3, where silu(z) = z.</remarks>
public static class SwiGlu
{
    /// <summary>Applies the activation.</summary>
    /// <param name="gate">[n].</param>
    /// <param name="up">[n].</param>
    /// <param name="y">[n]; may be <paramref name="gate"/> or <paramref name="up"/> itself, otherwise must not overlap them.</param>
    /// <exception cref="ArgumentException">Lengths differ, or the spans overlap partly.</exception>
    public static void Apply(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y)
    {
        SpanCheck.Length(gate.Length, up.Length, nameof(up));
        SpanCheck.Length(gate.Length, y.Length, nameof(y));
        SpanCheck.SameOrApart(gate, y, nameof(y));
        SpanCheck.SameOrApart(up, y, nameof(y));
        ElementWise.Apply(default(Operation), gate, up, y);
    }

    /// <summary>The definition.</summary>
    internal static void Scalar(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> y)
    {
        for (var i = 0; i < y.Length; i++) y[i] = gate[i] / (1f + MathF.Exp(-gate[i])) * up[i];
    }

    private readonly struct Operation : IBinaryOperation
    {
        public float Scalar(float a, float b) => a / (1f + MathF.Exp(-a)) * b;

        public TVector Apply<TLanes, TVector>(TVector a, TVector b)
            where TLanes : struct, Lanes.ILanes<TVector>
            where TVector : struct
        {
            var e = Exponential.Apply<TLanes, TVector>(TLanes.Subtract(TLanes.Zero, a));
            return TLanes.Multiply(TLanes.Divide(a, TLanes.Add(TLanes.Broadcast(1f), e)), b);
        }
    }
}
