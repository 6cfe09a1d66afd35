using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>A matrix in panels of 16 rows: the codes of a panel, group after group of 32 columns, and behind them its scales.</summary>
/// <remarks>One or a few tokens read the codes as they are stored, panel after panel, which is one stream of memory. Many tokens share blocks of
/// two panels × 512 columns that are unpacked to bytes in the first-level cache. Rows that fill up the last panel are zero.</remarks>
/// <param name="panels">[ceil(rows / 16), <see cref="PanelBytesOf"/>], 64-byte aligned; kept alive by the caller.</param>
/// <param name="scales">How scales are kept.</param>
/// <param name="rows">Outputs.</param>
/// <param name="columns">Inputs; a multiple of 32.</param>
/// <param name="dtype">Format the weights came in.</param>
internal sealed unsafe class TileMatrix<TCodes, TScales>(byte* panels, TScales scales, int rows, int columns, DType dtype) : IntegerMatrix(rows, columns, dtype)
    where TCodes : struct, ITileCodes
    where TScales : struct, ITileScales
{
    /// <summary>Groups of a block: 512 columns.</summary>
    private const int BlockGroups = 16;

    /// <summary>Tokens that share the unpacking of a block. Their sums take at most 32 KiB.</summary>
    private const int TokenBlock = 256;

    /// <summary>Tokens from which unpacking pays.</summary>
    private const int UnpackFromTokens = 8;

    private const int PanelRows = IntegerTiles.PanelRows;

    private readonly int _groupCount = columns / QuantizedRows.GroupSize;
    private readonly long _codeBytes = (long)columns / QuantizedRows.GroupSize * TCodes.GroupBytes;
    private readonly long _panelBytes = PanelBytesOf(scales, columns);

    /// <inheritdoc/>
    public override byte* Data => panels;

    /// <summary>Bytes of a panel.</summary>
    public static long PanelBytesOf(TScales scales, int columns)
    {
        var groups = columns / QuantizedRows.GroupSize;
        return (((long)groups * TCodes.GroupBytes) + scales.BytesOf(groups) + 63) & ~63L;
    }

    /// <summary>Bytes of all panels.</summary>
    public static long BytesOf(TScales scales, int rows, int columns) => ((long)rows + PanelRows - 1) / PanelRows * PanelBytesOf(scales, columns);

    /// <summary>Fills panels from a source.</summary>
    public void Pack<TSource>(TSource source, int panelBegin, int panelEnd)
        where TSource : struct, ITileSource
    {
        var codes = stackalloc byte[512];
        for (var panel = panelBegin; panel < panelEnd; panel++)
        {
            var target = panels + (panel * _panelBytes);
            new Span<byte>(target + _codeBytes, (int)(_panelBytes - _codeBytes)).Clear();
            var rowCount = Math.Min(PanelRows, Rows - (panel * PanelRows));
            if (rowCount < PanelRows) new Span<byte>(codes, 512).Clear();
            for (var g = 0; g < _groupCount; g++)
            {
                source.ReadCodes(panel * PanelRows, rowCount, g, codes);
                TCodes.Pack(codes, target + ((long)g * TCodes.GroupBytes));
            }

            source.ReadScales(panel * PanelRows, rowCount, target + _codeBytes);
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
        byte* panel = panels + (row / PanelRows * _panelBytes), panelScales = panel + _codeBytes;
        var r = row % PanelRows;
        for (var k = 0; k < Columns; k += 16)
        {
            var (scale, zero, minimum, _, _) = scales.At(panelScales, r, k / QuantizedRows.GroupSize, k / 16 % 2);
            var group = panel + ((long)k / QuantizedRows.GroupSize * TCodes.GroupBytes);
            for (var i = 0; i < 16; i++)
            {
                var value = (TCodes.Code(group, r, (k % QuantizedRows.GroupSize) + i) - zero) * scale;
                y[k + i] = TScales.HasMinima ? value + minimum : value;
            }
        }
    }

    /// <summary>The definition.</summary>
    private void Scalar(QuantizedRows x, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        var partColumns = TScales.HasHalves ? 16 : QuantizedRows.GroupSize;
        for (var row = rowBegin; row < rowEnd; row++)
        {
            byte* panel = panels + (row / PanelRows * _panelBytes), panelScales = panel + _codeBytes;
            var r = row % PanelRows;
            for (var t = 0; t < tokenCount; t++)
            {
                var sum = 0f;
                for (var k = 0; k < Columns; k += partColumns)
                {
                    var g = k / QuantizedRows.GroupSize;
                    var activations = x.Data + (t * x.RowBytes) + ((long)g * QuantizedRows.GroupBytes);
                    var scale = scales.At(panelScales, r, g, k / 16 % 2);
                    var whole = 0;
                    for (var i = k % QuantizedRows.GroupSize; i < (k % QuantizedRows.GroupSize) + partColumns; i++)
                        whole += (TCodes.Code(panel + ((long)g * TCodes.GroupBytes), r, i) - scale.TileZero) * (sbyte)activations[i];
                    sum += whole * scale.Scale * *(float*)(activations + QuantizedRows.ScaleOffset);
                    if (TScales.HasMinima) sum += scale.TileMinimum * *(float*)(activations + QuantizedRows.ScaledSumOffset);
                }

                y[((long)t * yStride) + row] = sum;
            }
        }
    }

    private void Multiply<TBytes, TByteVector, TLanes, TVector>(QuantizedRows x, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        if (rowBegin == rowEnd) return;
        var panelsAtOnce = TBytes.ByteCount == 64 ? 2 : 1;
        int panelBegin = rowBegin / PanelRows, panelEnd = ((rowEnd - 1) / PanelRows) + 1;
        for (var panel = panelBegin; panel < panelEnd; panel += panelsAtOnce)
        {
            var count = Math.Min(panelsAtOnce, panelEnd - panel);
            if (tokenCount >= UnpackFromTokens) ManyTokens<TBytes, TByteVector, TLanes, TVector>(panel, count, x, tokenCount, y, yStride, rowBegin, rowEnd);
            else FewTokens<TBytes, TByteVector, TLanes, TVector>(panel, count, x, tokenCount, y, yStride, rowBegin, rowEnd);
        }
    }

    [SkipLocalsInit]
    private void FewTokens<TBytes, TByteVector, TLanes, TVector>(
        int panel, int panelCount, QuantizedRows x, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        const int RecordBytes = BlockGroups * ITileScales.RecordBytes, SumBytes = 4 * IntegerTiles.SumStride * sizeof(float);
        var room = stackalloc byte[64 + (2 * RecordBytes) + SumBytes];
        var records = (byte*)(((nint)room + 63) & ~63);
        var sums = (float*)(records + (2 * RecordBytes));
        scales.Prepare(records, 2 * BlockGroups, TBytes.TakesWholeBytes);
        for (var t = 0; t < tokenCount; t += 4)
        {
            new Span<float>(sums, 4 * IntegerTiles.SumStride).Clear();
            for (var g = 0; g < _groupCount; g += BlockGroups)
            {
                var groups = Math.Min(BlockGroups, _groupCount - g);
                var isLast = g + BlockGroups >= _groupCount;
                var ahead = isLast ? (panelCount * _panelBytes) - ((long)g * TCodes.GroupBytes) : (long)BlockGroups * TCodes.GroupBytes;
                var nextScales = PanelAt(isLast ? panel + panelCount : panel) + _codeBytes + scales.BytesOf(isLast ? 0 : g + BlockGroups);
                IntegerTiles.Prefetch(nextScales, nextScales + _panelBytes, (int)scales.BytesOf(BlockGroups));
                for (var p = 0; p < panelCount; p++)
                    scales.Expand<TLanes, TVector>(PanelAt(panel + p) + _codeBytes, g, groups, records + (p * RecordBytes));
                var codes = PanelAt(panel) + ((long)g * TCodes.GroupBytes);
                Tiles<TBytes, TByteVector, TLanes, TVector, TCodes>(
                    codes, panelCount == 2 ? _panelBytes : 0, records, panelCount == 2 ? RecordBytes : 0, x.From(t), g, Math.Min(4, tokenCount - t), groups, sums, (nint)ahead);
            }

            CopySums(sums, panel, panelCount, Math.Min(4, tokenCount - t), y + ((long)t * yStride), yStride, rowBegin, rowEnd);
        }
    }

    [SkipLocalsInit]
    private void ManyTokens<TBytes, TByteVector, TLanes, TVector>(
        int panel, int panelCount, QuantizedRows x, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        const int RecordBytes = BlockGroups * ITileScales.RecordBytes, CodeBytes = BlockGroups * 512;
        const int SumBytes = TokenBlock * IntegerTiles.SumStride * sizeof(float);
        var room = stackalloc byte[64 + (2 * RecordBytes) + (2 * CodeBytes) + SumBytes];
        var records = (byte*)(((nint)room + 63) & ~63);
        var unpacked = records + (2 * RecordBytes);
        var sums = (float*)(unpacked + (2 * CodeBytes));
        scales.Prepare(records, 2 * BlockGroups, TBytes.TakesWholeBytes);
        for (var t = 0; t < tokenCount; t += TokenBlock)
        {
            var tokens = Math.Min(TokenBlock, tokenCount - t);
            new Span<float>(sums, ((tokens + 3) & ~3) * IntegerTiles.SumStride).Clear();
            for (var g = 0; g < _groupCount; g += BlockGroups)
            {
                var groups = Math.Min(BlockGroups, _groupCount - g);
                var codes = PanelAt(panel) + ((long)g * TCodes.GroupBytes);
                for (var p = 0; p < panelCount; p++)
                {
                    scales.Expand<TLanes, TVector>(PanelAt(panel + p) + _codeBytes, g, groups, records + (p * RecordBytes));
                    if (TCodes.Bits < 8) Unpack<TBytes, TByteVector, TVector>(codes + (p * _panelBytes), groups, unpacked + (p * CodeBytes));
                }

                if (TCodes.Bits < 8)
                {
                    Tiles<TBytes, TByteVector, TLanes, TVector, UnpackedBytes>(
                        unpacked, panelCount == 2 ? CodeBytes : 0, records, panelCount == 2 ? RecordBytes : 0, x.From(t), g, tokens, groups, sums, 0);
                }
                else
                {
                    Tiles<TBytes, TByteVector, TLanes, TVector, TCodes>(
                        codes, panelCount == 2 ? _panelBytes : 0, records, panelCount == 2 ? RecordBytes : 0, x.From(t), g, tokens, groups, sums, 0);
                }
            }

            CopySums(sums, panel, panelCount, tokens, y + ((long)t * yStride), yStride, rowBegin, rowEnd);
        }
    }

    /// <summary>All tokens times a block of one panel, or of two where a vector has 16 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tiles<TBytes, TByteVector, TLanes, TVector, TVectors>(
        byte* codes, long nextCodes, byte* records, long nextRecords, QuantizedRows x, int group, int tokenCount, int groupCount, float* sums, nint ahead)
        where TBytes : struct, IByteLanes<TByteVector, TVector>
        where TByteVector : struct
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TVectors : struct, ICodeVectors
    {
        if (TBytes.ByteCount == 64)
        {
            Tokens<TBytes, TByteVector, TLanes, TVector, TVectors>(
                codes, codes + nextCodes, records, records + nextRecords, x, group, tokenCount, groupCount, sums, PanelRows, ahead);
            return;
        }

        for (var part = 0; part < 64; part += 2 * TBytes.ByteCount)
        {
            var next = part + TBytes.ByteCount;
            Tokens<TBytes, TByteVector, TLanes, TVector, TVectors>(
                codes + part, codes + next, records + part, records + next, x, group, tokenCount, groupCount, sums + (part / 4), TBytes.ByteCount / 4, ahead);
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

        for (var t = 0; t < tokenCount; t += 4)
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

    private static void CopySums(float* sums, int panel, int panelCount, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        var first = panel * PanelRows;
        int begin = Math.Max(rowBegin, first), end = Math.Min(rowEnd, first + (panelCount * PanelRows));
        for (var t = 0; t < tokenCount; t++)
            new Span<float>(sums + (t * IntegerTiles.SumStride) + (begin - first), end - begin).CopyTo(new Span<float>(y + ((long)t * yStride) + begin, end - begin));
    }

    private byte* PanelAt(int panel) => panels + (panel * _panelBytes);
}
