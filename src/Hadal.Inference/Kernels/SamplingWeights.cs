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
    /// <summary>Copies logits; false if one of them is NaN or infinite.</summary>
    /// <param name="x">[n].</param>
    /// <param name="y">[n]; may be <paramref name="x"/> itself, otherwise must not overlap it.</param>
    /// <exception cref="ArgumentException">Lengths differ, or the spans overlap partly.</exception>
    public static bool TryCopyFinite(ReadOnlySpan<float> x, Span<float> y)
    {
        SpanCheck.Length(x.Length, y.Length, nameof(y));
        SpanCheck.SameOrApart(x, y, nameof(y));
        fixed (float* px = x, py = y)
        {
            if (Vector512.IsHardwareAccelerated) return TryCopyFinite<Lanes512, Vector512<float>>(px, py, y.Length);
            if (Vector256.IsHardwareAccelerated) return TryCopyFinite<Lanes256, Vector256<float>>(px, py, y.Length);
            return Vector128.IsHardwareAccelerated ? TryCopyFinite<Lanes128, Vector128<float>>(px, py, y.Length) : ScalarTryCopyFinite(x, y);
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

    /// <summary>The definition.</summary>
    internal static bool ScalarTryCopyFinite(ReadOnlySpan<float> x, Span<float> y)
    {
        var isFinite = true;
        foreach (var value in x) isFinite &= float.IsFinite(value);
        x.CopyTo(y);
        return isFinite;
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
    private static bool TryCopyFinite<TLanes, TVector>(float* x, float* y, int count)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        var room = stackalloc float[n];
        // x − x is 0 for a number and NaN for all else, which a sum keeps. Two sums, so that one addition need not wait for the other.
        TVector d0 = TLanes.Zero, d1 = TLanes.Zero;
        var i = 0;
        for (; i <= count - (2 * n); i += 2 * n)
        {
            TVector x0 = TLanes.Load(x + i), x1 = TLanes.Load(x + i + n);
            TLanes.Store(y + i, x0);
            TLanes.Store(y + i + n, x1);
            d0 = TLanes.Add(d0, TLanes.Subtract(x0, x0));
            d1 = TLanes.Add(d1, TLanes.Subtract(x1, x1));
        }

        for (; i < count; i += n)
        {
            var rest = Partial.Load<TLanes, TVector>(x + i, Math.Min(n, count - i), room);
            Partial.Store<TLanes, TVector>(y + i, Math.Min(n, count - i), rest, room);
            d0 = TLanes.Add(d0, TLanes.Subtract(rest, rest));
        }

        return !float.IsNaN(TLanes.Sum(TLanes.Add(d0, d1)));
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
