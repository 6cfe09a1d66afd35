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
    public static (Vector128<byte> First, Vector128<byte> Second) ReadCodes(byte* nibbles)
    {
        var bytes = Vector128.Load(nibbles);
        return (Codes.LowNibbles(bytes), Codes.HighNibbles(bytes));
    }

    /// <summary>Codes with fifth bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<byte> First, Vector128<byte> Second) ReadCodes(byte* nibbles, uint fifthBits)
    {
        var bytes = Vector128.Load(nibbles);
        return (Codes.LowNibbles(bytes) | Codes.FifthBits(fifthBits & 0xFFFF), Codes.HighNibbles(bytes) | Codes.FifthBits(fifthBits >> 16));
    }

    /// <summary>Copies one half to a panel with <paramref name="stride"/> bytes per block.</summary>
    public static void CopyHalf(byte* source, byte* scales, int blockIndex, int stride, int row) =>
        *(ushort*)(scales + (blockIndex * stride) + (2 * row)) = Unsafe.ReadUnaligned<ushort>(source);
}

internal readonly unsafe struct Q4_0Source : IBlockSource
{
    public static DType DType => DType.Q4_0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<byte> First, Vector128<byte> Second) ReadCodes(byte* block, int groupOfBlock) => NibbleBlock.ReadCodes(block + 2);

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales) => NibbleBlock.CopyHalf(block, scales, blockIndex, 32, row);
}

internal readonly unsafe struct Q4_1Source : IBlockSource
{
    public static DType DType => DType.Q4_1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<byte> First, Vector128<byte> Second) ReadCodes(byte* block, int groupOfBlock) => NibbleBlock.ReadCodes(block + 4);

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales)
    {
        NibbleBlock.CopyHalf(block, scales, blockIndex, 64, row);
        NibbleBlock.CopyHalf(block + 2, scales + 32, blockIndex, 64, row);
    }
}

internal readonly unsafe struct Q5_0Source : IBlockSource
{
    public static DType DType => DType.Q5_0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<byte> First, Vector128<byte> Second) ReadCodes(byte* block, int groupOfBlock) =>
        NibbleBlock.ReadCodes(block + 6, Unsafe.ReadUnaligned<uint>(block + 2));

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales) => NibbleBlock.CopyHalf(block, scales, blockIndex, 32, row);
}

internal readonly unsafe struct Q5_1Source : IBlockSource
{
    public static DType DType => DType.Q5_1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<byte> First, Vector128<byte> Second) ReadCodes(byte* block, int groupOfBlock) =>
        NibbleBlock.ReadCodes(block + 8, Unsafe.ReadUnaligned<uint>(block + 4));

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales) => Q4_1Source.ReadScales(block, blockIndex, row, scales);
}

internal readonly unsafe struct Q8_0Source : IBlockSource
{
    public static DType DType => DType.Q8_0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<byte> First, Vector128<byte> Second) ReadCodes(byte* block, int groupOfBlock)
    {
        var flip = Vector128.Create((byte)128);
        return (Vector128.Load(block + 2) ^ flip, Vector128.Load(block + 18) ^ flip);
    }

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales) => NibbleBlock.CopyHalf(block, scales, blockIndex, 32, row);
}

internal readonly unsafe struct Q4_KSource : IBlockSource
{
    public static DType DType => DType.Q4_K;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<byte> First, Vector128<byte> Second) ReadCodes(byte* block, int groupOfBlock)
    {
        var nibbles = block + 16 + (groupOfBlock / 2 * 32);
        Vector128<byte> first = Vector128.Load(nibbles), second = Vector128.Load(nibbles + 16);
        return groupOfBlock % 2 == 0 ? (Codes.LowNibbles(first), Codes.LowNibbles(second)) : (Codes.HighNibbles(first), Codes.HighNibbles(second));
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<byte> First, Vector128<byte> Second) ReadCodes(byte* block, int groupOfBlock)
    {
        var (first, second) = Q4_KSource.ReadCodes(block + 32, groupOfBlock);
        return (first | Fifth(block + 16, groupOfBlock), second | Fifth(block + 32, groupOfBlock));

        static Vector128<byte> Fifth(byte* bits, int bit) => ((Vector128.Load(bits) >>> bit) & Vector128<byte>.One) << 4;
    }

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales) => Q4_KSource.ReadScales(block, blockIndex, row, scales);
}

internal readonly unsafe struct Q6_KSource : IBlockSource
{
    public static DType DType => DType.Q6_K;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<byte> First, Vector128<byte> Second) ReadCodes(byte* block, int groupOfBlock)
    {
        int half = groupOfBlock / 4, quarter = groupOfBlock % 4;
        byte* low = block + (64 * half) + (32 * (quarter & 1)), high = block + 128 + (32 * half);
        return (Sixteen(low, high, quarter), Sixteen(low + 16, high + 16, quarter));

        static Vector128<byte> Sixteen(byte* low, byte* high, int quarter)
        {
            var nibbles = Vector128.Load(low);
            var upper = (Vector128.Load(high) >>> (2 * quarter)) & Vector128.Create((byte)3);
            return (quarter < 2 ? Codes.LowNibbles(nibbles) : Codes.HighNibbles(nibbles)) | (upper << 4);
        }
    }

    public static void ReadScales(byte* block, int blockIndex, int row, byte* scales)
    {
        NibbleBlock.CopyHalf(block + 208, scales, blockIndex, SuperScalesOfHalves.SuperBytes, row);
        var bytes = scales + (blockIndex * SuperScalesOfHalves.SuperBytes) + 32 + row;
        for (var part = 0; part < 16; part++) bytes[16 * part] = block[192 + part];
    }
}
