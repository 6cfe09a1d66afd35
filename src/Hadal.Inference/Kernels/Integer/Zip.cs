using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>Elements of two vectors in turns: a0 b0 a1 b1 …, which transposes step by step.</summary>
internal static unsafe class Zip
{
    /// <summary>Stores 16 columns of four rows as the vectors of a panel keep them.</summary>
    /// <param name="a">Row 0.</param>
    /// <param name="b">Row 1.</param>
    /// <param name="c">Row 2.</param>
    /// <param name="d">Row 3.</param>
    /// <param name="codes">[4, 64] bytes: columns 4j to 4j + 3 of the four rows from byte 64 j on.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRows(Vector128<byte> a, Vector128<byte> b, Vector128<byte> c, Vector128<byte> d, byte* codes)
    {
        var (ab0, ab1) = Words(a, b);
        var (cd0, cd1) = Words(c, d);
        var (first, second) = Pairs(ab0, cd0);
        first.Store(codes);
        second.Store(codes + 64);
        (first, second) = Pairs(ab1, cd1);
        first.Store(codes + 128);
        second.Store(codes + 192);
    }

    /// <summary>Bytes i of four times eight bytes side by side: words for i = 0 to 3, and 4 to 7.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<uint> First, Vector128<uint> Second) Bytes(ulong a, ulong b, ulong c, ulong d)
    {
        Vector128<ushort> ab = LowBytes(a, b), cd = LowBytes(c, d);
        if (Sse2.IsSupported) return (Sse2.UnpackLow(ab, cd).AsUInt32(), Sse2.UnpackHigh(ab, cd).AsUInt32());
        return AdvSimd.Arm64.IsSupported ? (AdvSimd.Arm64.ZipLow(ab, cd).AsUInt32(), AdvSimd.Arm64.ZipHigh(ab, cd).AsUInt32())
            : (InTurns(ab, cd, 0).AsUInt32(), InTurns(ab, cd, 4).AsUInt32());
    }

    /// <summary>Words 0 and 2 of both, then words 1 and 3 of both.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<uint> Even, Vector128<uint> Odd) Apart(Vector128<uint> a, Vector128<uint> b)
    {
        if (Sse.IsSupported) return (Sse.Shuffle(a.AsSingle(), b.AsSingle(), 0b10_00_10_00).AsUInt32(), Sse.Shuffle(a.AsSingle(), b.AsSingle(), 0b11_01_11_01).AsUInt32());
        return AdvSimd.Arm64.IsSupported ? (AdvSimd.Arm64.UnzipEven(a, b), AdvSimd.Arm64.UnzipOdd(a, b))
            : (Vector128.Create(a[0], a[2], b[0], b[2]), Vector128.Create(a[1], a[3], b[1], b[3]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> LowBytes(ulong a, ulong b)
    {
        Vector128<byte> x = Vector128.CreateScalarUnsafe(a).AsByte(), y = Vector128.CreateScalarUnsafe(b).AsByte();
        return (Sse2.IsSupported ? Sse2.UnpackLow(x, y) : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(x, y) : InTurns(x, y, 0)).AsUInt16();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<ulong> Low, Vector128<ulong> High) Words(Vector128<byte> a, Vector128<byte> b)
    {
        Vector128<uint> x = a.AsUInt32(), y = b.AsUInt32();
        if (Sse2.IsSupported) return (Sse2.UnpackLow(x, y).AsUInt64(), Sse2.UnpackHigh(x, y).AsUInt64());
        return AdvSimd.Arm64.IsSupported ? (AdvSimd.Arm64.ZipLow(x, y).AsUInt64(), AdvSimd.Arm64.ZipHigh(x, y).AsUInt64())
            : (InTurns(x, y, 0).AsUInt64(), InTurns(x, y, 2).AsUInt64());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<byte> Low, Vector128<byte> High) Pairs(Vector128<ulong> a, Vector128<ulong> b)
    {
        if (Sse2.IsSupported) return (Sse2.UnpackLow(a, b).AsByte(), Sse2.UnpackHigh(a, b).AsByte());
        return AdvSimd.Arm64.IsSupported ? (AdvSimd.Arm64.ZipLow(a, b).AsByte(), AdvSimd.Arm64.ZipHigh(a, b).AsByte())
            : (InTurns(a, b, 0).AsByte(), InTurns(a, b, 1).AsByte());
    }

    private static Vector128<T> InTurns<T>(Vector128<T> a, Vector128<T> b, int first)
    {
        var zipped = Vector128<T>.Zero;
        for (var i = 0; i < Vector128<T>.Count; i++) zipped = zipped.WithElement(i, (i % 2 == 0 ? a : b)[first + (i / 2)]);
        return zipped;
    }
}
