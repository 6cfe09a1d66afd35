using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Formats;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>A stored matrix as tiles are filled from it.</summary>
internal unsafe interface ITileSource
{
    /// <summary>Codes of 32 columns of some rows.</summary>
    /// <param name="row">First row; a multiple of 16.</param>
    /// <param name="rowCount">1 to 16.</param>
    /// <param name="group">Group of 32 columns.</param>
    /// <param name="codes">[8, 16, 4]: columns 4j to 4j + 3 of every row; rows that are not there are left alone.</param>
    void ReadCodes(int row, int rowCount, int group, byte* codes);

    /// <summary>The scales of a block of some rows, as the tile keeps them; rows that are not there are left alone.</summary>
    /// <param name="row">First row; a multiple of 16.</param>
    /// <param name="rowCount">1 to 16.</param>
    /// <param name="group">First group of the block; a multiple of 16.</param>
    /// <param name="groupCount">Groups of the block, 1 to 16.</param>
    /// <param name="scales">Scales of the block.</param>
    void ReadScales(int row, int rowCount, int group, int groupCount, byte* scales);
}

/// <summary>A block format as tiles are filled from it.</summary>
internal unsafe interface IBlockSource
{
    /// <summary>The format.</summary>
    static abstract DType DType { get; }

    /// <summary>32 codes, one per byte.</summary>
    static abstract void ReadCodes(byte* block, int groupOfBlock, byte* codes);

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

    public void ReadCodes(int row, int rowCount, int group, byte* codes)
    {
        var block = data + ((((long)row * _blockCount) + (group / GroupsPerBlock)) * BlockBytes);
        var words = stackalloc uint[8];
        for (var r = 0; r < rowCount; r++, block += (long)_blockCount * BlockBytes)
        {
            TBlock.ReadCodes(block, group % GroupsPerBlock, (byte*)words);
            for (var j = 0; j < 8; j++) ((uint*)codes)[(16 * j) + r] = words[j];
        }
    }

    public void ReadScales(int row, int rowCount, int group, int groupCount, byte* scales)
    {
        for (var r = 0; r < rowCount; r++)
        {
            var block = data + ((((long)(row + r) * _blockCount) + (group / GroupsPerBlock)) * BlockBytes);
            for (var b = 0; b < groupCount / GroupsPerBlock; b++, block += BlockBytes) TBlock.ReadScales(block, b, r, scales);
        }
    }
}

/// <summary>AWQ: codes run along the outputs, so four inputs at a time are turned into words of one output.</summary>
internal readonly unsafe struct AwqSource(uint* codes, uint* zeros, byte* halfScales, int groupSize, int rows) : ITileSource
{
    private static ReadOnlySpan<byte> NibbleOf => [0, 4, 1, 5, 2, 6, 3, 7];

    public void ReadCodes(int row, int rowCount, int group, byte* target)
    {
        for (var j = 0; j < 8; j++, target += 64)
        {
            var words = codes + (((((long)group * QuantizedRows.GroupSize) + (4 * j)) * (rows / 8)) + (row / 8));
            Vector128<byte> a = Outputs(words, rowCount), b = Outputs(words + (rows / 8), rowCount);
            Vector128<byte> c = Outputs(words + (2 * (rows / 8)), rowCount), d = Outputs(words + (3 * (rows / 8)), rowCount);
            for (var half = 0; half < 2; half++)
            {
                Vector128<ushort> ab = Widen(a, half) | (Widen(b, half) << 8), cd = Widen(c, half) | (Widen(d, half) << 8);
                (Vector128.WidenLower(ab) | (Vector128.WidenLower(cd) << 16)).AsByte().Store(target + (32 * half));
                (Vector128.WidenUpper(ab) | (Vector128.WidenUpper(cd) << 16)).AsByte().Store(target + (32 * half) + 16);
            }
        }

        static Vector128<ushort> Widen(Vector128<byte> value, int half) => half == 0 ? Vector128.WidenLower(value) : Vector128.WidenUpper(value);
    }

    public void ReadScales(int row, int rowCount, int group, int groupCount, byte* scales)
    {
        var first = group * QuantizedRows.GroupSize / groupSize;
        for (var index = first; index < (group + groupCount) * QuantizedRows.GroupSize / groupSize; index++, scales += HalfScalesWithZeros.ScaleBytes)
        {
            for (var r = 0; r < rowCount; r++)
            {
                ((ushort*)scales)[r] = Unsafe.ReadUnaligned<ushort>(halfScales + (2 * (((long)index * rows) + row + r)));
                scales[32 + r] = (byte)((zeros[((long)index * (rows / 8)) + ((row + r) / 8)] >> (NibbleOf[r % 8] * 4)) & 15);
            }
        }
    }

    /// <summary>Codes of 16 outputs, or of 8 where the matrix ends.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Outputs(uint* words, int rowCount)
    {
        if (rowCount > 8) return AwqMatrix.Sixteen(words);
        ulong pair = words[0];
        return AwqMatrix.Sixteen((uint*)&pair);
    }
}
