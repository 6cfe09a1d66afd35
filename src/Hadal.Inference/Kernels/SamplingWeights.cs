using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>Unnormalised probabilities <c>w[i] = e^((x[i] − max) · scale)</c>, the same bits at every vector width and on every machine.</summary>
/// <remarks>Only operations that IEEE 754 fixes to the last bit: no fused multiply-add, no library exponential, no sum. Within 3 units in the last place
/// of the exponential of the rounded argument; 0 below −87.3. The largest element has weight 1.
/// Polynomial: Cephes <c>expf</c>, as in <see cref="Exponential"/>.</remarks>
public static unsafe class SamplingWeights
{
    /// <summary>Replaces what is not finite by −∞.</summary>
    /// <param name="x">[n].</param>
    /// <param name="y">[n]; may be <paramref name="x"/> itself, otherwise must not overlap it.</param>
    /// <exception cref="ArgumentException">Lengths differ, or the spans overlap partly.</exception>
    public static void Clean(ReadOnlySpan<float> x, Span<float> y)
    {
        SpanCheck.Length(x.Length, y.Length, nameof(y));
        SpanCheck.SameOrApart(x, y, nameof(y));
        fixed (float* px = x, py = y)
        {
            if (Vector512.IsHardwareAccelerated) Clean<Lanes512, Vector512<float>>(px, py, y.Length);
            else if (Vector256.IsHardwareAccelerated) Clean<Lanes256, Vector256<float>>(px, py, y.Length);
            else if (Vector128.IsHardwareAccelerated) Clean<Lanes128, Vector128<float>>(px, py, y.Length);
            else ScalarClean(x, y);
        }
    }

    /// <summary>Computes weights.</summary>
    /// <param name="x">[n]; finite or −∞.</param>
    /// <param name="max">The largest element, finite.</param>
    /// <param name="scale">Inverse of the temperature, positive.</param>
    /// <param name="y">[n]; may be <paramref name="x"/> itself, otherwise must not overlap it.</param>
    /// <exception cref="ArgumentException">Lengths differ, or the spans overlap partly.</exception>
    public static void Apply(ReadOnlySpan<float> x, float max, float scale, Span<float> y)
    {
        SpanCheck.Length(x.Length, y.Length, nameof(y));
        SpanCheck.SameOrApart(x, y, nameof(y));
        fixed (float* px = x, py = y)
        {
            if (Vector512.IsHardwareAccelerated) Apply<Lanes512, Vector512<float>>(px, max, scale, py, y.Length);
            else if (Vector256.IsHardwareAccelerated) Apply<Lanes256, Vector256<float>>(px, max, scale, py, y.Length);
            else if (Vector128.IsHardwareAccelerated) Apply<Lanes128, Vector128<float>>(px, max, scale, py, y.Length);
            else Scalar(x, max, scale, y);
        }
    }

    internal static void ScalarClean(ReadOnlySpan<float> x, Span<float> y)
    {
        for (var i = 0; i < y.Length; i++) y[i] = float.IsFinite(x[i]) ? x[i] : float.NegativeInfinity;
    }

    /// <summary>The definition; vector paths give the same bits.</summary>
    internal static void Scalar(ReadOnlySpan<float> x, float max, float scale, Span<float> y)
    {
        for (var i = 0; i < y.Length; i++) y[i] = Weight((x[i] - max) * scale);
    }

    private static float Weight(float x)
    {
        if (x < -87.3f) return 0;
        var n = MathF.Round(x * 1.44269504f);
        var r = (x + (n * -0.693359375f)) + (n * 2.12194440e-4f);
        var p = 1.9875691500e-4f;
        p = (p * r) + 1.3981999507e-3f;
        p = (p * r) + 8.3334519073e-3f;
        p = (p * r) + 4.1665795894e-2f;
        p = (p * r) + 1.6666665459e-1f;
        p = (p * r) + 0.5f;
        p = ((p * (r * r)) + r) + 1f;
        return p * BitConverter.Int32BitsToSingle(((int)n + 127) << 23);
    }

    [SkipLocalsInit]
    private static void Clean<TLanes, TVector>(float* x, float* y, int count)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        var room = stackalloc float[n];
        var i = 0;
        for (; i <= count - n; i += n) TLanes.Store(y + i, Finite<TLanes, TVector>(TLanes.Load(x + i)));
        if (i < count) Partial.Store<TLanes, TVector>(y + i, count - i, Finite<TLanes, TVector>(Partial.Load<TLanes, TVector>(x + i, count - i, room)), room);
    }

    [SkipLocalsInit]
    private static void Apply<TLanes, TVector>(float* x, float max, float scale, float* y, int count)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        var room = stackalloc float[n];
        var (largest, factor) = (TLanes.Broadcast(max), TLanes.Broadcast(scale));
        var i = 0;
        for (; i <= count - n; i += n) TLanes.Store(y + i, Weight<TLanes, TVector>(TLanes.Multiply(TLanes.Subtract(TLanes.Load(x + i), largest), factor)));
        if (i >= count) return;
        var rest = TLanes.Multiply(TLanes.Subtract(Partial.Load<TLanes, TVector>(x + i, count - i, room), largest), factor);
        Partial.Store<TLanes, TVector>(y + i, count - i, Weight<TLanes, TVector>(rest), room);
    }

    /// <summary>Where |x| &lt; ∞, x; else −∞. A NaN is not less.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Finite<TLanes, TVector>(TVector x)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var magnitude = TLanes.Max(x, TLanes.Subtract(TLanes.Zero, x));
        return TLanes.SelectLess(magnitude, TLanes.Broadcast(float.PositiveInfinity), x, TLanes.Broadcast(float.NegativeInfinity));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Weight<TLanes, TVector>(TVector x)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        // Clamped so that the exponent below stays in its range; what was clamped becomes 0 at the end.
        var clamped = TLanes.Max(x, TLanes.Broadcast(-87.3f));
        var n = TLanes.Round(TLanes.Multiply(clamped, TLanes.Broadcast(1.44269504f)));
        var r = TLanes.Add(TLanes.Add(clamped, TLanes.Multiply(n, TLanes.Broadcast(-0.693359375f))), TLanes.Multiply(n, TLanes.Broadcast(2.12194440e-4f)));
        var p = TLanes.Broadcast(1.9875691500e-4f);
        p = TLanes.Add(TLanes.Multiply(p, r), TLanes.Broadcast(1.3981999507e-3f));
        p = TLanes.Add(TLanes.Multiply(p, r), TLanes.Broadcast(8.3334519073e-3f));
        p = TLanes.Add(TLanes.Multiply(p, r), TLanes.Broadcast(4.1665795894e-2f));
        p = TLanes.Add(TLanes.Multiply(p, r), TLanes.Broadcast(1.6666665459e-1f));
        p = TLanes.Add(TLanes.Multiply(p, r), TLanes.Broadcast(0.5f));
        p = TLanes.Add(TLanes.Add(TLanes.Multiply(p, TLanes.Multiply(r, r)), r), TLanes.Broadcast(1f));
        var y = TLanes.Multiply(p, TLanes.PowerOfTwo(n));
        return TLanes.SelectLess(x, TLanes.Broadcast(-87.3f), TLanes.Zero, y);
    }
}
