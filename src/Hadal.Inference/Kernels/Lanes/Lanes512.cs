using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Hadal.Inference.Kernels.Lanes;

/// <summary>16 float32 lanes in 512 bits. Runs where <see cref="Vector512.IsHardwareAccelerated"/>, which means AVX-512.</summary>
internal readonly unsafe struct Lanes512 : ILanes<Vector512<float>>
{
    public static int Count => 16;

    public static bool HasManyRegisters => true;

    public static Vector512<float> Zero => Vector512<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector512<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> left, Vector512<float> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> left, Vector512<float> right) => left - right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> left, Vector512<float> right) => left * right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Divide(Vector512<float> left, Vector512<float> right) => left / right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> left, Vector512<float> right, Vector512<float> addend) =>
        Avx512F.FusedMultiplyAdd(left, right, addend);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Max(Vector512<float> left, Vector512<float> right) => Vector512.Max(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Min(Vector512<float> left, Vector512<float> right) => Vector512.Min(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Round(Vector512<float> value) => Vector512.Round(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> PowerOfTwo(Vector512<float> n) =>
        ((Vector512.ConvertToInt32Native(n) + Vector512.Create(127)) << 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SelectLess(Vector512<float> value, Vector512<float> bound, Vector512<float> whenLess, Vector512<float> otherwise) =>
        Vector512.ConditionalSelect(Vector512.LessThan(value, bound), whenLess, otherwise);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> value) => Lanes256.Sum(value.GetLower() + value.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Vector512<float> value) => Lanes256.MaxLane(Vector256.Max(value.GetLower(), value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadHalf(ushort* source)
    {
        // Normal numbers and infinities: the exponent is moved by a float product. Subnormal ones: by a difference of two close numbers.
        var bits = WidenUInt16(source);
        var magnitude = (bits & Vector512.Create(0x7FFFu)) << 13;
        var normal = (magnitude + Vector512.Create(0xE0u << 23)).AsSingle() * Vector512.Create(1.925929944387236e-34f);
        var subnormal = ((bits & Vector512.Create(0x7FFFu)) | Vector512.Create(0x3F000000u)).AsSingle() - Vector512.Create(0.5f);
        var value = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(0x0400u << 13)).AsSingle(), subnormal, normal);
        return (value.AsUInt32() | ((bits & Vector512.Create(0x8000u)) << 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadBFloat16(ushort* source) => (WidenUInt16(source) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadE4M3(byte* source)
    {
        var bits = WidenBytes(source);
        var magnitude = bits & Vector512.Create(0x7F);
        var normal = ((magnitude << 20) + Vector512.Create(120 << 23)).AsSingle();
        var subnormal = Vector512.ConvertToSingle(magnitude) * Vector512.Create(1f / 512);
        var value = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(8)).AsSingle(), subnormal, normal);
        var notANumber = Vector512.Equals(magnitude, Vector512.Create(0x7F)) & Vector512.Create(0x7FC00000);
        return (value.AsInt32() | notANumber | ((bits & Vector512.Create(0x80)) << 24)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadSBytes(sbyte* source) => Vector512.ConvertToSingle(WidenSBytes(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadBits(byte* source, int shift, int mask) =>
        Vector512.ConvertToSingle((WidenBytes(source) >>> shift) & Vector512.Create(mask));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadNibblesWithHigh(byte* low, int lowShift, byte* high, int highShift, int highMask)
    {
        var nibbles = (WidenBytes(low) >>> lowShift) & Vector512.Create(15);
        var upper = (WidenBytes(high) >>> highShift) & Vector512.Create(highMask);
        return Vector512.ConvertToSingle(nibbles | (upper << 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadNibblesWithBits(byte* low, int lowShift, uint bits)
    {
        var nibbles = (WidenBytes(low) >>> lowShift) & Vector512.Create(15);
        var selector = Vector512.Create(1, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15);
        var isClear = Vector512.Equals(Vector512.Create((int)bits) & selector, Vector512<int>.Zero);
        return Vector512.ConvertToSingle(nibbles | Vector512.AndNot(Vector512.Create(16), isClear));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadAwqNibbles(uint* source, int index)
    {
        var words = Vector512.Create(Vector256.Create(source[2 * index]), Vector256.Create(source[(2 * index) + 1]));
        var shifts = Vector512.Create(0u, 16, 4, 20, 8, 24, 12, 28, 0, 16, 4, 20, 8, 24, 12, 28);
        return Vector512.ConvertToSingle((Avx512F.ShiftRightLogicalVariable(words, shifts) & Vector512.Create(15u)).AsInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadTwice(float* source) =>
        Vector512.Shuffle(Vector256.Load(source).ToVector512Unsafe(), Vector512.Create(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> TurnPairs(Vector512<float> value) =>
        Vector512.Shuffle(value, Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)) ^ Vector512.Create(-0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> WidenUInt16(ushort* source) => Avx512F.ConvertToVector512UInt32(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> WidenBytes(byte* source) => Avx512F.ConvertToVector512Int32(Vector128.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> WidenSBytes(sbyte* source) => Avx512F.ConvertToVector512Int32(Vector128.Load(source));
}
