using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>A matrix in slabs of 32 rows, two panels of 16, and a slab in blocks of 512 columns: the scales of both panels, then group after group of 32
/// columns the codes of the first panel and of the second.</summary>
/// <remarks>One or a few tokens read the codes as they are stored, which is one stream of memory from end to end. Many tokens share a block that is
/// unpacked to bytes in the first-level cache. Rows that fill up the last slab are zero. Until <see cref="IntegerMatrix.Use"/> has given it its slabs, a matrix makes
/// the blocks that it multiplies in scratch memory, with the same numbers.</remarks>
/// <param name="packer">Makes blocks from the stored matrix.</param>
/// <param name="scales">How scales are kept.</param>
/// <param name="tensor">The stored matrix [out, in]; in is a multiple of 32.</param>
internal sealed unsafe class TileMatrix<TCodes, TScales>(TilePacker packer, TScales scales, WeightTensor tensor) : IntegerMatrix(tensor)
    where TCodes : struct, ITileCodes
    where TScales : struct, ITileScales
{
    private const int BlockGroups = ITileScales.BlockGroups;

    /// <summary>Tokens that share the unpacking of a block. Their sums take at most 32 KiB.</summary>
    private const int TokenBlock = 256;

    /// <summary>Tokens from which unpacking pays.</summary>
    private const int UnpackFromTokens = 16;

    /// <summary>Bytes between what is read and what is asked for from memory.</summary>
    private const int BytesAhead = 6144;

    /// <summary>Room for one block of the largest codes and scales, wherever it is aligned.</summary>
    private const int RoomBytes = 64 + (2 * ((BlockGroups * 64) + (BlockGroups * WholeBytes.ByteCount)));

    private const int PanelRows = IntegerTiles.PanelRows, SlabRows = IntegerTiles.SlabRows;

    private readonly int _groupCount = tensor.Shape[1] / QuantizedRows.GroupSize;
    private readonly int _scaleBytes = ScaleBytesOf(scales);
    private readonly long _blockBytes = BlockBytesOf(scales, BlockGroups);
    private readonly long _slabBytes = SlabBytesOf(scales, tensor.Shape[1]);

    /// <inheritdoc/>
    public override int SlabCount => (Rows + SlabRows - 1) / SlabRows;

    /// <inheritdoc/>
    public override long ByteCount => BytesOf(scales, Rows, Columns);

    /// <summary>Bytes of all slabs.</summary>
    public static long BytesOf(TScales scales, int rows, int columns) => ((long)rows + SlabRows - 1) / SlabRows * SlabBytesOf(scales, columns);

    /// <summary>Bytes of the scales of a panel in a block.</summary>
    public static int ScaleBytesOf(TScales scales) => (scales.BlockBytes + 63) & ~63;

    /// <inheritdoc/>
    public override void Fill(byte* slabs, int slabBegin, int slabEnd)
    {
        for (var slab = slabBegin; slab < slabEnd; slab++)
        {
            for (var g = 0; g < _groupCount; g += BlockGroups)
                packer.Pack(slab, g, Math.Min(BlockGroups, _groupCount - g), slabs + (slab * _slabBytes) + (g / BlockGroups * _blockBytes));
        }
    }

    /// <inheritdoc/>
    public override void Multiply(IntegerKernel kernel, QuantizedRows x, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        CheckRange(tokenCount, rowBegin, rowEnd);
        switch (kernel)
        {
            case IntegerKernel.Bits512:
                Multiply<Bytes512, Vector512<byte>, Lanes512, Vector512<float>>(x, tokenCount, y, yStride, rowBegin, rowEnd);
                break;
            case IntegerKernel.Dot256:
                Multiply<Dot256, Vector256<byte>, Lanes256, Vector256<float>>(x, tokenCount, y, yStride, rowBegin, rowEnd);
                break;
            case IntegerKernel.Bits256:
                Multiply<Bytes256, Vector256<byte>, Lanes256, Vector256<float>>(x, tokenCount, y, yStride, rowBegin, rowEnd);
                break;
            case IntegerKernel.Bits128:
                Multiply<Bytes128, Vector128<byte>, Lanes128, Vector128<float>>(x, tokenCount, y, yStride, rowBegin, rowEnd);
                break;
            case IntegerKernel.Dot128:
                Multiply<Dot128, Vector128<byte>, Lanes128, Vector128<float>>(x, tokenCount, y, yStride, rowBegin, rowEnd);
                break;
            default:
                Scalar(x, tokenCount, y, yStride, rowBegin, rowEnd);
                break;
        }
    }

    /// <inheritdoc/>
    public override void DequantizeRow(int row, float* y)
    {
        CheckRange(0, row, row + 1);
        ScalarRow(row, y);
    }

    internal override void ScalarRow(int row, float* y)
    {
        var room = stackalloc byte[RoomBytes];
        var (p, r) = (row % SlabRows / PanelRows, row % PanelRows);
        for (var first = 0; first < _groupCount; first += BlockGroups)
        {
            var block = Block(row / SlabRows, first, room);
            for (var k = 0; k < 2 * GroupsAt(first); k++)
            {
                var (scale, zero, minimum, _, _) = scales.At(block + (p * _scaleBytes), r, k / 2, k % 2);
                for (var i = 16 * (k % 2); i < 16 * ((k % 2) + 1); i++)
                {
                    var value = (TCodes.Code(CodesAt(block, p, k / 2), r, i) - zero) * scale;
                    y[((first + (k / 2)) * QuantizedRows.GroupSize) + i] = TScales.HasMinima ? value + minimum : value;
                }
            }
        }
    }

    /// <summary>The definition.</summary>
    private void Scalar(QuantizedRows x, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        var room = stackalloc byte[RoomBytes];
        for (var row = rowBegin; row < rowEnd; row++)
        {
            for (var t = 0; t < tokenCount; t++) y[((long)t * yStride) + row] = 0;
            for (var first = 0; first < _groupCount; first += BlockGroups)
            {
                var block = Block(row / SlabRows, first, room);
                for (var t = 0; t < tokenCount; t++)
                    y[((long)t * yStride) + row] = AddBlock(block, row, GroupsAt(first), x.Data + (t * x.RowBytes) + ((long)first * QuantizedRows.GroupBytes), y[((long)t * yStride) + row]);
            }
        }
    }

    private float AddBlock(byte* block, int row, int groupCount, byte* activations, float sum)
    {
        var (p, r) = (row % SlabRows / PanelRows, row % PanelRows);
        var partCount = TScales.HasHalves ? 2 : 1;
        for (var g = 0; g < groupCount; g++, activations += QuantizedRows.GroupBytes)
        {
            for (var part = 0; part < partCount; part++)
            {
                var scale = scales.At(block + (p * _scaleBytes), r, g, part);
                var whole = 0;
                for (var i = QuantizedRows.GroupSize / partCount * part; i < QuantizedRows.GroupSize / partCount * (part + 1); i++)
                    whole += (TCodes.Code(CodesAt(block, p, g), r, i) - scale.TileZero) * (sbyte)activations[i];
                sum += whole * scale.Scale * *(float*)(activations + QuantizedRows.ScaleOffset);
                if (TScales.HasMinima) sum += scale.TileMinimum * *(float*)(activations + QuantizedRows.ScaledSumOffset);
            }
        }

        return sum;
    }

    private void Multiply<TBytes, TByteVector, TLanes, TVector>(QuantizedRows x, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        if (rowBegin == rowEnd) return;
        if (tokenCount < UnpackFromTokens)
        {
            FewTokens<TBytes, TByteVector, TLanes, TVector>(x, tokenCount, y, yStride, rowBegin, rowEnd);
            return;
        }

        for (var slab = rowBegin / SlabRows; slab <= (rowEnd - 1) / SlabRows; slab++)
            ManyTokens<TBytes, TByteVector, TLanes, TVector>(slab, x, tokenCount, y, yStride, rowBegin, rowEnd);
    }

    [SkipLocalsInit]
    private void FewTokens<TBytes, TByteVector, TLanes, TVector>(QuantizedRows x, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        const int RecordBytes = BlockGroups * ITileScales.RecordBytes, SumBytes = UnpackFromTokens * IntegerTiles.SumStride * sizeof(float);
        var room = stackalloc byte[64 + (2 * RecordBytes) + SumBytes + RoomBytes];
        var records = (byte*)(((nint)room + 63) & ~63);
        var sums = (float*)(records + (2 * RecordBytes));
        scales.Prepare(records, 2 * BlockGroups, TBytes.TakesWholeBytes);
        for (var slab = rowBegin / SlabRows; slab <= (rowEnd - 1) / SlabRows; slab++)
        {
            new Span<float>(sums, ((tokenCount + 3) & ~3) * IntegerTiles.SumStride).Clear();
            for (var g = 0; g < _groupCount; g += BlockGroups)
            {
                var groups = GroupsAt(g);
                var block = Block(slab, g, records + (2 * RecordBytes) + SumBytes);
                Expand<TLanes, TVector>(block, groups, records);
                Tiles<TBytes, TByteVector, TLanes, TVector, TCodes>(
                    CodesAt(block, 0, 0), TCodes.GroupBytes, records, x, g, tokenCount, groups, sums, Slabs == null ? 0 : BytesAhead);
            }

            CopySums(sums, slab, tokenCount, y, yStride, rowBegin, rowEnd);
        }
    }

    [SkipLocalsInit]
    private void ManyTokens<TBytes, TByteVector, TLanes, TVector>(int slab, QuantizedRows x, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        const int RecordBytes = BlockGroups * ITileScales.RecordBytes, CodeBytes = 2 * BlockGroups * WholeBytes.ByteCount;
        const int SumBytes = TokenBlock * IntegerTiles.SumStride * sizeof(float);
        var room = stackalloc byte[64 + (2 * RecordBytes) + CodeBytes + SumBytes + RoomBytes];
        var records = (byte*)(((nint)room + 63) & ~63);
        var unpacked = records + (2 * RecordBytes);
        var sums = (float*)(unpacked + CodeBytes);
        scales.Prepare(records, 2 * BlockGroups, TBytes.TakesWholeBytes);
        for (var t = 0; t < tokenCount; t += TokenBlock)
        {
            var tokens = Math.Min(TokenBlock, tokenCount - t);
            new Span<float>(sums, ((tokens + 3) & ~3) * IntegerTiles.SumStride).Clear();
            for (var g = 0; g < _groupCount; g += BlockGroups)
            {
                var groups = GroupsAt(g);
                var block = Block(slab, g, unpacked + CodeBytes + SumBytes);
                Expand<TLanes, TVector>(block, groups, records);
                if (TCodes.Bits < 8)
                {
                    Unpack<TBytes, TByteVector, TVector>(CodesAt(block, 0, 0), 2 * groups, unpacked);
                    Tiles<TBytes, TByteVector, TLanes, TVector, WholeBytes>(unpacked, WholeBytes.ByteCount, records, x.From(t), g, tokens, groups, sums, ahead: 0);
                }
                else
                {
                    Tiles<TBytes, TByteVector, TLanes, TVector, TCodes>(CodesAt(block, 0, 0), TCodes.GroupBytes, records, x.From(t), g, tokens, groups, sums, ahead: 0);
                }
            }

            CopySums(sums, slab, tokens, y + ((long)t * yStride), yStride, rowBegin, rowEnd);
        }
    }

    /// <summary>The records of both panels of a block. Memory is asked for as far ahead of scales as of codes: a gap between what is asked for would be waited for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Expand<TLanes, TVector>(byte* block, int groupCount, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        if (Slabs != null) IntegerTiles.Prefetch(block + BytesAhead, 2 * _scaleBytes);
        for (var p = 0; p < 2; p++) scales.Expand<TLanes, TVector>(block + (p * _scaleBytes), groupCount, records + (p * BlockGroups * ITileScales.RecordBytes));
    }

    /// <summary>All tokens times a block: both panels at once where a vector has 16 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tiles<TBytes, TByteVector, TLanes, TVector, TVectors>(
        byte* codes, int groupBytes, byte* records, QuantizedRows x, int group, int tokenCount, int groupCount, float* sums, nint ahead)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TVectors : struct, ICodeVectors
    {
        const int RecordBytes = BlockGroups * ITileScales.RecordBytes;
        if (TBytes.ByteCount == 64)
        {
            Tokens<TBytes, TByteVector, TLanes, TVector, TVectors>(
                codes, codes + groupBytes, records, records + RecordBytes, x, group, tokenCount, groupCount, sums, PanelRows, ahead);
            return;
        }

        for (var p = 0; p < 2; p++)
        {
            for (var part = 0; part < 64; part += 2 * TBytes.ByteCount)
            {
                var next = part + TBytes.ByteCount;
                var panelCodes = codes + (p * groupBytes);
                var panelRecords = records + (p * RecordBytes);
                Tokens<TBytes, TByteVector, TLanes, TVector, TVectors>(
                    panelCodes + part, panelCodes + next, panelRecords + part, panelRecords + next, x, group, tokenCount, groupCount,
                    sums + (p * PanelRows) + (part / 4), TBytes.ByteCount / 4, p == 0 && part == 0 ? ahead : 0);
            }
        }
    }

    private static void Tokens<TBytes, TByteVector, TLanes, TVector, TVectors>(
        byte* codes0, byte* codes1, byte* records0, byte* records1, QuantizedRows x, int group, int tokenCount, int groupCount, float* sums, int second, nint ahead)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TVectors : struct, ICodeVectors
    {
        var isSplit = TCodes.Bits == 8 && !TBytes.TakesWholeBytes;
        var x0 = x.Data + ((long)group * QuantizedRows.GroupBytes);
        if (tokenCount == 1)
        {
            if (isSplit) IntegerByteTiles.OneToken<TBytes, TByteVector, TLanes, TVector>(codes0, codes1, records0, records1, x0, groupCount, sums, second, ahead);
            else IntegerTiles.OneToken<TBytes, TByteVector, TLanes, TVector, TVectors, TScales>(codes0, codes1, records0, records1, x0, groupCount, sums, second, ahead);
            return;
        }

        for (var t = 0; t < tokenCount; t += 4, ahead = 0)
        {
            // Missing tokens are the last one again; their sums are not read.
            byte* a = x0 + (t * x.RowBytes), b = x0 + (Math.Min(t + 1, tokenCount - 1) * x.RowBytes);
            byte* c = x0 + (Math.Min(t + 2, tokenCount - 1) * x.RowBytes), d = x0 + (Math.Min(t + 3, tokenCount - 1) * x.RowBytes);
            var s = sums + (t * IntegerTiles.SumStride);
            if (isSplit)
                IntegerByteTiles.FourTokens<TBytes, TByteVector, TLanes, TVector>(codes0, codes1, records0, records1, a, b, c, d, groupCount, s, second, ahead);
            else
                IntegerTiles.FourTokens<TBytes, TByteVector, TLanes, TVector, TVectors, TScales>(codes0, codes1, records0, records1, a, b, c, d, groupCount, s, second, ahead);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Unpack<TBytes, TByteVector, TVector>(byte* codes, int groupCount, byte* target)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TVector : struct
    {
        for (var g = 0; g < groupCount; g++, codes += TCodes.GroupBytes)
        {
            // What the next block needs comes while this one is multiplied.
            for (var b = 0; b < TCodes.GroupBytes && Sse.IsSupported; b += 64) Sse.Prefetch0(codes + BytesAhead + b);
            for (nint k = 0; k < 4; k++, target += 128)
            {
                for (var part = 0; part < 64; part += TBytes.ByteCount)
                {
                    TBytes.Store(target + part, TCodes.Even<TBytes, TByteVector, TVector>(codes + part, k));
                    TBytes.Store(target + 64 + part, TCodes.Odd<TBytes, TByteVector, TVector>(codes + part, k));
                }
            }
        }
    }

    private static void CopySums(float* sums, int slab, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        var first = slab * SlabRows;
        int begin = Math.Max(rowBegin, first), end = Math.Min(rowEnd, first + SlabRows);
        for (var t = 0; t < tokenCount; t++)
            new Span<float>(sums + (t * IntegerTiles.SumStride) + (begin - first), end - begin).CopyTo(new Span<float>(y + ((long)t * yStride) + begin, end - begin));
    }

    private static long BlockBytesOf(TScales scales, int groupCount) => 2L * (ScaleBytesOf(scales) + (groupCount * TCodes.GroupBytes));

    private static long SlabBytesOf(TScales scales, int columns)
    {
        var groups = columns / QuantizedRows.GroupSize;
        var rest = groups % BlockGroups;
        return (groups / BlockGroups * BlockBytesOf(scales, BlockGroups)) + (rest == 0 ? 0 : BlockBytesOf(scales, rest));
    }

    /// <summary>Groups of the block that begins at a group.</summary>
    private int GroupsAt(int group) => Math.Min(BlockGroups, _groupCount - group);

    /// <summary>A block: where it lies, or made in <paramref name="room"/> of <see cref="RoomBytes"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* Block(int slab, int group, byte* room)
    {
        if (Slabs != null) return Slabs + (slab * _slabBytes) + (group / BlockGroups * _blockBytes);
        room = (byte*)(((nint)room + 63) & ~63);
        packer.Pack(slab, group, GroupsAt(group), room);
        return room;
    }

    private byte* CodesAt(byte* block, int panel, int group) => block + (2 * _scaleBytes) + (((2 * group) + panel) * TCodes.GroupBytes);
}
