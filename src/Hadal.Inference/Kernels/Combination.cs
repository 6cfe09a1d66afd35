using System.Runtime.CompilerServices;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>Linear combination of rows: <c>y[i] += Σ_r factors[r] · rows[r, i]</c>, terms added one after another in the order of r.</summary>
/// <remarks>The order of the sum is that of the rows alone: rows may come in several calls without a change of any bit.</remarks>
internal static unsafe class Combination
{
    public static void Scalar(float* factors, float* rows, long rowStride, int rowCount, int width, float* y)
    {
        for (var r = 0; r < rowCount; r++)
        {
            for (var i = 0; i < width; i++) y[i] += factors[r] * rows[(r * rowStride) + i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Accumulate<TLanes, TVector>(float* factors, float* rows, long rowStride, int rowCount, int width, float* y)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        var i = 0;
        for (; i <= width - (4 * n); i += 4 * n)
        {
            TVector a0 = TLanes.Load(y + i), a1 = TLanes.Load(y + i + n), a2 = TLanes.Load(y + i + (2 * n)), a3 = TLanes.Load(y + i + (3 * n));
            var row = rows + i;
            for (var r = 0; r < rowCount; r++, row += rowStride)
            {
                var factor = TLanes.Broadcast(factors[r]);
                a0 = TLanes.MultiplyAdd(factor, TLanes.Load(row), a0);
                a1 = TLanes.MultiplyAdd(factor, TLanes.Load(row + n), a1);
                a2 = TLanes.MultiplyAdd(factor, TLanes.Load(row + (2 * n)), a2);
                a3 = TLanes.MultiplyAdd(factor, TLanes.Load(row + (3 * n)), a3);
            }

            TLanes.Store(y + i, a0);
            TLanes.Store(y + i + n, a1);
            TLanes.Store(y + i + (2 * n), a2);
            TLanes.Store(y + i + (3 * n), a3);
        }

        for (; i <= width - n; i += n)
        {
            var a = TLanes.Load(y + i);
            for (var r = 0; r < rowCount; r++) a = TLanes.MultiplyAdd(TLanes.Broadcast(factors[r]), TLanes.Load(rows + (r * rowStride) + i), a);
            TLanes.Store(y + i, a);
        }

        if (i < width) AccumulateTail<TLanes, TVector>(factors, rows + i, rowStride, rowCount, width - i, y + i);
    }

    /// <summary>Fewer columns than lanes, through buffers of one vector, so that they round as all others do.</summary>
    private static void AccumulateTail<TLanes, TVector>(float* factors, float* rows, long rowStride, int rowCount, int width, float* y)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var room = stackalloc float[TLanes.Count];
        var a = Partial.Load<TLanes, TVector>(y, width, room);
        for (var r = 0; r < rowCount; r++)
            a = TLanes.MultiplyAdd(TLanes.Broadcast(factors[r]), Partial.Load<TLanes, TVector>(rows + (r * rowStride), width, room), a);
        Partial.Store<TLanes, TVector>(y, width, a, room);
    }
}
