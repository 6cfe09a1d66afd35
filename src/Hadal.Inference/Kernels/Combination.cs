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

    /// <summary>Several combinations of the same rows: <c>y[q, i] += Σ_r factors[q, r] · rows[r, i]</c>, with the bits of one <see cref="Scalar"/> or
    /// <see cref="Accumulate"/> per q.</summary>
    /// <param name="factors">[count, rowCount], rows factorStride apart.</param>
    /// <param name="factorStride">Distance of two combinations' factors in floats.</param>
    /// <param name="count">Number of combinations.</param>
    /// <param name="rows">[rowCount, width], rows rowStride apart.</param>
    /// <param name="rowStride">Distance of rows in floats.</param>
    /// <param name="rowCount">Terms of each sum.</param>
    /// <param name="width">Columns.</param>
    /// <param name="y">[count, width], rows yStride apart.</param>
    /// <param name="yStride">Distance of two combinations' results in floats.</param>
    public static void AccumulateMany<TLanes, TVector>(
        float* factors, long factorStride, int count, float* rows, long rowStride, int rowCount, int width, float* y, long yStride)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        var q = 0;
        for (; q <= count - 4; q += 4)
        {
            float* f = factors + (q * factorStride), target = y + (q * yStride);
            var i = 0;
            for (; i <= width - (2 * n); i += 2 * n) Tile4x2<TLanes, TVector>(f, factorStride, rows + i, rowStride, rowCount, target + i, yStride);
            if (i == width) continue;
            for (var j = 0; j < 4; j++)
                Accumulate<TLanes, TVector>(f + (j * factorStride), rows + i, rowStride, rowCount, width - i, target + (j * yStride) + i);
        }

        for (; q <= count - 2; q += 2)
        {
            float* f = factors + (q * factorStride), target = y + (q * yStride);
            var i = 0;
            for (; i <= width - (4 * n); i += 4 * n) Tile2x4<TLanes, TVector>(f, factorStride, rows + i, rowStride, rowCount, target + i, yStride);
            if (i == width) continue;
            for (var j = 0; j < 2; j++)
                Accumulate<TLanes, TVector>(f + (j * factorStride), rows + i, rowStride, rowCount, width - i, target + (j * yStride) + i);
        }

        if (q < count) Accumulate<TLanes, TVector>(factors + (q * factorStride), rows, rowStride, rowCount, width, y + (q * yStride));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4x2<TLanes, TVector>(float* f, long fStride, float* rows, long rowStride, int rowCount, float* y, long yStride)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        float* f1 = f + fStride, f2 = f1 + fStride, f3 = f2 + fStride, y1 = y + yStride, y2 = y1 + yStride, y3 = y2 + yStride;
        TVector a00 = TLanes.Load(y), a01 = TLanes.Load(y + n), a10 = TLanes.Load(y1), a11 = TLanes.Load(y1 + n);
        TVector a20 = TLanes.Load(y2), a21 = TLanes.Load(y2 + n), a30 = TLanes.Load(y3), a31 = TLanes.Load(y3 + n);
        for (nint r = 0; r < rowCount; r++, rows += rowStride)
        {
            TVector r0 = TLanes.Load(rows), r1 = TLanes.Load(rows + n);
            var factor = TLanes.Broadcast(f[r]);
            a00 = TLanes.MultiplyAdd(factor, r0, a00);
            a01 = TLanes.MultiplyAdd(factor, r1, a01);
            factor = TLanes.Broadcast(f1[r]);
            a10 = TLanes.MultiplyAdd(factor, r0, a10);
            a11 = TLanes.MultiplyAdd(factor, r1, a11);
            factor = TLanes.Broadcast(f2[r]);
            a20 = TLanes.MultiplyAdd(factor, r0, a20);
            a21 = TLanes.MultiplyAdd(factor, r1, a21);
            factor = TLanes.Broadcast(f3[r]);
            a30 = TLanes.MultiplyAdd(factor, r0, a30);
            a31 = TLanes.MultiplyAdd(factor, r1, a31);
        }

        TLanes.Store(y, a00);
        TLanes.Store(y + n, a01);
        TLanes.Store(y1, a10);
        TLanes.Store(y1 + n, a11);
        TLanes.Store(y2, a20);
        TLanes.Store(y2 + n, a21);
        TLanes.Store(y3, a30);
        TLanes.Store(y3 + n, a31);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile2x4<TLanes, TVector>(float* f, long fStride, float* rows, long rowStride, int rowCount, float* y, long yStride)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        float* f1 = f + fStride, y1 = y + yStride;
        TVector a00 = TLanes.Load(y), a01 = TLanes.Load(y + n), a02 = TLanes.Load(y + (2 * n)), a03 = TLanes.Load(y + (3 * n));
        TVector a10 = TLanes.Load(y1), a11 = TLanes.Load(y1 + n), a12 = TLanes.Load(y1 + (2 * n)), a13 = TLanes.Load(y1 + (3 * n));
        for (nint r = 0; r < rowCount; r++, rows += rowStride)
        {
            TVector factor0 = TLanes.Broadcast(f[r]), factor1 = TLanes.Broadcast(f1[r]);
            var row = TLanes.Load(rows);
            a00 = TLanes.MultiplyAdd(factor0, row, a00);
            a10 = TLanes.MultiplyAdd(factor1, row, a10);
            row = TLanes.Load(rows + n);
            a01 = TLanes.MultiplyAdd(factor0, row, a01);
            a11 = TLanes.MultiplyAdd(factor1, row, a11);
            row = TLanes.Load(rows + (2 * n));
            a02 = TLanes.MultiplyAdd(factor0, row, a02);
            a12 = TLanes.MultiplyAdd(factor1, row, a12);
            row = TLanes.Load(rows + (3 * n));
            a03 = TLanes.MultiplyAdd(factor0, row, a03);
            a13 = TLanes.MultiplyAdd(factor1, row, a13);
        }

        TLanes.Store(y, a00);
        TLanes.Store(y + n, a01);
        TLanes.Store(y + (2 * n), a02);
        TLanes.Store(y + (3 * n), a03);
        TLanes.Store(y1, a10);
        TLanes.Store(y1 + n, a11);
        TLanes.Store(y1 + (2 * n), a12);
        TLanes.Store(y1 + (3 * n), a13);
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
