using System.Runtime.CompilerServices;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>Register tiles of <c>acc[t, r] += x[t] · w[r]</c> over float rows; the inner loops of every product in this folder.</summary>
/// <remarks>Each (token, row) has one vector accumulator: lane i sums the elements i, i + L, i + 2L, … in that order. No tile shape
/// changes that order, so shapes may be chosen by what is left and by the number of registers. Accumulators lie in memory
/// as [token, 4, L], which lets a product go over its columns in chunks.</remarks>
internal static unsafe class Tiles
{
    /// <summary>Rows that are computed together.</summary>
    public const int RowCount = 4;

    /// <param name="w">[rowCount, count], rows wStride apart.</param>
    /// <param name="wStride">Distance of rows in floats.</param>
    /// <param name="rowCount">1 to <see cref="RowCount"/>.</param>
    /// <param name="x">[tokenCount, count], rows xStride apart.</param>
    /// <param name="xStride">Distance of tokens in floats.</param>
    /// <param name="tokenCount">Number of tokens.</param>
    /// <param name="count">Number of elements; a multiple of the lane count.</param>
    /// <param name="acc">[tokenCount, 4, L].</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Accumulate<TLanes, TVector>(float* w, long wStride, int rowCount, float* x, long xStride, int tokenCount, int count, float* acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var token = 0;
        if (rowCount == RowCount)
        {
            if (TLanes.HasManyRegisters)
            {
                for (; token <= tokenCount - 4; token += 4)
                    Tile4x4<TLanes, TVector>(w, wStride, x + (token * xStride), xStride, count, acc + (token * 4 * TLanes.Count));
            }

            for (; token <= tokenCount - 2; token += 2)
                Tile4x2<TLanes, TVector>(w, wStride, x + (token * xStride), xStride, count, acc + (token * 4 * TLanes.Count));
            for (; token < tokenCount; token++)
                Tile4x1<TLanes, TVector>(w, wStride, x + (token * xStride), count, acc + (token * 4 * TLanes.Count));
            return;
        }

        for (; token < tokenCount; token++)
        {
            for (var row = 0; row < rowCount; row++)
                Tile1x1<TLanes, TVector>(w + (row * wStride), x + (token * xStride), count, acc + (((token * 4) + row) * TLanes.Count));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4x4<TLanes, TVector>(float* w, long wStride, float* x, long xStride, int count, float* acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        float* w1 = w + wStride, w2 = w1 + wStride, w3 = w2 + wStride;
        float* x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
        TVector a00 = TLanes.Load(acc), a01 = TLanes.Load(acc + n), a02 = TLanes.Load(acc + (2 * n)), a03 = TLanes.Load(acc + (3 * n));
        TVector a10 = TLanes.Load(acc + (4 * n)), a11 = TLanes.Load(acc + (5 * n)), a12 = TLanes.Load(acc + (6 * n)), a13 = TLanes.Load(acc + (7 * n));
        TVector a20 = TLanes.Load(acc + (8 * n)), a21 = TLanes.Load(acc + (9 * n)), a22 = TLanes.Load(acc + (10 * n)), a23 = TLanes.Load(acc + (11 * n));
        TVector a30 = TLanes.Load(acc + (12 * n)), a31 = TLanes.Load(acc + (13 * n)), a32 = TLanes.Load(acc + (14 * n)), a33 = TLanes.Load(acc + (15 * n));
        for (nint k = 0; k < count; k += n)
        {
            TVector r0 = TLanes.Load(w + k), r1 = TLanes.Load(w1 + k), r2 = TLanes.Load(w2 + k), r3 = TLanes.Load(w3 + k);
            var v = TLanes.Load(x + k);
            a00 = TLanes.MultiplyAdd(v, r0, a00);
            a01 = TLanes.MultiplyAdd(v, r1, a01);
            a02 = TLanes.MultiplyAdd(v, r2, a02);
            a03 = TLanes.MultiplyAdd(v, r3, a03);
            v = TLanes.Load(x1 + k);
            a10 = TLanes.MultiplyAdd(v, r0, a10);
            a11 = TLanes.MultiplyAdd(v, r1, a11);
            a12 = TLanes.MultiplyAdd(v, r2, a12);
            a13 = TLanes.MultiplyAdd(v, r3, a13);
            v = TLanes.Load(x2 + k);
            a20 = TLanes.MultiplyAdd(v, r0, a20);
            a21 = TLanes.MultiplyAdd(v, r1, a21);
            a22 = TLanes.MultiplyAdd(v, r2, a22);
            a23 = TLanes.MultiplyAdd(v, r3, a23);
            v = TLanes.Load(x3 + k);
            a30 = TLanes.MultiplyAdd(v, r0, a30);
            a31 = TLanes.MultiplyAdd(v, r1, a31);
            a32 = TLanes.MultiplyAdd(v, r2, a32);
            a33 = TLanes.MultiplyAdd(v, r3, a33);
        }

        Store4<TLanes, TVector>(acc, a00, a01, a02, a03);
        Store4<TLanes, TVector>(acc + (4 * n), a10, a11, a12, a13);
        Store4<TLanes, TVector>(acc + (8 * n), a20, a21, a22, a23);
        Store4<TLanes, TVector>(acc + (12 * n), a30, a31, a32, a33);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4x2<TLanes, TVector>(float* w, long wStride, float* x, long xStride, int count, float* acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        float* w1 = w + wStride, w2 = w1 + wStride, w3 = w2 + wStride, x1 = x + xStride;
        TVector a00 = TLanes.Load(acc), a01 = TLanes.Load(acc + n), a02 = TLanes.Load(acc + (2 * n)), a03 = TLanes.Load(acc + (3 * n));
        TVector a10 = TLanes.Load(acc + (4 * n)), a11 = TLanes.Load(acc + (5 * n)), a12 = TLanes.Load(acc + (6 * n)), a13 = TLanes.Load(acc + (7 * n));
        for (nint k = 0; k < count; k += n)
        {
            TVector v0 = TLanes.Load(x + k), v1 = TLanes.Load(x1 + k);
            var r = TLanes.Load(w + k);
            a00 = TLanes.MultiplyAdd(v0, r, a00);
            a10 = TLanes.MultiplyAdd(v1, r, a10);
            r = TLanes.Load(w1 + k);
            a01 = TLanes.MultiplyAdd(v0, r, a01);
            a11 = TLanes.MultiplyAdd(v1, r, a11);
            r = TLanes.Load(w2 + k);
            a02 = TLanes.MultiplyAdd(v0, r, a02);
            a12 = TLanes.MultiplyAdd(v1, r, a12);
            r = TLanes.Load(w3 + k);
            a03 = TLanes.MultiplyAdd(v0, r, a03);
            a13 = TLanes.MultiplyAdd(v1, r, a13);
        }

        Store4<TLanes, TVector>(acc, a00, a01, a02, a03);
        Store4<TLanes, TVector>(acc + (4 * n), a10, a11, a12, a13);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile4x1<TLanes, TVector>(float* w, long wStride, float* x, int count, float* acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        float* w1 = w + wStride, w2 = w1 + wStride, w3 = w2 + wStride;
        TVector a0 = TLanes.Load(acc), a1 = TLanes.Load(acc + n), a2 = TLanes.Load(acc + (2 * n)), a3 = TLanes.Load(acc + (3 * n));
        for (nint k = 0; k < count; k += n)
        {
            var v = TLanes.Load(x + k);
            a0 = TLanes.MultiplyAdd(v, TLanes.Load(w + k), a0);
            a1 = TLanes.MultiplyAdd(v, TLanes.Load(w1 + k), a1);
            a2 = TLanes.MultiplyAdd(v, TLanes.Load(w2 + k), a2);
            a3 = TLanes.MultiplyAdd(v, TLanes.Load(w3 + k), a3);
        }

        Store4<TLanes, TVector>(acc, a0, a1, a2, a3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile1x1<TLanes, TVector>(float* w, float* x, int count, float* acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var a = TLanes.Load(acc);
        for (nint k = 0; k < count; k += TLanes.Count) a = TLanes.MultiplyAdd(TLanes.Load(x + k), TLanes.Load(w + k), a);
        TLanes.Store(acc, a);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store4<TLanes, TVector>(float* target, TVector a, TVector b, TVector c, TVector d)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        TLanes.Store(target, a);
        TLanes.Store(target + TLanes.Count, b);
        TLanes.Store(target + (2 * TLanes.Count), c);
        TLanes.Store(target + (3 * TLanes.Count), d);
    }
}
