using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
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
        if (count == 1)
        {
            Accumulate<TLanes, TVector>(factors, rows, rowStride, rowCount, width, y);
            return;
        }

        var whole = width & -(2 * TLanes.Count);
        AccumulateStored<TLanes, TVector, FloatRows<TLanes, TVector>>(
            factors, factorStride, count, new RowBlock(rows, rowStride * sizeof(float), null, 0), rowCount, whole, y, yStride);
        if (whole == width) return;
        for (var q = 0; q < count; q++)
            Accumulate<TLanes, TVector>(factors + (q * factorStride), rows + whole, rowStride, rowCount, width - whole, y + (q * yStride) + whole);
    }

    /// <summary>As <see cref="AccumulateMany"/>, over rows as they are stored.</summary>
    /// <param name="factors">[count, rowCount], rows factorStride apart.</param>
    /// <param name="factorStride">Distance of two combinations' factors in floats.</param>
    /// <param name="count">Number of combinations.</param>
    /// <param name="rows">[rowCount, width].</param>
    /// <param name="rowCount">Terms of each sum.</param>
    /// <param name="width">Columns, whole pairs of vectors.</param>
    /// <param name="y">[count, width], rows yStride apart.</param>
    /// <param name="yStride">Distance of two combinations' results in floats.</param>
    public static void AccumulateStored<TLanes, TVector, TRows>(
        float* factors, long factorStride, int count, in RowBlock rows, int rowCount, int width, float* y, long yStride)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TRows : struct, IStoredRows<TVector>
    {
        var step = 2 * TLanes.Count;
        // Whoever comes first asks for memory that is read later.
        var ahead = rows.Ahead;
        for (int q = 0, queries; q < count; q += queries, ahead = 0)
        {
            var left = count - q;
            queries = left >= 6 && TLanes.HasManyRegisters ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
            float* f = factors + (q * factorStride), target = y + (q * yStride);
            for (var i = 0; i < width; i += step)
            {
                var tile = rows.Columns(i, TRows.ElementBytes, ahead);
                switch (queries)
                {
                    case 6: Tile6<TLanes, TVector, TRows>(f, factorStride, tile, i, rowCount, target + i, yStride); break;
                    case 4: Tile4<TLanes, TVector, TRows>(f, factorStride, tile, i, rowCount, target + i, yStride); break;
                    case 2: Tile2<TLanes, TVector, TRows>(f, factorStride, tile, i, rowCount, target + i, yStride); break;
                    default: Tile1<TLanes, TVector, TRows>(f, tile, i, rowCount, target + i); break;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6<TLanes, TVector, TRows>(float* f, long fStride, RowBlock rows, nint column, int rowCount, float* y, long yStride)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TRows : struct, IStoredRows<TVector>
    {
        var n = TLanes.Count;
        float* f1 = f + fStride, f2 = f1 + fStride, f3 = f2 + fStride, f4 = f3 + fStride, f5 = f4 + fStride;
        float* y1 = y + yStride, y2 = y1 + yStride, y3 = y2 + yStride, y4 = y3 + yStride, y5 = y4 + yStride;
        TVector a00 = TLanes.Load(y), a01 = TLanes.Load(y + n), a10 = TLanes.Load(y1), a11 = TLanes.Load(y1 + n), a20 = TLanes.Load(y2), a21 = TLanes.Load(y2 + n);
        TVector a30 = TLanes.Load(y3), a31 = TLanes.Load(y3 + n), a40 = TLanes.Load(y4), a41 = TLanes.Load(y4 + n), a50 = TLanes.Load(y5), a51 = TLanes.Load(y5 + n);
        TVector c0 = TRows.ColumnScale(rows.Scales, column), c1 = TRows.ColumnScale(rows.Scales, column + n);
        var p = rows.Data;
        var (stride, ahead, half) = (rows.Stride, rows.Ahead, n * TRows.ElementBytes);
        for (nint r = 0; r < rowCount; r++, p += stride)
        {
            if (ahead != 0) Ahead(p + ahead, 2 * half);
            var scale = TRows.RowScale(rows.Scales, r);
            TVector r0 = TRows.Load(p, scale, c0), r1 = TRows.Load(p + half, scale, c1);
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
            factor = TLanes.Broadcast(f4[r]);
            a40 = TLanes.MultiplyAdd(factor, r0, a40);
            a41 = TLanes.MultiplyAdd(factor, r1, a41);
            factor = TLanes.Broadcast(f5[r]);
            a50 = TLanes.MultiplyAdd(factor, r0, a50);
            a51 = TLanes.MultiplyAdd(factor, r1, a51);
        }

        Store<TLanes, TVector>(y, a00, a01);
        Store<TLanes, TVector>(y1, a10, a11);
        Store<TLanes, TVector>(y2, a20, a21);
        Store<TLanes, TVector>(y3, a30, a31);
        Store<TLanes, TVector>(y4, a40, a41);
        Store<TLanes, TVector>(y5, a50, a51);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4<TLanes, TVector, TRows>(float* f, long fStride, RowBlock rows, nint column, int rowCount, float* y, long yStride)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TRows : struct, IStoredRows<TVector>
    {
        var n = TLanes.Count;
        float* f1 = f + fStride, f2 = f1 + fStride, f3 = f2 + fStride, y1 = y + yStride, y2 = y1 + yStride, y3 = y2 + yStride;
        TVector a00 = TLanes.Load(y), a01 = TLanes.Load(y + n), a10 = TLanes.Load(y1), a11 = TLanes.Load(y1 + n);
        TVector a20 = TLanes.Load(y2), a21 = TLanes.Load(y2 + n), a30 = TLanes.Load(y3), a31 = TLanes.Load(y3 + n);
        TVector c0 = TRows.ColumnScale(rows.Scales, column), c1 = TRows.ColumnScale(rows.Scales, column + n);
        var p = rows.Data;
        var (stride, ahead, half) = (rows.Stride, rows.Ahead, n * TRows.ElementBytes);
        for (nint r = 0; r < rowCount; r++, p += stride)
        {
            if (ahead != 0) Ahead(p + ahead, 2 * half);
            var scale = TRows.RowScale(rows.Scales, r);
            TVector r0 = TRows.Load(p, scale, c0), r1 = TRows.Load(p + half, scale, c1);
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

        Store<TLanes, TVector>(y, a00, a01);
        Store<TLanes, TVector>(y1, a10, a11);
        Store<TLanes, TVector>(y2, a20, a21);
        Store<TLanes, TVector>(y3, a30, a31);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile2<TLanes, TVector, TRows>(float* f, long fStride, RowBlock rows, nint column, int rowCount, float* y, long yStride)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TRows : struct, IStoredRows<TVector>
    {
        var n = TLanes.Count;
        float* f1 = f + fStride, y1 = y + yStride;
        TVector a00 = TLanes.Load(y), a01 = TLanes.Load(y + n), a10 = TLanes.Load(y1), a11 = TLanes.Load(y1 + n);
        TVector c0 = TRows.ColumnScale(rows.Scales, column), c1 = TRows.ColumnScale(rows.Scales, column + n);
        var p = rows.Data;
        var (stride, ahead, half) = (rows.Stride, rows.Ahead, n * TRows.ElementBytes);
        for (nint r = 0; r < rowCount; r++, p += stride)
        {
            if (ahead != 0) Ahead(p + ahead, 2 * half);
            var scale = TRows.RowScale(rows.Scales, r);
            TVector r0 = TRows.Load(p, scale, c0), r1 = TRows.Load(p + half, scale, c1);
            TVector factor0 = TLanes.Broadcast(f[r]), factor1 = TLanes.Broadcast(f1[r]);
            a00 = TLanes.MultiplyAdd(factor0, r0, a00);
            a01 = TLanes.MultiplyAdd(factor0, r1, a01);
            a10 = TLanes.MultiplyAdd(factor1, r0, a10);
            a11 = TLanes.MultiplyAdd(factor1, r1, a11);
        }

        Store<TLanes, TVector>(y, a00, a01);
        Store<TLanes, TVector>(y1, a10, a11);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1<TLanes, TVector, TRows>(float* f, RowBlock rows, nint column, int rowCount, float* y)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TRows : struct, IStoredRows<TVector>
    {
        var n = TLanes.Count;
        TVector a0 = TLanes.Load(y), a1 = TLanes.Load(y + n), c0 = TRows.ColumnScale(rows.Scales, column), c1 = TRows.ColumnScale(rows.Scales, column + n);
        var p = rows.Data;
        var (stride, ahead, half) = (rows.Stride, rows.Ahead, n * TRows.ElementBytes);
        for (nint r = 0; r < rowCount; r++, p += stride)
        {
            if (ahead != 0) Ahead(p + ahead, 2 * half);
            var scale = TRows.RowScale(rows.Scales, r);
            var factor = TLanes.Broadcast(f[r]);
            a0 = TLanes.MultiplyAdd(factor, TRows.Load(p, scale, c0), a0);
            a1 = TLanes.MultiplyAdd(factor, TRows.Load(p + half, scale, c1), a1);
        }

        Store<TLanes, TVector>(y, a0, a1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Ahead(byte* address, int byteCount)
    {
        for (var i = 0; i < byteCount && Sse.IsSupported; i += 64) Sse.PrefetchNonTemporal(address + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TLanes, TVector>(float* target, TVector a, TVector b)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        TLanes.Store(target, a);
        TLanes.Store(target + TLanes.Count, b);
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

/// <summary>Rows as they are stored.</summary>
/// <param name="data">First row.</param>
/// <param name="stride">Distance of two rows in bytes.</param>
/// <param name="scales">A scale per row or column, where the format has them.</param>
/// <param name="ahead">How far behind a row memory is asked for that is read later, in bytes; 0: not at all.</param>
internal readonly unsafe struct RowBlock(void* data, long stride, float* scales, nint ahead)
{
    public byte* Data { get; } = (byte*)data;

    public nint Stride { get; } = (nint)stride;

    public float* Scales { get; } = scales;

    public nint Ahead { get; } = ahead;

    /// <summary>The same rows from a column on.</summary>
    public RowBlock Columns(int column, int elementBytes, nint ahead) => new(Data + ((nint)column * elementBytes), Stride, Scales, ahead);
}
