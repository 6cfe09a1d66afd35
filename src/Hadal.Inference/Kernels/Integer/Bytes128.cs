using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>4 rows in 128 bits: SSSE3.</summary>
internal readonly unsafe struct Bytes128 : IByteLanes<Vector128<byte>, Vector128<float>>
{
    public static bool IsSupported => Ssse3.IsSupported;

    public static int ByteCount => 16;

    public static bool TakesWholeBytes => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load(byte* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(byte* target, Vector128<byte> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Broadcast(byte* source) => Vector128.Create(Unsafe.ReadUnaligned<int>(source)).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Start(Vector128<byte> negatedZeros, Vector128<byte> sums) => (negatedZeros.AsInt16() * sums.AsInt16()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> MultiplyAdd(Vector128<byte> accumulators, Vector128<byte> codes, Vector128<byte> x) =>
        (accumulators.AsInt16() + Ssse3.MultiplyAddAdjacent(codes, x.AsSByte())).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Sums(Vector128<byte> accumulators) => Sse2.MultiplyAddAdjacent(accumulators.AsInt16(), Vector128.Create((short)1)).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Sums(Vector128<byte> low, Vector128<byte> high) =>
        (Sse2.MultiplyAddAdjacent(low.AsInt16(), Vector128.Create((short)1)) + Sse2.MultiplyAddAdjacent(high.AsInt16(), Vector128.Create((short)16))).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> SubtractHalves(Vector128<byte> left, Vector128<byte> right) => (left.AsInt16() - right.AsInt16()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> And(Vector128<byte> value, byte mask) => value & Vector128.Create(mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Or(Vector128<byte> left, Vector128<byte> right) => left | right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> ShiftRight(Vector128<byte> value, int count) => (value.AsUInt16() >>> count).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> ShiftLeft(Vector128<byte> value, int count) => (value.AsUInt16() << count).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ToSingle(Vector128<byte> sums) => Vector128.ConvertToSingle(sums.AsInt32());
}
