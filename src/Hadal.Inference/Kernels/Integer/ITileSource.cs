using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Formats;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>A stored matrix as tiles are filled from it.</summary>
internal unsafe interface ITileSource
{
    /// <summary>Packs the codes of 32 columns of some rows; of rows that are not there nothing is said.</summary>
    /// <param name="row">First row; a multiple of 16.</param>
    /// <param name="rowCount">1 to 16.</param>
    /// <param name="group">Group of 32 columns.</param>
    /// <param name="packed">The group of the panel, see <see cref="ICodeVectors"/>.</param>
    void PackCodes<TCodes>(int row, int rowCount, int group, byte* packed)
        where TCodes : struct, ITileCodes;

    /// <summary>The scales of a block of some rows, as the tile keeps them; rows that are not there are left alone.</summary>
    /// <param name="row">First row; a multiple of 16.</param>
    /// <param name="rowCount">1 to 16.</param>
    /// <param name="group">First group of the block; a multiple of 16.</param>
    /// <param name="groupCount">Groups of the block, 1 to 16.</param>
    /// <param name="scales">Scales of the block.</param>
    void ReadScales(int row, int rowCount, int group, int groupCount, byte* scales);

    /// <summary>Asks memory for a part of what a block of some rows is made from; nobody waits, and nothing happens where a processor takes no hints.</summary>
    /// <param name="row">First row; a multiple of 16.</param>
    /// <param name="rowCount">1 to 16.</param>
    /// <param name="group">First group of the block; a multiple of 16.</param>
    /// <param name="groupCount">Groups of the block, 1 to 16.</param>
    /// <param name="part">0 to 15: all parts together are the block.</param>
    void WillNeed(int row, int rowCount, int group, int groupCount, int part);
}

/// <summary>A block format as tiles are filled from it.</summary>
internal unsafe interface IBlockSource
{
    /// <summary>The format.</summary>
    static abstract DType DType { get; }

    /// <summary>32 codes, one per byte.</summary>
    static abstract (Vector128<byte> First, Vector128<byte> Second) ReadCodes(byte* block, int groupOfBlock);

    /// <summary>The scales of a block of one row.</summary>
    /// <param name="block">The block.</param>
    /// <param name="blockIndex">Its index among the blocks of the format that <paramref name="scales"/> is for.</param>
    /// <param name="row">Row in the panel.</param>
    /// <param name="scales">Scales of 16 groups of the panel.</param>
    static abstract void ReadScales(byte* block, int blockIndex, int row, byte* scales);
}

/// <summary>Rows of blocks.</summary>
internal readonly unsafe struct BlockSource<TBlock>(byte* data, int columns) : ITileSource
    where TBlock : struct, IBlockSource
{
    private static readonly int BlockBytes = TBlock.DType.BlockBytes();
    private static readonly int GroupsPerBlock = TBlock.DType.BlockSize() / QuantizedRows.GroupSize;

    private readonly int _blockCount = columns / TBlock.DType.BlockSize();

    [SkipLocalsInit]
    public void PackCodes<TCodes>(int row, int rowCount, int group, byte* packed)
        where TCodes : struct, ITileCodes
    {
        var codes = stackalloc byte[WholeBytes.ByteCount];
        var block = data + ((((long)row * _blockCount) + (group / GroupsPerBlock)) * BlockBytes);
        var rowBytes = (long)_blockCount * BlockBytes;
        var ofBlock = group % GroupsPerBlock;
        for (var r = 0; r < IntegerTiles.PanelRows; r += 4)
        {
            // Rows that are not there are the last one again; nothing reads them.
            byte* b0 = block + (Math.Min(r, rowCount - 1) * rowBytes), b1 = block + (Math.Min(r + 1, rowCount - 1) * rowBytes);
            byte* b2 = block + (Math.Min(r + 2, rowCount - 1) * rowBytes), b3 = block + (Math.Min(r + 3, rowCount - 1) * rowBytes);
            var (a0, a1) = TBlock.ReadCodes(b0, ofBlock);
            var (c0, c1) = TBlock.ReadCodes(b1, ofBlock);
            var (d0, d1) = TBlock.ReadCodes(b2, ofBlock);
            var (e0, e1) = TBlock.ReadCodes(b3, ofBlock);
            Zip.StoreRows(a0, c0, d0, e0, codes + (4 * r));
            Zip.StoreRows(a1, c1, d1, e1, codes + 256 + (4 * r));
        }

        TCodes.Pack(codes, packed);
    }

    public void ReadScales(int row, int rowCount, int group, int groupCount, byte* scales)
    {
        for (var r = 0; r < rowCount; r++)
        {
            var block = data + ((((long)(row + r) * _blockCount) + (group / GroupsPerBlock)) * BlockBytes);
            for (var b = 0; b < groupCount / GroupsPerBlock; b++, block += BlockBytes) TBlock.ReadScales(block, b, r, scales);
        }
    }

    /// <inheritdoc/>
    /// <remarks>A part is a row.</remarks>
    public void WillNeed(int row, int rowCount, int group, int groupCount, int part)
    {
        if (part >= rowCount) return;
        var block = data + ((((long)(row + part) * _blockCount) + (group / GroupsPerBlock)) * BlockBytes);
        IntegerTiles.Prefetch(block, groupCount / GroupsPerBlock * BlockBytes);
    }
}

/// <summary>AWQ: codes run along the outputs, so four inputs at a time are turned into words of one output.</summary>
internal readonly unsafe struct AwqSource(uint* codes, uint* zeros, byte* halfScales, int groupSize, int rows) : ITileSource
{
    /// <inheritdoc/>
    /// <remarks>The eight nibbles of a word are outputs 0 2 4 6 1 3 5 7. Those of two inputs are joined to bytes as they are, those of four such pairs to words of an
    /// output, and these are put in order.</remarks>
    public void PackCodes<TCodes>(int row, int rowCount, int group, byte* packed)
        where TCodes : struct, ITileCodes
    {
        const ulong Low = 0x0F0F0F0F0F0F0F0F;
        var stride = rows / 8;
        var words = codes + ((long)group * QuantizedRows.GroupSize * stride) + (row / 8);
        for (var k = 0; k < 4; k++, words += 8L * stride, packed += 64)
        {
            ulong u0 = Two(words), u1 = Two(words + stride), u2 = Two(words + (2L * stride)), u3 = Two(words + (3L * stride));
            ulong v0 = Two(words + (4L * stride)), v1 = Two(words + (5L * stride)), v2 = Two(words + (6L * stride)), v3 = Two(words + (7L * stride));
            var (a0, a1) = Zip.Bytes((u0 & Low) | ((v0 & Low) << 4), (u1 & Low) | ((v1 & Low) << 4), (u2 & Low) | ((v2 & Low) << 4), (u3 & Low) | ((v3 & Low) << 4));
            var (b0, b1) = Zip.Bytes(((u0 >> 4) & Low) | (v0 & ~Low), ((u1 >> 4) & Low) | (v1 & ~Low), ((u2 >> 4) & Low) | (v2 & ~Low), ((u3 >> 4) & Low) | (v3 & ~Low));
            // Outputs 0 4 1 5 and 2 6 3 7.
            Store(Zip.Apart(a0, b0), packed);
            Store(Zip.Apart(a1, b1), packed + 32);
        }

        // 16 outputs, or 8 where the matrix ends.
        ulong Two(uint* at) => rowCount > 8 ? Unsafe.ReadUnaligned<ulong>(at) : *at;

        static void Store((Vector128<uint> Even, Vector128<uint> Odd) outputs, byte* target)
        {
            outputs.Even.AsByte().Store(target);
            outputs.Odd.AsByte().Store(target + 16);
        }
    }

    public void ReadScales(int row, int rowCount, int group, int groupCount, byte* scales)
    {
        var first = group * QuantizedRows.GroupSize / groupSize;
        for (var index = first; index < (group + groupCount) * QuantizedRows.GroupSize / groupSize; index++, scales += HalfScalesWithZeros.ScaleBytes)
        {
            Unsafe.CopyBlockUnaligned(scales, halfScales + (2 * (((long)index * rows) + row)), 2 * (uint)rowCount);
            var words = zeros + ((long)index * (rows / 8)) + (row / 8);
            var pair = rowCount > 8 ? Unsafe.ReadUnaligned<ulong>(words) : *words;
            AwqMatrix.Sixteen((uint*)&pair).Store(scales + 32);
        }
    }
    /// <inheritdoc/>
    /// <remarks>A part is a group. A line of memory holds the codes of 128 outputs for one input: eight panels share it.</remarks>
    public void WillNeed(int row, int rowCount, int group, int groupCount, int part)
    {
        if (part >= groupCount || row % 128 != 0 || !Sse.IsSupported) return;
        var stride = rows / 8;
        var words = codes + ((long)(group + part) * QuantizedRows.GroupSize * stride) + (row / 8);
        for (var input = 0; input < QuantizedRows.GroupSize; input++, words += stride) Sse.Prefetch0(words);
    }
}
