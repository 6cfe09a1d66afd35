using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>8 rows in 256 bits: AVX-VNNI adds four products to 32 bits by one instruction.</summary>
internal readonly unsafe struct Dot256 : IByteLanes<Vector256<byte>, Vector256<float>>
{
    public static bool IsSupported => Avx2.IsSupported && AvxVnni.IsSupported;

    public static int ByteCount => 32;

    public static bool TakesWholeBytes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load(byte* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(byte* target, Vector256<byte> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Broadcast(byte* source) => Vector256.Create(Unsafe.ReadUnaligned<int>(source)).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Start(Vector256<byte> negatedZeros, Vector256<byte> sums) => Avx2.MultiplyAddAdjacent(negatedZeros.AsInt16(), sums.AsInt16()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> MultiplyAdd(Vector256<byte> accumulators, Vector256<byte> codes, Vector256<byte> x) =>
        AvxVnni.MultiplyWideningAndAdd(accumulators.AsInt32(), codes, x.AsSByte()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Sums(Vector256<byte> accumulators) => accumulators;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Sums(Vector256<byte> low, Vector256<byte> high) =>
        (low.AsInt32() + (high.AsInt32() << 4)).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> SubtractHalves(Vector256<byte> left, Vector256<byte> right) => (left.AsInt16() - right.AsInt16()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> And(Vector256<byte> value, byte mask) => value & Vector256.Create(mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Or(Vector256<byte> left, Vector256<byte> right) => left | right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> ShiftRight(Vector256<byte> value, int count) => (value.AsUInt16() >>> count).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> ShiftLeft(Vector256<byte> value, int count) => (value.AsUInt16() << count).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToSingle(Vector256<byte> sums) => Vector256.ConvertToSingle(sums.AsInt32());
}
