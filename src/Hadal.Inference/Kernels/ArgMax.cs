using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>The index of the largest element, ties by the lowest.</summary>
public static unsafe class ArgMax
{
    /// <summary>Finds the first of the largest elements; −0 equals 0.</summary>
    /// <param name="x">[n], n ≥ 1; no NaN.</param>
    /// <exception cref="ArgumentException">There is no element, or NaN among them.</exception>
    public static int Find(ReadOnlySpan<float> x)
    {
        if (x.IsEmpty) throw new ArgumentException("expected at least one element", nameof(x));
        var max = Max(x);
        if (float.IsNaN(max)) throw new ArgumentException("expected no NaN", nameof(x));

        // Equal numbers have equal bits except for the two zeros.
        var bits = MemoryMarshal.Cast<float, int>(x);
        return max == 0 ? bits.IndexOfAny(0, int.MinValue) : bits.IndexOf(BitConverter.SingleToInt32Bits(max));
    }

    /// <summary>The definition.</summary>
    internal static int Scalar(ReadOnlySpan<float> x)
    {
        var best = 0;
        for (var i = 1; i < x.Length; i++) best = x[i] > x[best] ? i : best;
        return best;
    }

    /// <summary>The largest element; NaN if there is one.</summary>
    /// <param name="x">[n], n ≥ 1.</param>
    internal static float Max(ReadOnlySpan<float> x)
    {
        fixed (float* px = x)
        {
            if (Vector512.IsHardwareAccelerated && x.Length >= Vector512<float>.Count) return Max<Lanes512, Vector512<float>>(px, x.Length);
            if (Vector256.IsHardwareAccelerated && x.Length >= Vector256<float>.Count) return Max<Lanes256, Vector256<float>>(px, x.Length);
            if (Vector128.IsHardwareAccelerated && x.Length >= Vector128<float>.Count) return Max<Lanes128, Vector128<float>>(px, x.Length);
            var max = x[0];
            foreach (var value in x) max = MathF.Max(max, value);
            return max;
        }
    }

    private static float Max<TLanes, TVector>(float* x, int count)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        TVector m0 = TLanes.Load(x), m1 = m0;
        var i = 0;
        for (; i <= count - (2 * n); i += 2 * n)
        {
            m0 = TLanes.Max(m0, TLanes.Load(x + i));
            m1 = TLanes.Max(m1, TLanes.Load(x + i + n));
        }

        // The last vectors may overlap those before; a maximum does not mind.
        if (i <= count - n) m0 = TLanes.Max(m0, TLanes.Load(x + i));
        m1 = TLanes.Max(m1, TLanes.Load(x + count - n));
        return TLanes.MaxLane(TLanes.Max(m0, m1));
    }
}
