using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>Two vectors of rows times four tokens, or one, over some groups of 32 columns.</summary>
/// <remarks>Per (row, token) and group: the whole sum of codes times 8-bit activations, then <c>acc += (float)sum · scale · x scale</c>, each operation
/// rounded on its own, and <c>acc += minimum · (x scale · Σ x)</c> where there are minima. Groups follow in rising order. So the bits do not
/// depend on tile, batch, thread count or instruction set.</remarks>
internal static unsafe class IntegerTiles
{
    /// <summary>Rows of a panel.</summary>
    public const int PanelRows = 16;

    /// <summary>Rows of a slab: two panels, whose groups take turns in memory.</summary>
    public const int SlabRows = 2 * PanelRows;

    /// <summary>Distance of tokens in the sums, in floats.</summary>
    public const int SumStride = SlabRows;

    /// <summary>Adds to the sums of four tokens.</summary>
    /// <param name="codes0">Codes of the first vector of rows; groups are two groups' bytes apart.</param>
    /// <param name="codes1">Codes of the second.</param>
    /// <param name="records0">Scales of the first; see <see cref="ITileScales"/>.</param>
    /// <param name="records1">Scales of the second.</param>
    /// <param name="x0">Activations of the first token, from the same group on; see <see cref="QuantizedRows"/>.</param>
    /// <param name="x1">Of the second.</param>
    /// <param name="x2">Of the third.</param>
    /// <param name="x3">Of the fourth.</param>
    /// <param name="groupCount">Groups.</param>
    /// <param name="sums">[4, 32] sums; those of the first vector.</param>
    /// <param name="second">Where the sums of the second vector stand, in floats.</param>
    /// <param name="ahead">How far behind the codes memory is asked for meanwhile, in bytes; 0: not at all.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FourTokens<TBytes, TByteVector, TLanes, TVector, TCodes, TScales>(
        byte* codes0, byte* codes1, byte* records0, byte* records1, byte* x0, byte* x1, byte* x2, byte* x3, int groupCount, float* sums, int second, nint ahead)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TCodes : struct, ICodeVectors
        where TScales : struct, ITileScales
    {
        for (var g = 0; g < groupCount; g++)
        {
            if (ahead != 0) Prefetch(codes0 + ahead, 2 * TCodes.GroupBytes);
            TByteVector zero0 = TBytes.Load(records0 + ITileScales.ZeroOffset), zero1 = TBytes.Load(records1 + ITileScales.ZeroOffset);
            TByteVector a00, a01, a10, a11, a20, a21, a30, a31;
            if (TScales.HasHalves)
            {
                var at = QuantizedRows.FirstSumsOffset;
                var s = TBytes.Broadcast(x0 + at);
                (a00, a01) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                s = TBytes.Broadcast(x1 + at);
                (a10, a11) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                s = TBytes.Broadcast(x2 + at);
                (a20, a21) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                s = TBytes.Broadcast(x3 + at);
                (a30, a31) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                Pairs<TBytes, TByteVector, TVector, TCodes>(
                    codes0, codes1, x0, x1, x2, x3, 0, 2, ref a00, ref a01, ref a10, ref a11, ref a20, ref a21, ref a30, ref a31);
                Fold<TBytes, TByteVector, TLanes, TVector>(a00, records0, x0, sums);
                Fold<TBytes, TByteVector, TLanes, TVector>(a01, records1, x0, sums + second);
                Fold<TBytes, TByteVector, TLanes, TVector>(a10, records0, x1, sums + SumStride);
                Fold<TBytes, TByteVector, TLanes, TVector>(a11, records1, x1, sums + SumStride + second);
                Fold<TBytes, TByteVector, TLanes, TVector>(a20, records0, x2, sums + (2 * SumStride));
                Fold<TBytes, TByteVector, TLanes, TVector>(a21, records1, x2, sums + (2 * SumStride) + second);
                Fold<TBytes, TByteVector, TLanes, TVector>(a30, records0, x3, sums + (3 * SumStride));
                Fold<TBytes, TByteVector, TLanes, TVector>(a31, records1, x3, sums + (3 * SumStride) + second);
                s = SecondSums<TBytes, TByteVector, TVector>(x0);
                (a00, a01) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                s = SecondSums<TBytes, TByteVector, TVector>(x1);
                (a10, a11) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                s = SecondSums<TBytes, TByteVector, TVector>(x2);
                (a20, a21) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                s = SecondSums<TBytes, TByteVector, TVector>(x3);
                (a30, a31) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                Pairs<TBytes, TByteVector, TVector, TCodes>(
                    codes0, codes1, x0, x1, x2, x3, 2, 4, ref a00, ref a01, ref a10, ref a11, ref a20, ref a21, ref a30, ref a31);
            }
            else
            {
                var at = QuantizedRows.SumsOffset;
                var s = TBytes.Broadcast(x0 + at);
                (a00, a01) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                s = TBytes.Broadcast(x1 + at);
                (a10, a11) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                s = TBytes.Broadcast(x2 + at);
                (a20, a21) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                s = TBytes.Broadcast(x3 + at);
                (a30, a31) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                Pairs<TBytes, TByteVector, TVector, TCodes>(
                    codes0, codes1, x0, x1, x2, x3, 0, 4, ref a00, ref a01, ref a10, ref a11, ref a20, ref a21, ref a30, ref a31);
            }

            var offset = TScales.HasHalves ? ITileScales.SecondOffset : 0;
            FoldLast<TBytes, TByteVector, TLanes, TVector, TScales>(a00, records0 + offset, x0, sums);
            FoldLast<TBytes, TByteVector, TLanes, TVector, TScales>(a01, records1 + offset, x0, sums + second);
            FoldLast<TBytes, TByteVector, TLanes, TVector, TScales>(a10, records0 + offset, x1, sums + SumStride);
            FoldLast<TBytes, TByteVector, TLanes, TVector, TScales>(a11, records1 + offset, x1, sums + SumStride + second);
            FoldLast<TBytes, TByteVector, TLanes, TVector, TScales>(a20, records0 + offset, x2, sums + (2 * SumStride));
            FoldLast<TBytes, TByteVector, TLanes, TVector, TScales>(a21, records1 + offset, x2, sums + (2 * SumStride) + second);
            FoldLast<TBytes, TByteVector, TLanes, TVector, TScales>(a30, records0 + offset, x3, sums + (3 * SumStride));
            FoldLast<TBytes, TByteVector, TLanes, TVector, TScales>(a31, records1 + offset, x3, sums + (3 * SumStride) + second);
            codes0 += 2 * TCodes.GroupBytes;
            codes1 += 2 * TCodes.GroupBytes;
            records0 += ITileScales.RecordBytes;
            records1 += ITileScales.RecordBytes;
            x0 += QuantizedRows.GroupBytes;
            x1 += QuantizedRows.GroupBytes;
            x2 += QuantizedRows.GroupBytes;
            x3 += QuantizedRows.GroupBytes;
        }
    }

    /// <summary>Adds to the sums of one token.</summary>
    /// <inheritdoc cref="FourTokens"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void OneToken<TBytes, TByteVector, TLanes, TVector, TCodes, TScales>(
        byte* codes0, byte* codes1, byte* records0, byte* records1, byte* x, int groupCount, float* sums, int second, nint ahead)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TCodes : struct, ICodeVectors
        where TScales : struct, ITileScales
    {
        for (var g = 0; g < groupCount; g++)
        {
            if (ahead != 0) Prefetch(codes0 + ahead, 2 * TCodes.GroupBytes);
            TByteVector zero0 = TBytes.Load(records0 + ITileScales.ZeroOffset), zero1 = TBytes.Load(records1 + ITileScales.ZeroOffset);
            var s = TBytes.Broadcast(x + (TScales.HasHalves ? QuantizedRows.FirstSumsOffset : QuantizedRows.SumsOffset));
            TByteVector a0 = TBytes.Start(zero0, s), a1 = TBytes.Start(zero1, s);
            if (TScales.HasHalves)
            {
                Pairs<TBytes, TByteVector, TVector, TCodes>(codes0, codes1, x, 0, 2, ref a0, ref a1);
                Fold<TBytes, TByteVector, TLanes, TVector>(a0, records0, x, sums);
                Fold<TBytes, TByteVector, TLanes, TVector>(a1, records1, x, sums + second);
                s = SecondSums<TBytes, TByteVector, TVector>(x);
                (a0, a1) = (TBytes.Start(zero0, s), TBytes.Start(zero1, s));
                Pairs<TBytes, TByteVector, TVector, TCodes>(codes0, codes1, x, 2, 4, ref a0, ref a1);
            }
            else
            {
                Pairs<TBytes, TByteVector, TVector, TCodes>(codes0, codes1, x, 0, 4, ref a0, ref a1);
            }

            var offset = TScales.HasHalves ? ITileScales.SecondOffset : 0;
            FoldLast<TBytes, TByteVector, TLanes, TVector, TScales>(a0, records0 + offset, x, sums);
            FoldLast<TBytes, TByteVector, TLanes, TVector, TScales>(a1, records1 + offset, x, sums + second);
            codes0 += 2 * TCodes.GroupBytes;
            codes1 += 2 * TCodes.GroupBytes;
            records0 += ITileScales.RecordBytes;
            records1 += ITileScales.RecordBytes;
            x += QuantizedRows.GroupBytes;
        }
    }

    /// <summary>Asks for memory that is read soon; addresses that nobody may read are harmless.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Prefetch(byte* address, int byteCount)
    {
        for (var i = 0; i < byteCount && Sse.IsSupported; i += 64) Sse.Prefetch0(address + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Pairs<TBytes, TByteVector, TVector, TCodes>(
        byte* codes0, byte* codes1, byte* x0, byte* x1, byte* x2, byte* x3, nint begin, nint end,
        ref TByteVector a00, ref TByteVector a01, ref TByteVector a10, ref TByteVector a11,
        ref TByteVector a20, ref TByteVector a21, ref TByteVector a30, ref TByteVector a31)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TVector : struct
        where TCodes : struct, ICodeVectors
    {
        for (var k = begin; k < end; k++)
        {
            TByteVector w0 = TCodes.Even<TBytes, TByteVector, TVector>(codes0, k), w1 = TCodes.Even<TBytes, TByteVector, TVector>(codes1, k);
            var v = TBytes.Broadcast(x0 + (8 * k));
            a00 = TBytes.MultiplyAdd(a00, w0, v);
            a01 = TBytes.MultiplyAdd(a01, w1, v);
            v = TBytes.Broadcast(x1 + (8 * k));
            a10 = TBytes.MultiplyAdd(a10, w0, v);
            a11 = TBytes.MultiplyAdd(a11, w1, v);
            v = TBytes.Broadcast(x2 + (8 * k));
            a20 = TBytes.MultiplyAdd(a20, w0, v);
            a21 = TBytes.MultiplyAdd(a21, w1, v);
            v = TBytes.Broadcast(x3 + (8 * k));
            a30 = TBytes.MultiplyAdd(a30, w0, v);
            a31 = TBytes.MultiplyAdd(a31, w1, v);
            (w0, w1) = (TCodes.Odd<TBytes, TByteVector, TVector>(codes0, k), TCodes.Odd<TBytes, TByteVector, TVector>(codes1, k));
            v = TBytes.Broadcast(x0 + (8 * k) + 4);
            a00 = TBytes.MultiplyAdd(a00, w0, v);
            a01 = TBytes.MultiplyAdd(a01, w1, v);
            v = TBytes.Broadcast(x1 + (8 * k) + 4);
            a10 = TBytes.MultiplyAdd(a10, w0, v);
            a11 = TBytes.MultiplyAdd(a11, w1, v);
            v = TBytes.Broadcast(x2 + (8 * k) + 4);
            a20 = TBytes.MultiplyAdd(a20, w0, v);
            a21 = TBytes.MultiplyAdd(a21, w1, v);
            v = TBytes.Broadcast(x3 + (8 * k) + 4);
            a30 = TBytes.MultiplyAdd(a30, w0, v);
            a31 = TBytes.MultiplyAdd(a31, w1, v);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Pairs<TBytes, TByteVector, TVector, TCodes>(
        byte* codes0, byte* codes1, byte* x, nint begin, nint end, ref TByteVector a0, ref TByteVector a1)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TVector : struct
        where TCodes : struct, ICodeVectors
    {
        for (var k = begin; k < end; k++)
        {
            var v = TBytes.Broadcast(x + (8 * k));
            a0 = TBytes.MultiplyAdd(a0, TCodes.Even<TBytes, TByteVector, TVector>(codes0, k), v);
            a1 = TBytes.MultiplyAdd(a1, TCodes.Even<TBytes, TByteVector, TVector>(codes1, k), v);
            v = TBytes.Broadcast(x + (8 * k) + 4);
            a0 = TBytes.MultiplyAdd(a0, TCodes.Odd<TBytes, TByteVector, TVector>(codes0, k), v);
            a1 = TBytes.MultiplyAdd(a1, TCodes.Odd<TBytes, TByteVector, TVector>(codes1, k), v);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TByteVector SecondSums<TBytes, TByteVector, TVector>(byte* x)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TVector : struct =>
        TBytes.SubtractHalves(TBytes.Broadcast(x + QuantizedRows.SumsOffset), TBytes.Broadcast(x + QuantizedRows.FirstSumsOffset));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Fold<TBytes, TByteVector, TLanes, TVector>(TByteVector accumulators, byte* record, byte* x, float* sums)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct =>
        TLanes.Store(sums, TLanes.Add(TLanes.Load(sums), Scaled<TBytes, TByteVector, TLanes, TVector>(TBytes.Sums(accumulators), record, x)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void FoldLast<TBytes, TByteVector, TLanes, TVector, TScales>(TByteVector accumulators, byte* record, byte* x, float* sums)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TScales : struct, ITileScales
    {
        var sum = TLanes.Add(TLanes.Load(sums), Scaled<TBytes, TByteVector, TLanes, TVector>(TBytes.Sums(accumulators), record, x));
        if (TScales.HasMinima)
        {
            var minimum = TLanes.Load((float*)(record + ITileScales.SecondOffset));
            sum = TLanes.Add(sum, TLanes.Multiply(minimum, TLanes.Broadcast(*(float*)(x + QuantizedRows.ScaledSumOffset))));
        }

        TLanes.Store(sums, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TVector Scaled<TBytes, TByteVector, TLanes, TVector>(TByteVector sums, byte* record, byte* x)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct =>
        TLanes.Multiply(TLanes.Multiply(TBytes.ToSingle(sums), TLanes.Load((float*)record)), TLanes.Broadcast(*(float*)(x + QuantizedRows.ScaleOffset)));
}
