using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Sizes of the traversal of <see cref="RowMatrix{TFormat}"/>.</summary>
internal static class RowMatrix
{
    /// <summary>Columns decoded at a time: a multiple of every block length. Four rows of them take 8 KiB of the first-level cache.</summary>
    public const int ChunkLength = 512;

    /// <summary>Tokens that share one decoding of the weights. Their accumulators take at most 8 KiB.</summary>
    public const int TokenBlock = 32;
}

/// <summary>Products with a matrix that is stored row by row in any format: four rows of a chunk are decoded into the first-level
/// cache and multiplied with all tokens of a block.</summary>
internal sealed unsafe class RowMatrix<TFormat>(TFormat format, int rows, int columns) : WeightMatrix(rows, columns, format.DType)
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
        for (var k = 0; k < Columns; k += RowMatrix.ChunkLength)
        {
            var count = Math.Min(RowMatrix.ChunkLength, Columns - k);
            if (Vector512.IsHardwareAccelerated) _format.Decode<Lanes512, Vector512<float>>(row, k, count, y + k);
            else if (Vector256.IsHardwareAccelerated) _format.Decode<Lanes256, Vector256<float>>(row, k, count, y + k);
            else if (Vector128.IsHardwareAccelerated) _format.Decode<Lanes128, Vector128<float>>(row, k, count, y + k);
            else _format.Scalar(row, k, count, y + k);
        }
    }

    internal override void ScalarRow(int row, float* y)
    {
        for (var k = 0; k < Columns; k += RowMatrix.ChunkLength) _format.Scalar(row, k, Math.Min(RowMatrix.ChunkLength, Columns - k), y + k);
    }

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

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Multiply<TLanes, TVector>(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        var room = stackalloc float[16 + (Tiles.RowCount * RowMatrix.ChunkLength) + (RowMatrix.TokenBlock * Tiles.RowCount * n) + (RowMatrix.TokenBlock * n)];
        var w = (float*)(((nint)room + 63) & ~63);
        var acc = w + (Tiles.RowCount * RowMatrix.ChunkLength);
        var tail = acc + (RowMatrix.TokenBlock * Tiles.RowCount * n);
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
                    for (var i = 0; i < rowCount; i++) _format.Decode<TLanes, TVector>(r + i, k, count, w + (i * RowMatrix.ChunkLength));
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
                for (var i = 0; i < rowCount; i++) _format.Decode<TLanes, TVector>(r + i, k, count, w + (i * RowMatrix.ChunkLength));
                for (var t = 0; t < tokenCount; t++)
                {
                    Combination.Accumulate<TLanes, TVector>(
                        x + ((long)t * xStride) + r - rowBegin, w, RowMatrix.ChunkLength, rowCount, count, y + ((long)t * yStride) + k);
                }
            }
        }
    }
}
