using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>Softmax <c>y[i] = e^(x[i] − max) / Σ_j e^(x[j] − max)</c>.</summary>
/// <remarks>Sums in float32 in an order that depends on the length only. −∞ gives 0 as long as one element is finite; a row of −∞ or a NaN gives NaN.
/// Vector paths give 0 where the exponent is below −87.3.</remarks>
public static unsafe class Softmax
{
    /// <summary>Applies softmax to one row.</summary>
    /// <param name="x">[n], n ≥ 1.</param>
    /// <param name="y">[n]; may be <paramref name="x"/> itself, otherwise must not overlap it.</param>
    /// <exception cref="ArgumentException">Lengths differ, or the spans overlap partly.</exception>
    public static void Apply(ReadOnlySpan<float> x, Span<float> y)
    {
        SpanCheck.Length(x.Length, y.Length, nameof(y));
        SpanCheck.SameOrApart(x, y, nameof(y));
        if (x.IsEmpty) return;
        fixed (float* px = x, py = y)
        {
            if (Vector512.IsHardwareAccelerated) Apply<Lanes512, Vector512<float>>(px, py, y.Length);
            else if (Vector256.IsHardwareAccelerated) Apply<Lanes256, Vector256<float>>(px, py, y.Length);
            else if (Vector128.IsHardwareAccelerated) Apply<Lanes128, Vector128<float>>(px, py, y.Length);
            else Scalar(x, y);
        }
    }

    /// <summary>The definition.</summary>
    internal static void Scalar(ReadOnlySpan<float> x, Span<float> y)
    {
        var max = float.NegativeInfinity;
        for (var i = 0; i < x.Length; i++) max = MathF.Max(max, x[i]);
        var sum = 0f;
        for (var i = 0; i < x.Length; i++)
        {
            y[i] = MathF.Exp(x[i] - max);
            sum += y[i];
        }

        for (var i = 0; i < y.Length; i++) y[i] *= 1f / sum;
    }

    [SkipLocalsInit]
    private static void Apply<TLanes, TVector>(float* x, float* y, int count)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        var whole = count & -n;
        var room = stackalloc float[n];
        var largest = TLanes.Broadcast(float.NegativeInfinity);
        for (var i = 0; i < whole; i += n) largest = TLanes.Max(largest, TLanes.Load(x + i));
        if (whole < count)
        {
            // Lanes behind the end repeat the last element.
            TLanes.Store(room, TLanes.Broadcast(x[count - 1]));
            for (var i = whole; i < count; i++) room[i - whole] = x[i];
            largest = TLanes.Max(largest, TLanes.Load(room));
        }

        var max = TLanes.Broadcast(TLanes.MaxLane(largest));
        var sums = TLanes.Zero;
        for (var i = 0; i < whole; i += n)
        {
            var e = Exponential.Apply<TLanes, TVector>(TLanes.Subtract(TLanes.Load(x + i), max));
            sums = TLanes.Add(sums, e);
            TLanes.Store(y + i, e);
        }

        if (whole < count)
        {
            var e = Exponential.Apply<TLanes, TVector>(TLanes.Subtract(Partial.Load<TLanes, TVector>(x + whole, count - whole, room), max));
            Partial.Store<TLanes, TVector>(y + whole, count - whole, e, room);
            sums = TLanes.Add(sums, Partial.Load<TLanes, TVector>(y + whole, count - whole, room));
        }

        var scale = TLanes.Broadcast(1f / TLanes.Sum(sums));
        for (var i = 0; i < whole; i += n) TLanes.Store(y + i, TLanes.Multiply(TLanes.Load(y + i), scale));
        if (whole < count)
            Partial.Store<TLanes, TVector>(y + whole, count - whole, TLanes.Multiply(Partial.Load<TLanes, TVector>(y + whole, count - whole, room), scale), room);
    }
}
