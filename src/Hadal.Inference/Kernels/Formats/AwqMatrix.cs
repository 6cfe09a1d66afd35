using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>AWQ <c>gemm</c> layout: codes of 4 bits [in, out / 8 words], zeros [in / group, out / 8 words], half scales [in / group, out];
/// value <c>(q − z) · s</c>.</summary>
/// <remarks>Computed from the stored layout, because a repacked copy would not be shared through the memory map and doubles the memory.
/// The layout runs along the outputs, so eight inputs at a time are decoded for a stretch of outputs and added to their sums:
/// each (output, token) sums over the inputs in rising order. AutoAWQ <c>packing_utils.py</c>.</remarks>
internal sealed unsafe class AwqMatrix(uint* codes, uint* zeros, byte* scales, int groupSize, int rows, int columns)
    : WeightMatrix(rows, columns, DType.AwqInt4)
{
    /// <summary>Outputs whose weights are decoded for several tokens at a time.</summary>
    private const int Stretch = 512;

    /// <summary>Outputs of one pass for a single token: long, because every input begins on another page of memory.</summary>
    private const int LongStretch = 2048;

    /// <summary>Inputs that are added to the sums at a time.</summary>
    private const int InputCount = 8;

    /// <summary>Nibble of a word that holds output 8c + j.</summary>
    private static ReadOnlySpan<byte> NibbleOf => [0, 4, 1, 5, 2, 6, 3, 7];

    private readonly int _words = rows / 8;

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
        ScalarRow(row, y);
    }

    internal override void ScalarRow(int row, float* y)
    {
        for (var k = 0; k < Columns; k++) y[k] = Value(row, k);
    }

    internal override void Scalar(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        for (var r = rowBegin; r < rowEnd; r++)
        {
            for (var t = 0; t < tokenCount; t++) y[((long)t * yStride) + r] = 0;
            for (var k = 0; k < Columns; k++)
            {
                var value = Value(r, k);
                for (var t = 0; t < tokenCount; t++) y[((long)t * yStride) + r] += x[((long)t * xStride) + k] * value;
            }
        }
    }

    internal override void ScalarTransposed(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        for (var t = 0; t < tokenCount; t++)
        {
            for (var k = 0; k < Columns; k++)
            {
                var sum = 0f;
                for (var r = rowBegin; r < rowEnd; r++) sum += x[((long)t * xStride) + r - rowBegin] * Value(r, k);
                y[((long)t * yStride) + k] = sum;
            }
        }
    }

    private float Value(int row, int column)
    {
        int group = column / groupSize, shift = NibbleOf[row % 8] * 4;
        var code = (int)((codes[((long)column * _words) + (row / 8)] >> shift) & 15);
        var zero = (int)((zeros[((long)group * _words) + (row / 8)] >> shift) & 15);
        return (code - zero) * HalfBits.Read(scales + (2 * (((long)group * Rows) + row)));
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Multiply<TLanes, TVector>(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        // Whole sixteens of outputs go the short way; a row range with ends in between takes the general one.
        if (tokenCount == 1 && (rowBegin | rowEnd) % 16 == 0)
        {
            MultiplyOne<TLanes, TVector>(x, y, rowBegin, rowEnd);
            return;
        }

        var room = stackalloc float[16 + ((InputCount + 2) * Stretch)];
        var w = (float*)(((nint)room + 63) & ~63);
        float* z = w + (InputCount * Stretch), s = z + Stretch;

        // Stretches begin at multiples of 16 outputs; what lies before rowBegin is decoded and left out.
        for (var first = rowBegin & -16; first < rowEnd; first += Stretch)
        {
            int begin = Math.Max(first, rowBegin), end = Math.Min(first + Stretch, rowEnd);
            var decoded = (end - first + 7) & -8;
            for (var t = 0; t < tokenCount; t++) new Span<float>(y + ((long)t * yStride) + begin, end - begin).Clear();
            var group = -1;
            for (var k = 0; k < Columns;)
            {
                if (k / groupSize != group)
                {
                    group = k / groupSize;
                    DecodeGroup(group, first, decoded, z, s);
                }

                var inputs = Math.Min(InputCount, ((group + 1) * groupSize) - k);
                for (var i = 0; i < inputs; i++) DecodeInput<TLanes, TVector>(k + i, first, decoded, z, s, w + (i * Stretch));
                for (var t = 0; t < tokenCount; t++)
                {
                    Combination.Accumulate<TLanes, TVector>(
                        x + ((long)t * xStride) + k, w + (begin - first), Stretch, inputs, end - begin, y + ((long)t * yStride) + begin);
                }

                k += inputs;
            }
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Transposed<TLanes, TVector>(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var room = stackalloc float[16 + (3 * Stretch)];
        var w = (float*)(((nint)room + 63) & ~63);
        float* z = w + Stretch, s = z + Stretch;
        for (var t = 0; t < tokenCount; t++) new Span<float>(y + ((long)t * yStride), Columns).Clear();
        for (var first = rowBegin & -16; first < rowEnd; first += Stretch)
        {
            int begin = Math.Max(first, rowBegin), end = Math.Min(first + Stretch, rowEnd);
            var decoded = (end - first + 7) & -8;
            for (var k = 0; k < Columns; k++)
            {
                if (k % groupSize == 0) DecodeGroup(k / groupSize, first, decoded, z, s);
                DecodeInput<TLanes, TVector>(k, first, decoded, z, s, w);
                for (var t = 0; t < tokenCount; t++)
                {
                    y[((long)t * yStride) + k] += Reduction.Dot<TLanes, TVector>(
                        x + ((long)t * xStride) + begin - rowBegin, w + (begin - first), end - begin);
                }
            }
        }
    }

    /// <summary>One token: codes go straight into the sums, in the order that several tokens have.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyOne<TLanes, TVector>(float* x, float* y, int rowBegin, int rowEnd)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var room = stackalloc float[16 + (2 * LongStretch)];
        var z = (float*)(((nint)room + 63) & ~63);
        var s = z + LongStretch;
        new Span<float>(y + rowBegin, rowEnd - rowBegin).Clear();
        for (var first = rowBegin; first < rowEnd; first += LongStretch)
        {
            var count = Math.Min(LongStretch, rowEnd - first);
            for (var k = 0; k < Columns;)
            {
                if (k % groupSize == 0) DecodeGroup(k / groupSize, first, count, z, s);
                var inputs = Math.Min(InputCount, groupSize - (k % groupSize));
                var words = codes + ((long)k * _words) + (first / 8);
                for (var i = 0; i < count; i += 16) AddSixteen<TLanes, TVector>(x + k, inputs, words + (i / 8), z + i, s + i, y + first + i);
                k += inputs;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void AddSixteen<TLanes, TVector>(float* x, int inputs, uint* words, float* z, float* s, float* y)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        TVector a0 = TLanes.Load(y), a1 = a0, a2 = a0, a3 = a0;
        if (n <= 8) a1 = TLanes.Load(y + n);
        if (n <= 4)
        {
            a2 = TLanes.Load(y + (2 * n));
            a3 = TLanes.Load(y + (3 * n));
        }

        for (var i = 0; i < inputs; i++, words += _words)
        {
            var sixteen = Sixteen(words);
            var factor = TLanes.Broadcast(x[i]);
            a0 = Add<TLanes, TVector>(sixteen, 0, factor, z, s, a0);
            if (n <= 8) a1 = Add<TLanes, TVector>(sixteen, 1, factor, z, s, a1);
            if (n <= 4)
            {
                a2 = Add<TLanes, TVector>(sixteen, 2, factor, z, s, a2);
                a3 = Add<TLanes, TVector>(sixteen, 3, factor, z, s, a3);
            }
        }

        TLanes.Store(y, a0);
        if (n <= 8) TLanes.Store(y + n, a1);
        if (n <= 4)
        {
            TLanes.Store(y + (2 * n), a2);
            TLanes.Store(y + (3 * n), a3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Add<TLanes, TVector>(Vector128<byte> sixteen, int part, TVector factor, float* z, float* s, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var at = part * TLanes.Count;
        var difference = TLanes.Subtract(TLanes.FromBytes(sixteen, part), TLanes.Load(z + at));
        return TLanes.MultiplyAdd(factor, TLanes.Multiply(difference, TLanes.Load(s + at)), acc);
    }

    private void DecodeGroup(int group, int first, int count, float* z, float* s)
    {
        var words = zeros + ((long)group * _words) + (first / 8);
        var halves = scales + (2 * (((long)group * Rows) + first));
        for (var i = 0; i < count; i++)
        {
            z[i] = (words[i / 8] >> (NibbleOf[i % 8] * 4)) & 15;
            s[i] = HalfBits.Read(halves + (2 * i));
        }
    }

    private void DecodeInput<TLanes, TVector>(int k, int first, int count, float* z, float* s, float* w)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var words = codes + ((long)k * _words) + (first / 8);
        var i = 0;
        for (; i <= count - 16; i += 16)
        {
            var sixteen = Sixteen(words + (i / 8));
            for (var part = 0; part < 16 / TLanes.Count; part++)
            {
                var at = i + (part * TLanes.Count);
                var difference = TLanes.Subtract(TLanes.FromBytes(sixteen, part), TLanes.Load(z + at));
                TLanes.Store(w + at, TLanes.Multiply(difference, TLanes.Load(s + at)));
            }
        }

        for (; i < count; i++) w[i] = (((words[i / 8] >> (NibbleOf[i % 8] * 4)) & 15) - z[i]) * s[i];
    }

    /// <summary>The codes of two words in the order of their outputs: output j is in byte {0, 2, 0, 2, 1, 3, 1, 3}[j] of its word, low half for j = 0, 1, 4, 5.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> Sixteen(uint* words)
    {
        var pair = Vector128.CreateScalarUnsafe(*(ulong*)words).AsByte();
        var bytes = Vector128.Shuffle(pair, Vector128.Create((byte)0, 2, 0, 2, 1, 3, 1, 3, 4, 6, 4, 6, 5, 7, 5, 7));
        var low = bytes & Vector128.Create(0x0F0F_0000_0F0Ful, 0x0F0F_0000_0F0Ful).AsByte();
        var high = (bytes.AsUInt16() >>> 4).AsByte() & Vector128.Create(0x0F0F_0000_0F0F_0000ul, 0x0F0F_0000_0F0F_0000ul).AsByte();
        return low | high;
    }
}
