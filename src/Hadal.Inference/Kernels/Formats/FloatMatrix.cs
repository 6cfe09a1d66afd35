using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>A matrix of single numbers. A few tokens read the rows where they lie: a vector of weights is widened once and meets all tokens of a tile.</summary>
/// <remarks>The order of each sum is that of <see cref="Tiles"/>, as in every other product: one vector accumulator for a row and a token.</remarks>
internal sealed unsafe class FloatMatrix<TElement>(byte* data, int rows, int columns) : RowMatrix<BlockRows<TElement>>(new BlockRows<TElement>(data, columns), rows, columns)
    where TElement : struct, IElementFormat
{
    /// <summary>Tokens up to which reading in place is faster than decoding for all.</summary>
    private const int MostTokens = 16;

    private const int TileRows = 2, TileTokens = 8;

    private readonly long _rowBytes = (long)columns * TElement.ElementBytes;

    public override void Multiply(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        if (tokenCount is < 2 or > MostTokens || !Vector128.IsHardwareAccelerated)
        {
            base.Multiply(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
            return;
        }

        CheckRange(tokenCount, rowBegin, rowEnd);
        if (Vector512.IsHardwareAccelerated) Few<Lanes512, Vector512<float>>(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
        else if (Vector256.IsHardwareAccelerated) Few<Lanes256, Vector256<float>>(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
        else Few<Lanes128, Vector128<float>>(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Few<TLanes, TVector>(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        var room = stackalloc float[16 + ((TileRows + MostTokens + (TileRows * TileTokens)) * n)];
        var sums = (float*)(((nint)room + 63) & ~63);
        float* weightTail = sums + (TileRows * TileTokens * n), tail = weightTail + (TileRows * n);
        var (whole, rest) = (Columns & -n, Columns % n);
        if (rest > 0) Partial.CopyPadded(x + whole, xStride, tail, n, tokenCount, rest, n);
        for (var row = rowBegin; row < rowEnd; row += TileRows)
        {
            // A missing row or token is the last one again; its sum is not read.
            var rowCount = Math.Min(TileRows, rowEnd - row);
            byte* w0 = data + (row * _rowBytes), w1 = data + ((row + rowCount - 1) * _rowBytes);
            if (rest > 0) DecodeTails(w0, w1, whole, rest, n, weightTail);
            for (int t = 0, count; t < tokenCount; t += count)
            {
                count = TLanes.HasManyRegisters && tokenCount - t > TileTokens / 2 ? TileTokens : TileTokens / 2;
                var tokens = new TokenRows(x + ((long)t * xStride), xStride, tail + (t * n), n, Math.Min(count, tokenCount - t) - 1);
                if (count == TileTokens) EightTokens<TLanes, TVector>(w0, w1, tokens, whole, rest, weightTail, sums);
                else FourTokens<TLanes, TVector>(w0, w1, tokens, whole, rest, weightTail, sums);
                for (var i = 0; i <= tokens.Last; i++)
                    for (var j = 0; j < rowCount; j++) y[((long)(t + i) * yStride) + row + j] = TLanes.Sum(TLanes.Load(sums + (((i * TileRows) + j) * n)));
            }
        }
    }

    private static void DecodeTails(byte* w0, byte* w1, int whole, int rest, int n, float* tail)
    {
        new Span<float>(tail, TileRows * n).Clear();
        TElement.Scalar(w0 + ((long)whole * TElement.ElementBytes), rest, tail);
        TElement.Scalar(w1 + ((long)whole * TElement.ElementBytes), rest, tail + n);
    }

    /// <summary>One token times both rows of weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Take<TLanes, TVector>(TVector v, TVector r0, TVector r1, ref TVector a0, ref TVector a1)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct =>
        (a0, a1) = (TLanes.MultiplyAdd(v, r0, a0), TLanes.MultiplyAdd(v, r1, a1));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void EightTokens<TLanes, TVector>(byte* w0, byte* w1, in TokenRows x, int whole, int rest, float* weightTail, float* sums)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        float* x0 = x.At(0), x1 = x.At(1), x2 = x.At(2), x3 = x.At(3), x4 = x.At(4), x5 = x.At(5), x6 = x.At(6), x7 = x.At(7);
        TVector a00 = TLanes.Zero, a01 = TLanes.Zero, a10 = TLanes.Zero, a11 = TLanes.Zero, a20 = TLanes.Zero, a21 = TLanes.Zero, a30 = TLanes.Zero, a31 = TLanes.Zero;
        TVector a40 = TLanes.Zero, a41 = TLanes.Zero, a50 = TLanes.Zero, a51 = TLanes.Zero, a60 = TLanes.Zero, a61 = TLanes.Zero, a70 = TLanes.Zero, a71 = TLanes.Zero;
        var ahead = (nint)(TileRows * _rowBytes);
        for (nint k = 0, b = 0; k < whole; k += n, b += n * TElement.ElementBytes)
        {
            Prefetch(w0 + b + ahead, w1 + b + ahead);
            TVector r0 = TElement.Load<TLanes, TVector>(w0 + b), r1 = TElement.Load<TLanes, TVector>(w1 + b);
            Take<TLanes, TVector>(TLanes.Load(x0 + k), r0, r1, ref a00, ref a01);
            Take<TLanes, TVector>(TLanes.Load(x1 + k), r0, r1, ref a10, ref a11);
            Take<TLanes, TVector>(TLanes.Load(x2 + k), r0, r1, ref a20, ref a21);
            Take<TLanes, TVector>(TLanes.Load(x3 + k), r0, r1, ref a30, ref a31);
            Take<TLanes, TVector>(TLanes.Load(x4 + k), r0, r1, ref a40, ref a41);
            Take<TLanes, TVector>(TLanes.Load(x5 + k), r0, r1, ref a50, ref a51);
            Take<TLanes, TVector>(TLanes.Load(x6 + k), r0, r1, ref a60, ref a61);
            Take<TLanes, TVector>(TLanes.Load(x7 + k), r0, r1, ref a70, ref a71);
        }

        if (rest > 0)
        {
            TVector r0 = TLanes.Load(weightTail), r1 = TLanes.Load(weightTail + n);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(0)), r0, r1, ref a00, ref a01);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(1)), r0, r1, ref a10, ref a11);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(2)), r0, r1, ref a20, ref a21);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(3)), r0, r1, ref a30, ref a31);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(4)), r0, r1, ref a40, ref a41);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(5)), r0, r1, ref a50, ref a51);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(6)), r0, r1, ref a60, ref a61);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(7)), r0, r1, ref a70, ref a71);
        }

        Store4<TLanes, TVector>(sums, a00, a01, a10, a11);
        Store4<TLanes, TVector>(sums + (4 * n), a20, a21, a30, a31);
        Store4<TLanes, TVector>(sums + (8 * n), a40, a41, a50, a51);
        Store4<TLanes, TVector>(sums + (12 * n), a60, a61, a70, a71);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FourTokens<TLanes, TVector>(byte* w0, byte* w1, in TokenRows x, int whole, int rest, float* weightTail, float* sums)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        float* x0 = x.At(0), x1 = x.At(1), x2 = x.At(2), x3 = x.At(3);
        TVector a00 = TLanes.Zero, a01 = TLanes.Zero, a10 = TLanes.Zero, a11 = TLanes.Zero, a20 = TLanes.Zero, a21 = TLanes.Zero, a30 = TLanes.Zero, a31 = TLanes.Zero;
        var ahead = (nint)(TileRows * _rowBytes);
        for (nint k = 0, b = 0; k < whole; k += n, b += n * TElement.ElementBytes)
        {
            Prefetch(w0 + b + ahead, w1 + b + ahead);
            TVector r0 = TElement.Load<TLanes, TVector>(w0 + b), r1 = TElement.Load<TLanes, TVector>(w1 + b);
            Take<TLanes, TVector>(TLanes.Load(x0 + k), r0, r1, ref a00, ref a01);
            Take<TLanes, TVector>(TLanes.Load(x1 + k), r0, r1, ref a10, ref a11);
            Take<TLanes, TVector>(TLanes.Load(x2 + k), r0, r1, ref a20, ref a21);
            Take<TLanes, TVector>(TLanes.Load(x3 + k), r0, r1, ref a30, ref a31);
        }

        if (rest > 0)
        {
            TVector r0 = TLanes.Load(weightTail), r1 = TLanes.Load(weightTail + n);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(0)), r0, r1, ref a00, ref a01);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(1)), r0, r1, ref a10, ref a11);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(2)), r0, r1, ref a20, ref a21);
            Take<TLanes, TVector>(TLanes.Load(x.TailAt(3)), r0, r1, ref a30, ref a31);
        }

        Store4<TLanes, TVector>(sums, a00, a01, a10, a11);
        Store4<TLanes, TVector>(sums + (4 * n), a20, a21, a30, a31);
    }

    /// <summary>Asks for the rows of the next tile; addresses that nobody may read are harmless.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* first, byte* second)
    {
        if (!Sse.IsSupported) return;
        Sse.Prefetch0(first);
        Sse.Prefetch0(second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store4<TLanes, TVector>(float* target, TVector a, TVector b, TVector c, TVector d)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        TLanes.Store(target, a);
        TLanes.Store(target + n, b);
        TLanes.Store(target + (2 * n), c);
        TLanes.Store(target + (3 * n), d);
    }

    /// <summary>The tokens of a tile, and what is left of each behind the last whole vector, filled up with zeros. Those behind the last are the last one again.</summary>
    private readonly struct TokenRows(float* x, int stride, float* tail, int tailStride, int last)
    {
        public int Last => last;

        public float* At(int token) => x + ((long)Math.Min(token, last) * stride);

        public float* TailAt(int token) => tail + (Math.Min(token, last) * tailStride);
    }
}
