using System.Runtime.CompilerServices;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>The tiles of <see cref="IntegerTiles"/> for codes of 8 bits where an instruction set takes no whole bytes: products of two bytes, added in pairs,
/// would not fit 16 bits, so the low and the high nibbles are summed apart and then put together.</summary>
internal static unsafe class IntegerByteTiles
{
    /// <inheritdoc cref="IntegerTiles.FourTokens"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FourTokens<TBytes, TByteVector, TLanes, TVector>(
        byte* codes0, byte* codes1, byte* records0, byte* records1, byte* x0, byte* x1, byte* x2, byte* x3, int groupCount, float* sums, int second, nint ahead)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        const int Stride = IntegerTiles.SumStride;
        for (var g = 0; g < groupCount; g++)
        {
            if (ahead != 0) IntegerTiles.Prefetch(codes0 + ahead, 2 * WholeBytes.GroupBytes);
            TByteVector l00 = default, l01 = default, l10 = default, l11 = default, l20 = default, l21 = default, l30 = default, l31 = default;
            IntegerTiles.Pairs<TBytes, TByteVector, TVector, LowNibbles>(
                codes0, codes1, x0, x1, x2, x3, 0, 4, ref l00, ref l01, ref l10, ref l11, ref l20, ref l21, ref l30, ref l31);
            TByteVector zero0 = TBytes.Load(records0 + ITileScales.ZeroOffset), zero1 = TBytes.Load(records1 + ITileScales.ZeroOffset);
            var s = TBytes.Broadcast(x0 + QuantizedRows.SumsOffset);
            TByteVector h00 = TBytes.Start(zero0, s), h01 = TBytes.Start(zero1, s);
            s = TBytes.Broadcast(x1 + QuantizedRows.SumsOffset);
            TByteVector h10 = TBytes.Start(zero0, s), h11 = TBytes.Start(zero1, s);
            s = TBytes.Broadcast(x2 + QuantizedRows.SumsOffset);
            TByteVector h20 = TBytes.Start(zero0, s), h21 = TBytes.Start(zero1, s);
            s = TBytes.Broadcast(x3 + QuantizedRows.SumsOffset);
            TByteVector h30 = TBytes.Start(zero0, s), h31 = TBytes.Start(zero1, s);
            IntegerTiles.Pairs<TBytes, TByteVector, TVector, HighNibbles>(
                codes0, codes1, x0, x1, x2, x3, 0, 4, ref h00, ref h01, ref h10, ref h11, ref h20, ref h21, ref h30, ref h31);
            Fold<TBytes, TByteVector, TLanes, TVector>(l00, h00, records0, x0, sums);
            Fold<TBytes, TByteVector, TLanes, TVector>(l01, h01, records1, x0, sums + second);
            Fold<TBytes, TByteVector, TLanes, TVector>(l10, h10, records0, x1, sums + Stride);
            Fold<TBytes, TByteVector, TLanes, TVector>(l11, h11, records1, x1, sums + Stride + second);
            Fold<TBytes, TByteVector, TLanes, TVector>(l20, h20, records0, x2, sums + (2 * Stride));
            Fold<TBytes, TByteVector, TLanes, TVector>(l21, h21, records1, x2, sums + (2 * Stride) + second);
            Fold<TBytes, TByteVector, TLanes, TVector>(l30, h30, records0, x3, sums + (3 * Stride));
            Fold<TBytes, TByteVector, TLanes, TVector>(l31, h31, records1, x3, sums + (3 * Stride) + second);
            codes0 += 2 * WholeBytes.GroupBytes;
            codes1 += 2 * WholeBytes.GroupBytes;
            records0 += ITileScales.RecordBytes;
            records1 += ITileScales.RecordBytes;
            x0 += QuantizedRows.GroupBytes;
            x1 += QuantizedRows.GroupBytes;
            x2 += QuantizedRows.GroupBytes;
            x3 += QuantizedRows.GroupBytes;
        }
    }

    /// <inheritdoc cref="IntegerTiles.OneToken"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void OneToken<TBytes, TByteVector, TLanes, TVector>(
        byte* codes0, byte* codes1, byte* records0, byte* records1, byte* x, int groupCount, float* sums, int second, nint ahead)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        for (var g = 0; g < groupCount; g++)
        {
            if (ahead != 0) IntegerTiles.Prefetch(codes0 + ahead, 2 * WholeBytes.GroupBytes);
            TByteVector low0 = default, low1 = default;
            var s = TBytes.Broadcast(x + QuantizedRows.SumsOffset);
            TByteVector high0 = TBytes.Start(TBytes.Load(records0 + ITileScales.ZeroOffset), s), high1 = TBytes.Start(TBytes.Load(records1 + ITileScales.ZeroOffset), s);
            IntegerTiles.Pairs<TBytes, TByteVector, TVector, LowNibbles>(codes0, codes1, x, 0, 4, ref low0, ref low1);
            IntegerTiles.Pairs<TBytes, TByteVector, TVector, HighNibbles>(codes0, codes1, x, 0, 4, ref high0, ref high1);
            Fold<TBytes, TByteVector, TLanes, TVector>(low0, high0, records0, x, sums);
            Fold<TBytes, TByteVector, TLanes, TVector>(low1, high1, records1, x, sums + second);
            codes0 += 2 * WholeBytes.GroupBytes;
            codes1 += 2 * WholeBytes.GroupBytes;
            records0 += ITileScales.RecordBytes;
            records1 += ITileScales.RecordBytes;
            x += QuantizedRows.GroupBytes;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fold<TBytes, TByteVector, TLanes, TVector>(TByteVector low, TByteVector high, byte* record, byte* x, float* sums)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct =>
        TLanes.Store(sums, TLanes.Add(TLanes.Load(sums), IntegerTiles.Scaled<TBytes, TByteVector, TLanes, TVector>(TBytes.Sums(low, high), record, x)));
}
