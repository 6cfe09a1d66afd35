using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>Sums over one vector whose order depends on its length and the vector width only.</summary>
/// <remarks><c>TensorPrimitives.Dot</c> and <c>SumOfSquares</c> are not used: they align their loads, so their order depends on the address.
/// Four vector accumulators take turns; at the end they are added as ((0 + 1) + (2 + 3)), then lane halves.</remarks>
public static unsafe class Reduction
{
    /// <summary>Dot product <c>Σ a[i] · b[i]</c>.</summary>
    /// <param name="a">[n].</param>
    /// <param name="b">[n].</param>
    /// <exception cref="ArgumentException">Lengths differ.</exception>
    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        SpanCheck.Length(a.Length, b.Length, nameof(b));
        fixed (float* pa = a, pb = b)
        {
            if (Vector512.IsHardwareAccelerated) return Dot<Lanes512, Vector512<float>>(pa, pb, a.Length);
            if (Vector256.IsHardwareAccelerated) return Dot<Lanes256, Vector256<float>>(pa, pb, a.Length);
            if (Vector128.IsHardwareAccelerated) return Dot<Lanes128, Vector128<float>>(pa, pb, a.Length);
            return Scalar(a, b);
        }
    }

    /// <summary>Sum of squares <c>Σ x[i]²</c>.</summary>
    /// <param name="x">[n].</param>
    public static float SumOfSquares(ReadOnlySpan<float> x) => Dot(x, x);

    /// <summary>Sum <c>Σ x[i]</c>, in the same order as <see cref="Dot"/>.</summary>
    /// <param name="x">[n].</param>
    public static float Sum(ReadOnlySpan<float> x)
    {
        fixed (float* px = x)
        {
            if (Vector512.IsHardwareAccelerated) return Sum<Lanes512, Vector512<float>>(px, x.Length);
            if (Vector256.IsHardwareAccelerated) return Sum<Lanes256, Vector256<float>>(px, x.Length);
            if (Vector128.IsHardwareAccelerated) return Sum<Lanes128, Vector128<float>>(px, x.Length);
            return ScalarSum(x);
        }
    }

    internal static float Scalar(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = 0f;
        for (var i = 0; i < a.Length; i++) sum += a[i] * b[i];
        return sum;
    }

    internal static float ScalarSum(ReadOnlySpan<float> x)
    {
        var sum = 0f;
        foreach (var value in x) sum += value;
        return sum;
    }

    [SkipLocalsInit]
    internal static float Dot<TLanes, TVector>(float* a, float* b, int count)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        TVector s0 = TLanes.Zero, s1 = TLanes.Zero, s2 = TLanes.Zero, s3 = TLanes.Zero;
        var i = 0;
        for (; i <= count - (4 * n); i += 4 * n)
        {
            s0 = TLanes.MultiplyAdd(TLanes.Load(a + i), TLanes.Load(b + i), s0);
            s1 = TLanes.MultiplyAdd(TLanes.Load(a + i + n), TLanes.Load(b + i + n), s1);
            s2 = TLanes.MultiplyAdd(TLanes.Load(a + i + (2 * n)), TLanes.Load(b + i + (2 * n)), s2);
            s3 = TLanes.MultiplyAdd(TLanes.Load(a + i + (3 * n)), TLanes.Load(b + i + (3 * n)), s3);
        }

        for (; i <= count - n; i += n) s0 = TLanes.MultiplyAdd(TLanes.Load(a + i), TLanes.Load(b + i), s0);
        if (i < count)
        {
            var room = stackalloc float[n];
            s1 = TLanes.MultiplyAdd(Partial.Load<TLanes, TVector>(a + i, count - i, room), Partial.Load<TLanes, TVector>(b + i, count - i, room), s1);
        }

        return TLanes.Sum(TLanes.Add(TLanes.Add(s0, s1), TLanes.Add(s2, s3)));
    }

    [SkipLocalsInit]
    private static float Sum<TLanes, TVector>(float* x, int count)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        TVector s0 = TLanes.Zero, s1 = TLanes.Zero, s2 = TLanes.Zero, s3 = TLanes.Zero;
        var i = 0;
        for (; i <= count - (4 * n); i += 4 * n)
        {
            s0 = TLanes.Add(TLanes.Load(x + i), s0);
            s1 = TLanes.Add(TLanes.Load(x + i + n), s1);
            s2 = TLanes.Add(TLanes.Load(x + i + (2 * n)), s2);
            s3 = TLanes.Add(TLanes.Load(x + i + (3 * n)), s3);
        }

        for (; i <= count - n; i += n) s0 = TLanes.Add(TLanes.Load(x + i), s0);
        if (i < count)
        {
            var room = stackalloc float[n];
            s1 = TLanes.Add(Partial.Load<TLanes, TVector>(x + i, count - i, room), s1);
        }

        return TLanes.Sum(TLanes.Add(TLanes.Add(s0, s1), TLanes.Add(s2, s3)));
    }
}
