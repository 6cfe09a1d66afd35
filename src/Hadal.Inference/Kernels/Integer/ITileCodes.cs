using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Formats;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>How the codes of a panel of 16 rows × 32 columns are packed: eight vectors of 64 bytes, vector j with columns 4j to 4j + 3 of every row.</summary>
/// <remarks>Addresses point at the rows wanted: 4 bytes per row behind the start of the panel. A pair k is the vectors 2k and 2k + 1.</remarks>
internal unsafe interface ICodeVectors
{
    /// <summary>Bytes of a group of 32 columns of a panel.</summary>
    static abstract int GroupBytes { get; }

    /// <summary>Vector 2k, one code in each byte.</summary>
    static abstract TVector Even<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct;

    /// <summary>Vector 2k + 1.</summary>
    static abstract TVector Odd<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct;
}

/// <summary>A way to store codes.</summary>
internal unsafe interface ITileCodes : ICodeVectors
{
    /// <summary>Bits of a code.</summary>
    static abstract int Bits { get; }

    /// <summary>Packs a group: <paramref name="codes"/> [8, 64] bytes into <paramref name="group"/>; bits above those of a code are dropped.</summary>
    static abstract void Pack(byte* codes, byte* group);

    /// <summary>The code of one element.</summary>
    static abstract int Code(byte* group, int row, int column);
}

/// <summary>Codes of 4 bits: 64 bytes per pair, vector 2k in the low nibbles.</summary>
internal readonly unsafe struct Nibbles : ITileCodes
{
    public static int GroupBytes => 256;

    public static int Bits => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Even<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct =>
        TLanes.And(TLanes.Load(group + (64 * k)), 15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Odd<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct =>
        TLanes.And(TLanes.ShiftRight(TLanes.Load(group + (64 * k)), 4), 15);

    public static void Pack(byte* codes, byte* group)
    {
        for (var i = 0; i < 256; i += 16)
        {
            var even = codes + (2 * i) - (i % 64);
            (Codes.LowNibbles(Vector128.Load(even)) | (Codes.LowNibbles(Vector128.Load(even + 64)) << 4)).Store(group + i);
        }
    }

    public static int Code(byte* group, int row, int column)
    {
        var vector = column / 4;
        return (group[(vector / 2 * 64) + (row * 4) + (column % 4)] >> (vector % 2 * 4)) & 15;
    }
}

/// <summary>Codes of 5 bits: nibbles, and 64 bytes with the fifth bits; that of vector j is bit (j + 4) mod 8.</summary>
internal readonly unsafe struct FiveBits : ITileCodes
{
    public static int GroupBytes => 320;

    public static int Bits => 5;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Even<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct =>
        TLanes.Or(Nibbles.Even<TLanes, TVector, TFloat>(group, k), Fifth<TLanes, TVector, TFloat>(group, k, 0));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Odd<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct =>
        TLanes.Or(Nibbles.Odd<TLanes, TVector, TFloat>(group, k), Fifth<TLanes, TVector, TFloat>(group, k, 1));

    public static void Pack(byte* codes, byte* group)
    {
        Nibbles.Pack(codes, group);
        for (var i = 0; i < 64; i += 16)
        {
            var bits = Vector128<byte>.Zero;
            for (var j = 0; j < 8; j++) bits |= ((Vector128.Load(codes + (64 * j) + i) >>> 4) & Vector128<byte>.One) << ((j + 4) & 7);
            bits.Store(group + 256 + i);
        }
    }

    public static int Code(byte* group, int row, int column) =>
        Nibbles.Code(group, row, column) | (((group[256 + (row * 4) + (column % 4)] >> (((column / 4) + 4) & 7)) & 1) << 4);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Fifth<TLanes, TVector, TFloat>(byte* group, nint k, int odd)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct
    {
        var bits = TLanes.Load(group + 256);
        var shift = (int)(2 * k) + odd;
        return TLanes.And(shift < 4 ? TLanes.ShiftRight(bits, shift) : TLanes.ShiftLeft(bits, 8 - shift), 16);
    }
}

/// <summary>Codes of 6 bits: nibbles, and twice 64 bytes with the upper two bits; those of vector j are in half j / 4 from bit (2j + 4) mod 8.</summary>
internal readonly unsafe struct SixBits : ITileCodes
{
    public static int GroupBytes => 384;

    public static int Bits => 6;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Even<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct
    {
        var bits = TLanes.Load(group + 256 + (64 * (k >> 1)));
        return TLanes.Or(Nibbles.Even<TLanes, TVector, TFloat>(group, k), TLanes.And((k & 1) == 0 ? bits : TLanes.ShiftLeft(bits, 4), 0x30));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Odd<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct
    {
        var bits = TLanes.Load(group + 256 + (64 * (k >> 1)));
        return TLanes.Or(
            Nibbles.Odd<TLanes, TVector, TFloat>(group, k), TLanes.And((k & 1) == 0 ? TLanes.ShiftRight(bits, 2) : TLanes.ShiftLeft(bits, 2), 0x30));
    }

    public static void Pack(byte* codes, byte* group)
    {
        Nibbles.Pack(codes, group);
        for (var i = 0; i < 128; i += 16)
        {
            var first = codes + (i / 64 * 256) + (i % 64);
            var bits = Vector128<byte>.Zero;
            for (var j = 0; j < 4; j++) bits |= ((Vector128.Load(first + (64 * j)) >>> 4) & Vector128.Create((byte)3)) << (((2 * j) + 4) & 7);
            bits.Store(group + 256 + i);
        }
    }

    public static int Code(byte* group, int row, int column)
    {
        var vector = column / 4;
        return Nibbles.Code(group, row, column) | (((group[256 + (vector / 4 * 64) + (row * 4) + (column % 4)] >> (((2 * vector) + 4) & 7)) & 3) << 4);
    }
}

/// <summary>A byte for each code: codes of 8 bits, as the value plus 128, and what a block of shorter codes is unpacked to when many tokens need it.</summary>
internal readonly unsafe struct WholeBytes : ITileCodes
{
    /// <summary>Bytes of a group.</summary>
    public const int ByteCount = 512;

    public static int GroupBytes => ByteCount;

    public static int Bits => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Even<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct =>
        TLanes.Load(group + (128 * k));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Odd<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct =>
        TLanes.Load(group + (128 * k) + 64);

    public static void Pack(byte* codes, byte* group) => Buffer.MemoryCopy(codes, group, GroupBytes, GroupBytes);

    public static int Code(byte* group, int row, int column) => group[(column / 4 * 64) + (row * 4) + (column % 4)];
}

/// <summary>The low nibbles of codes of 8 bits.</summary>
internal readonly unsafe struct LowNibbles : ICodeVectors
{
    public static int GroupBytes => WholeBytes.GroupBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Even<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct =>
        TLanes.And(TLanes.Load(group + (128 * k)), 15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Odd<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct =>
        TLanes.And(TLanes.Load(group + (128 * k) + 64), 15);
}

/// <summary>The high nibbles of codes of 8 bits.</summary>
internal readonly unsafe struct HighNibbles : ICodeVectors
{
    public static int GroupBytes => WholeBytes.GroupBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Even<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct =>
        TLanes.And(TLanes.ShiftRight(TLanes.Load(group + (128 * k)), 4), 15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Odd<TLanes, TVector, TFloat>(byte* group, nint k)
        where TLanes : struct, IByteLanes<TVector, TFloat>
        where TVector : struct
        where TFloat : struct =>
        TLanes.And(TLanes.ShiftRight(TLanes.Load(group + (128 * k) + 64), 4), 15);
}
