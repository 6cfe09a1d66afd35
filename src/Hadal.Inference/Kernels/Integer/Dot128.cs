using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>4 rows in 128 bits: NEON with SDOT, which adds four products to 32 bits by one instruction; both factors are signed.</summary>
internal readonly unsafe struct Dot128 : IByteLanes<Vector128<byte>, Vector128<float>>
{
    public static bool IsSupported => Dp.IsSupported;

    public static int ByteCount => 16;

    public static bool TakesWholeBytes => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load(byte* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(byte* target, Vector128<byte> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Broadcast(byte* source) => Vector128.Create(Unsafe.ReadUnaligned<int>(source)).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Start(Vector128<byte> negatedZeros, Vector128<byte> sums)
    {
        Vector128<int> z = negatedZeros.AsInt32(), s = sums.AsInt32();
        return ((((z << 16) >> 16) * ((s << 16) >> 16)) + ((z >> 16) * (s >> 16))).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> MultiplyAdd(Vector128<byte> accumulators, Vector128<byte> codes, Vector128<byte> x) =>
        Dp.DotProduct(accumulators.AsInt32(), codes.AsSByte(), x.AsSByte()).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Sums(Vector128<byte> accumulators) => accumulators;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Sums(Vector128<byte> low, Vector128<byte> high) => (low.AsInt32() + (high.AsInt32() << 4)).AsByte();

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
