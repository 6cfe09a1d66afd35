using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Sizes of the traversal of <see cref="RowMatrix{TFormat}"/>.</summary>
internal static class RowMatrix
{
    /// <summary>Columns decoded at a time: a multiple of every block length. Four rows of them take 8 KiB of the first-level cache.</summary>
    public const int ChunkLength = 512;

    /// <summary>Columns of the longest unit of any format.</summary>
    public const int LongestUnit = 256;

    /// <summary>Tokens that share one decoding of the weights. Their accumulators take at most 8 KiB.</summary>
    public const int TokenBlock = 32;
}

/// <summary>Products with a matrix that is stored row by row in any format: four rows of a chunk are decoded into the first-level
/// cache and multiplied with all tokens of a block.</summary>
internal unsafe class RowMatrix<TFormat>(TFormat format, int rows, int columns) : WeightMatrix(rows, columns, format.DType)
    where TFormat : struct, IWeightFormat
{
    private readonly TFormat _format = format;

    public override void Multiply(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        CheckRange(tokenCount, rowBegin, rowEnd);
        if (Vector512.IsHardwareAccelerated) Multiply<Lanes512, Vector512<float>>(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
        else if (Vector256.IsHardwareAccelerated) Multiply<Lanes256, Vector256<float>>(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
        else if (Vector128.IsHardwareAccelerated) Multiply<Lanes128, Vector128<float>>(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
        else Scalar(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
    }

    public override void MultiplyTransposed(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        CheckRange(tokenCount, rowBegin, rowEnd);
        if (Vector512.IsHardwareAccelerated) Transposed<Lanes512, Vector512<float>>(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
        else if (Vector256.IsHardwareAccelerated) Transposed<Lanes256, Vector256<float>>(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
        else if (Vector128.IsHardwareAccelerated) Transposed<Lanes128, Vector128<float>>(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
        else ScalarTransposed(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
    }

    public override void DequantizeRow(int row, float* y)
    {
        CheckRange(0, row, row + 1);
        if (Vector512.IsHardwareAccelerated) Decode<Lanes512, Vector512<float>>(row, 0, Columns, y);
        else if (Vector256.IsHardwareAccelerated) Decode<Lanes256, Vector256<float>>(row, 0, Columns, y);
        else if (Vector128.IsHardwareAccelerated) Decode<Lanes128, Vector128<float>>(row, 0, Columns, y);
        else ScalarRow(row, y);
    }

    internal override void ScalarRow(int row, float* y) => _format.Scalar(row, 0, Columns, y);

    [SkipLocalsInit]
    internal override void Scalar(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        var w = stackalloc float[RowMatrix.ChunkLength];
        for (var r = rowBegin; r < rowEnd; r++)
        {
            for (var t = 0; t < tokenCount; t++) y[((long)t * yStride) + r] = 0;
            for (var k = 0; k < Columns; k += RowMatrix.ChunkLength)
            {
                var count = Math.Min(RowMatrix.ChunkLength, Columns - k);
                _format.Scalar(r, k, count, w);
                for (var t = 0; t < tokenCount; t++)
                {
                    var sum = y[((long)t * yStride) + r];
                    for (var i = 0; i < count; i++) sum += x[((long)t * xStride) + k + i] * w[i];
                    y[((long)t * yStride) + r] = sum;
                }
            }
        }
    }

    [SkipLocalsInit]
    internal override void ScalarTransposed(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        var w = stackalloc float[RowMatrix.ChunkLength];
        for (var k = 0; k < Columns; k += RowMatrix.ChunkLength)
        {
            var count = Math.Min(RowMatrix.ChunkLength, Columns - k);
            for (var t = 0; t < tokenCount; t++) new Span<float>(y + ((long)t * yStride) + k, count).Clear();
            for (var r = rowBegin; r < rowEnd; r++)
            {
                _format.Scalar(r, k, count, w);
                for (var t = 0; t < tokenCount; t++)
                {
                    var factor = x[((long)t * xStride) + r - rowBegin];
                    for (var i = 0; i < count; i++) y[((long)t * yStride) + k + i] += factor * w[i];
                }
            }
        }
    }

    /// <summary>Decodes columns of a row: whole units with vectors, what is left of the row by the definition. Memory is asked for so many bytes ahead meanwhile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Decode<TLanes, TVector>(int row, int begin, int count, float* y, nint ahead = 0)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        int unitLength = _format.UnitLength, unitBytes = _format.UnitBytes;
        var unit = _format.At(row, begin);
        var i = 0;
        for (; i <= count - unitLength; i += unitLength, unit += unitBytes)
        {
            for (var b = 0; b < unitBytes && ahead > 0 && Sse.IsSupported; b += 64) Sse.Prefetch0(unit + ahead + b);
            _format.Unpack<TLanes, TVector, StoreUse>(unit, row, begin + i, y + i, TLanes.Zero);
        }

        if (i < count) _format.Scalar(row, begin + i, count - i, y + i);
    }

    /// <summary>One token: weights go from the decoder straight into the products, in the order of <see cref="Tiles"/>.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyOne<TLanes, TVector>(float* x, float* y, int rowBegin, int rowEnd)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        var room = stackalloc float[16 + (Tiles.RowCount * n) + (2 * RowMatrix.LongestUnit)];
        var acc = (float*)(((nint)room + 63) & ~63);
        float* tailWeights = acc + (Tiles.RowCount * n), tail = tailWeights + RowMatrix.LongestUnit;
        var unitLength = _format.UnitLength;
        var whole = Columns / unitLength * unitLength;
        var rest = Columns - whole;
        var padded = (rest + n - 1) & -n;
        for (var i = 0; i < padded; i++) tail[i] = i < rest ? x[whole + i] : 0;
        for (var r = rowBegin; r < rowEnd; r += Tiles.RowCount)
        {
            var rowCount = Math.Min(Tiles.RowCount, rowEnd - r);
            if (rowCount == Tiles.RowCount) DotRows<TLanes, TVector>(r, x, whole, acc);
            else for (var j = 0; j < rowCount; j++) DotRow<TLanes, TVector>(r + j, x, whole, acc + (j * n));
            for (var j = 0; j < rowCount; j++)
            {
                var sum = TLanes.Load(acc + (j * n));
                if (rest > 0)
                {
                    _format.Scalar(r + j, whole, rest, tailWeights);
                    for (var i = rest; i < padded; i++) tailWeights[i] = 0;
                    for (var i = 0; i < padded; i += n) sum = TLanes.MultiplyAdd(TLanes.Load(tail + i), TLanes.Load(tailWeights + i), sum);
                }

                y[r + j] = TLanes.Sum(sum);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DotRows<TLanes, TVector>(int row, float* x, int count, float* acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        int unitLength = _format.UnitLength, unitBytes = _format.UnitBytes;
        // The next four rows are asked for meanwhile: a row is too short for the processor to see where reading goes on.
        var ahead = _format.At(row + Tiles.RowCount, 0) - _format.At(row, 0);
        byte* u0 = _format.At(row, 0), u1 = _format.At(row + 1, 0), u2 = _format.At(row + 2, 0), u3 = _format.At(row + 3, 0);
        TVector a0 = TLanes.Zero, a1 = TLanes.Zero, a2 = TLanes.Zero, a3 = TLanes.Zero;
        for (var i = 0; i < count; i += unitLength)
        {
            for (var b = 0; b < unitBytes && Sse.IsSupported; b += 64)
            {
                Sse.Prefetch0(u0 + ahead + b);
                Sse.Prefetch0(u1 + ahead + b);
                Sse.Prefetch0(u2 + ahead + b);
                Sse.Prefetch0(u3 + ahead + b);
            }

            a0 = _format.Unpack<TLanes, TVector, DotUse>(u0, row, i, x + i, a0);
            a1 = _format.Unpack<TLanes, TVector, DotUse>(u1, row + 1, i, x + i, a1);
            a2 = _format.Unpack<TLanes, TVector, DotUse>(u2, row + 2, i, x + i, a2);
            a3 = _format.Unpack<TLanes, TVector, DotUse>(u3, row + 3, i, x + i, a3);
            u0 += unitBytes;
            u1 += unitBytes;
            u2 += unitBytes;
            u3 += unitBytes;
        }

        TLanes.Store(acc, a0);
        TLanes.Store(acc + TLanes.Count, a1);
        TLanes.Store(acc + (2 * TLanes.Count), a2);
        TLanes.Store(acc + (3 * TLanes.Count), a3);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void DotRow<TLanes, TVector>(int row, float* x, int count, float* acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        int unitLength = _format.UnitLength, unitBytes = _format.UnitBytes;
        var unit = _format.At(row, 0);
        var sum = TLanes.Zero;
        for (var i = 0; i < count; i += unitLength, unit += unitBytes)
            sum = _format.Unpack<TLanes, TVector, DotUse>(unit, row, i, x + i, sum);
        TLanes.Store(acc, sum);
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Multiply<TLanes, TVector>(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        if (tokenCount == 1)
        {
            MultiplyOne<TLanes, TVector>(x, y, rowBegin, rowEnd);
            return;
        }

        var n = TLanes.Count;
        var room = stackalloc float[16 + (Tiles.RowCount * RowMatrix.ChunkLength) + (RowMatrix.TokenBlock * Tiles.RowCount * n) + (RowMatrix.TokenBlock * n)];
        var w = (float*)(((nint)room + 63) & ~63);
        var acc = w + (Tiles.RowCount * RowMatrix.ChunkLength);
        var tail = acc + (RowMatrix.TokenBlock * Tiles.RowCount * n);
        var ahead = (nint)(_format.At(rowBegin + Tiles.RowCount, 0) - _format.At(rowBegin, 0));
        for (var t = 0; t < tokenCount; t += RowMatrix.TokenBlock)
        {
            var tokens = Math.Min(RowMatrix.TokenBlock, tokenCount - t);
            for (var r = rowBegin; r < rowEnd; r += Tiles.RowCount)
            {
                var rowCount = Math.Min(Tiles.RowCount, rowEnd - r);
                for (var i = 0; i < tokens * Tiles.RowCount; i++) TLanes.Store(acc + (i * n), TLanes.Zero);
                for (var k = 0; k < Columns; k += RowMatrix.ChunkLength)
                {
                    var count = Math.Min(RowMatrix.ChunkLength, Columns - k);
                    for (var i = 0; i < rowCount; i++) Decode<TLanes, TVector>(r + i, k, count, w + (i * RowMatrix.ChunkLength), t == 0 ? ahead : 0);
                    var whole = count & -n;
                    var xk = x + ((long)t * xStride) + k;
                    Tiles.Accumulate<TLanes, TVector>(w, RowMatrix.ChunkLength, rowCount, xk, xStride, tokens, whole, acc);
                    if (whole < count)
                    {
                        Partial.CopyPadded(w + whole, RowMatrix.ChunkLength, w + whole, RowMatrix.ChunkLength, rowCount, count - whole, n);
                        Partial.CopyPadded(xk + whole, xStride, tail, n, tokens, count - whole, n);
                        Tiles.Accumulate<TLanes, TVector>(w + whole, RowMatrix.ChunkLength, rowCount, tail, n, tokens, n, acc);
                    }
                }

                for (var i = 0; i < tokens; i++)
                {
                    for (var j = 0; j < rowCount; j++)
                        y[((long)(t + i) * yStride) + r + j] = TLanes.Sum(TLanes.Load(acc + (((i * Tiles.RowCount) + j) * n)));
                }
            }
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Transposed<TLanes, TVector>(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var room = stackalloc float[16 + (Tiles.RowCount * RowMatrix.ChunkLength)];
        var w = (float*)(((nint)room + 63) & ~63);
        for (var k = 0; k < Columns; k += RowMatrix.ChunkLength)
        {
            var count = Math.Min(RowMatrix.ChunkLength, Columns - k);
            for (var t = 0; t < tokenCount; t++) new Span<float>(y + ((long)t * yStride) + k, count).Clear();
            for (var r = rowBegin; r < rowEnd; r += Tiles.RowCount)
            {
                var rowCount = Math.Min(Tiles.RowCount, rowEnd - r);
                for (var i = 0; i < rowCount; i++) Decode<TLanes, TVector>(r + i, k, count, w + (i * RowMatrix.ChunkLength));
                for (var t = 0; t < tokenCount; t++)
                {
                    Combination.Accumulate<TLanes, TVector>(
                        x + ((long)t * xStride) + r - rowBegin, w, RowMatrix.ChunkLength, rowCount, count, y + ((long)t * yStride) + k);
                }
            }
        }
    }
}
