using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Hadal.Inference.Kernels.Lanes;

/// <summary>4 float32 lanes in 128 bits. Cross-platform: SSE and NEON.</summary>
internal readonly unsafe struct Lanes128 : ILanes<Vector128<float>>
{
    public static int Count => 4;

    public static bool HasManyRegisters => AdvSimd.Arm64.IsSupported;

    public static Vector128<float> Zero => Vector128<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Broadcast(float value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector128<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> left, Vector128<float> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Subtract(Vector128<float> left, Vector128<float> right) => left - right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> left, Vector128<float> right) => left * right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Divide(Vector128<float> left, Vector128<float> right) => left / right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyAdd(Vector128<float> left, Vector128<float> right, Vector128<float> addend) =>
        Fma.IsSupported ? Fma.MultiplyAdd(left, right, addend) :
        AdvSimd.IsSupported ? AdvSimd.FusedMultiplyAdd(addend, left, right) : (left * right) + addend;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Max(Vector128<float> left, Vector128<float> right) => Vector128.Max(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Min(Vector128<float> left, Vector128<float> right) => Vector128.Min(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Round(Vector128<float> value) => Vector128.Round(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> PowerOfTwo(Vector128<float> n) =>
        ((Vector128.ConvertToInt32Native(n) + Vector128.Create(127)) << 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SelectLess(Vector128<float> value, Vector128<float> bound, Vector128<float> whenLess, Vector128<float> otherwise) =>
        Vector128.ConditionalSelect(Vector128.LessThan(value, bound), whenLess, otherwise);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> value)
    {
        var pairs = value + Vector128.Shuffle(value, Vector128.Create(2, 3, 0, 1));
        return pairs.GetElement(0) + pairs.GetElement(1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Vector128<float> value)
    {
        var pairs = Vector128.Max(value, Vector128.Shuffle(value, Vector128.Create(2, 3, 0, 1)));
        return MathF.Max(pairs.GetElement(0), pairs.GetElement(1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadHalf(ushort* source)
    {
        // Normal numbers and infinities: the exponent is moved by a float product. Subnormal ones: by a difference of two close numbers.
        var bits = WidenUInt16(source);
        var magnitude = (bits & Vector128.Create(0x7FFFu)) << 13;
        var normal = (magnitude + Vector128.Create(0xE0u << 23)).AsSingle() * Vector128.Create(1.925929944387236e-34f);
        var subnormal = ((bits & Vector128.Create(0x7FFFu)) | Vector128.Create(0x3F000000u)).AsSingle() - Vector128.Create(0.5f);
        var value = Vector128.ConditionalSelect(Vector128.LessThan(magnitude, Vector128.Create(0x0400u << 13)).AsSingle(), subnormal, normal);
        return (value.AsUInt32() | ((bits & Vector128.Create(0x8000u)) << 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadBFloat16(ushort* source) => (WidenUInt16(source) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadE4M3(byte* source)
    {
        var bits = WidenBytes(source);
        var magnitude = bits & Vector128.Create(0x7F);
        var normal = ((magnitude << 20) + Vector128.Create(120 << 23)).AsSingle();
        var subnormal = Vector128.ConvertToSingle(magnitude) * Vector128.Create(1f / 512);
        var value = Vector128.ConditionalSelect(Vector128.LessThan(magnitude, Vector128.Create(8)).AsSingle(), subnormal, normal);
        var notANumber = Vector128.Equals(magnitude, Vector128.Create(0x7F)) & Vector128.Create(0x7FC00000);
        return (value.AsInt32() | notANumber | ((bits & Vector128.Create(0x80)) << 24)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadSBytes(sbyte* source) => Vector128.ConvertToSingle(WidenSBytes(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadBits(byte* source, int shift, int mask) =>
        Vector128.ConvertToSingle((WidenBytes(source) >>> shift) & Vector128.Create(mask));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadNibblesWithHigh(byte* low, int lowShift, byte* high, int highShift, int highMask)
    {
        var nibbles = (WidenBytes(low) >>> lowShift) & Vector128.Create(15);
        var upper = (WidenBytes(high) >>> highShift) & Vector128.Create(highMask);
        return Vector128.ConvertToSingle(nibbles | (upper << 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadNibblesWithBits(byte* low, int lowShift, uint bits)
    {
        var nibbles = (WidenBytes(low) >>> lowShift) & Vector128.Create(15);
        var selector = Vector128.Create(1, 1 << 1, 1 << 2, 1 << 3);
        var isClear = Vector128.Equals(Vector128.Create((int)bits) & selector, Vector128<int>.Zero);
        return Vector128.ConvertToSingle(nibbles | Vector128.AndNot(Vector128.Create(16), isClear));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadAwqNibbles(uint* source, int index)
    {
        // Lanes: nibbles 0, 4, 1, 5 of the word, or of the word without its low byte (2, 6, 3, 7); scaled down instead of shifted.
        var word = Vector128.Create(source[index / 2] >> (index % 2 * 8));
        var nibbles = (word & Vector128.Create(0xFu, 0xF0000u, 0xF0u, 0xF00000u)).AsInt32();
        return Vector128.ConvertToSingle(nibbles) * Vector128.Create(1f, 1f / 65536, 1f / 16, 1f / 1048576);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadTwice(float* source) =>
        Vector128.Shuffle(Vector128.CreateScalarUnsafe(*(double*)source).AsSingle(), Vector128.Create(0, 0, 1, 1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> TurnPairs(Vector128<float> value) =>
        Vector128.Shuffle(value, Vector128.Create(1, 0, 3, 2)) ^ Vector128.Create(-0f, 0f, -0f, 0f);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> WidenUInt16(ushort* source) =>
        Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)source).AsUInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> WidenBytes(byte* source) =>
        Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(uint*)source).AsByte())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> WidenSBytes(sbyte* source) =>
        Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(uint*)source).AsSByte()));
}
