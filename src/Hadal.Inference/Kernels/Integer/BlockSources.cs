using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Formats;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>Nibbles of 32 elements: the first 16 low, the others high.</summary>
internal static unsafe class NibbleBlock
{
    /// <summary>Codes without fifth bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ReadCodes(byte* nibbles, byte* codes)
    {
        var bytes = Vector128.Load(nibbles);
        Codes.LowNibbles(bytes).Store(codes);
        Codes.HighNibbles(bytes).Store(codes + 16);
    }

    /// <summary>Codes with fifth bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ReadCodes(byte* nibbles, uint fifthBits, byte* codes)
    {
        var bytes = Vector128.Load(nibbles);
        (Codes.LowNibbles(bytes) | Codes.FifthBits(fifthBits & 0xFFFF)).Store(codes);
        (Codes.HighNibbles(bytes) | Codes.FifthBits(fifthBits >> 16)).Store(codes + 16);
    }

    /// <summary>Copies one half to a panel with <paramref name="stride"/> bytes per block.</summary>
    public static void CopyHalf(byte* source, byte* scales, int blockIndex, int stride, int row) =>
        *(ushort*)(scales + (blockIndex * stride) + (2 * row)) = Unsafe.ReadUnaligned<ushort>(source);
}

internal readonly unsafe struct Q4_0Source : IBlockSource
{
    public static DType DType => DType.Q4_0;

    public static void ReadCodes(byte* block, int groupOfBlock, byte* codes) => NibbleBlock.ReadCodes(block + 2, codes);

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales) => NibbleBlock.CopyHalf(block, scales, blockIndex, 32, row);
}

internal readonly unsafe struct Q4_1Source : IBlockSource
{
    public static DType DType => DType.Q4_1;

    public static void ReadCodes(byte* block, int groupOfBlock, byte* codes) => NibbleBlock.ReadCodes(block + 4, codes);

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales)
    {
        NibbleBlock.CopyHalf(block, scales, blockIndex, 64, row);
        NibbleBlock.CopyHalf(block + 2, scales + 32, blockIndex, 64, row);
    }
}

internal readonly unsafe struct Q5_0Source : IBlockSource
{
    public static DType DType => DType.Q5_0;

    public static void ReadCodes(byte* block, int groupOfBlock, byte* codes) => NibbleBlock.ReadCodes(block + 6, Unsafe.ReadUnaligned<uint>(block + 2), codes);

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales) => NibbleBlock.CopyHalf(block, scales, blockIndex, 32, row);
}

internal readonly unsafe struct Q5_1Source : IBlockSource
{
    public static DType DType => DType.Q5_1;

    public static void ReadCodes(byte* block, int groupOfBlock, byte* codes) => NibbleBlock.ReadCodes(block + 8, Unsafe.ReadUnaligned<uint>(block + 4), codes);

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales) => Q4_1Source.ReadScales(block, blockIndex, row, scales);
}

internal readonly unsafe struct Q8_0Source : IBlockSource
{
    public static DType DType => DType.Q8_0;

    public static void ReadCodes(byte* block, int groupOfBlock, byte* codes)
    {
        var flip = Vector128.Create((byte)128);
        (Vector128.Load(block + 2) ^ flip).Store(codes);
        (Vector128.Load(block + 18) ^ flip).Store(codes + 16);
    }

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales) => NibbleBlock.CopyHalf(block, scales, blockIndex, 32, row);
}

internal readonly unsafe struct Q4_KSource : IBlockSource
{
    public static DType DType => DType.Q4_K;

    public static void ReadCodes(byte* block, int groupOfBlock, byte* codes)
    {
        var nibbles = block + 16 + (groupOfBlock / 2 * 32);
        Vector128<byte> first = Vector128.Load(nibbles), second = Vector128.Load(nibbles + 16);
        (groupOfBlock % 2 == 0 ? Codes.LowNibbles(first) : Codes.HighNibbles(first)).Store(codes);
        (groupOfBlock % 2 == 0 ? Codes.LowNibbles(second) : Codes.HighNibbles(second)).Store(codes + 16);
    }

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales)
    {
        NibbleBlock.CopyHalf(block, scales, blockIndex, SuperScalesWithMinima.SuperBytes, row);
        NibbleBlock.CopyHalf(block + 2, scales + 32, blockIndex, SuperScalesWithMinima.SuperBytes, row);
        var bytes = scales + (blockIndex * SuperScalesWithMinima.SuperBytes) + 64 + row;
        for (var sub = 0; sub < 8; sub++)
        {
            bytes[32 * sub] = (byte)KScales.Scale(block + 4, sub);
            bytes[(32 * sub) + 16] = (byte)KScales.Minimum(block + 4, sub);
        }
    }
}

internal readonly unsafe struct Q5_KSource : IBlockSource
{
    public static DType DType => DType.Q5_K;

    public static void ReadCodes(byte* block, int groupOfBlock, byte* codes)
    {
        Q4_KSource.ReadCodes(block + 32, groupOfBlock, codes);
        for (var part = 0; part < 32; part += 16)
        {
            var fifth = (Vector128.Load(block + 16 + part) >>> groupOfBlock) & Vector128.Create((byte)1);
            (Vector128.Load(codes + part) | (fifth << 4)).Store(codes + part);
        }
    }

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales) => Q4_KSource.ReadScales(block, blockIndex, row, scales);
}

internal readonly unsafe struct Q6_KSource : IBlockSource
{
    public static DType DType => DType.Q6_K;

    public static void ReadCodes(byte* block, int groupOfBlock, byte* codes)
    {
        int half = groupOfBlock / 4, quarter = groupOfBlock % 4;
        for (var part = 0; part < 32; part += 16)
        {
            var low = Vector128.Load(block + (64 * half) + (32 * (quarter & 1)) + part);
            low = quarter < 2 ? Codes.LowNibbles(low) : Codes.HighNibbles(low);
            var high = (Vector128.Load(block + 128 + (32 * half) + part) >>> (2 * quarter)) & Vector128.Create((byte)3);
            (low | (high << 4)).Store(codes + part);
        }
    }

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales)
    {
        NibbleBlock.CopyHalf(block + 208, scales, blockIndex, SuperScalesOfHalves.SuperBytes, row);
        var bytes = scales + (blockIndex * SuperScalesOfHalves.SuperBytes) + 32 + row;
        for (var part = 0; part < 16; part++) bytes[16 * part] = block[192 + part];
    }
}
