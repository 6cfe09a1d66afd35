using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Hadal.Inference.Kernels.Lanes;

/// <summary>8 float32 lanes in 256 bits. Runs where <see cref="Vector256.IsHardwareAccelerated"/>, which means AVX2.</summary>
internal readonly unsafe struct Lanes256 : ILanes<Vector256<float>>
{
    public static int Count => 8;

    public static bool HasManyRegisters => false;

    public static bool HasTables => false;

    public static Vector256<float> Zero => Vector256<float>.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Vector256<float> value) => value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> left, Vector256<float> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Subtract(Vector256<float> left, Vector256<float> right) => left - right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> left, Vector256<float> right) => left * right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Divide(Vector256<float> left, Vector256<float> right) => left / right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> left, Vector256<float> right, Vector256<float> addend) =>
        Fma.IsSupported ? Fma.MultiplyAdd(left, right, addend) : (left * right) + addend;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Max(Vector256<float> left, Vector256<float> right) => Vector256.Max(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Min(Vector256<float> left, Vector256<float> right) => Vector256.Min(left, right);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Round(Vector256<float> value) => Vector256.Round(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> PowerOfTwo(Vector256<float> n) =>
        ((Vector256.ConvertToInt32Native(n) + Vector256.Create(127)) << 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> SelectLess(Vector256<float> value, Vector256<float> bound, Vector256<float> whenLess, Vector256<float> otherwise) =>
        Vector256.ConditionalSelect(Vector256.LessThan(value, bound), whenLess, otherwise);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> value) => Lanes128.Sum(value.GetLower() + value.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Vector256<float> value) => Lanes128.MaxLane(Vector128.Max(value.GetLower(), value.GetUpper()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadHalf(ushort* source)
    {
        // Normal numbers and infinities: the exponent is moved by a float product. Subnormal ones: by a difference of two close numbers.
        var bits = WidenUInt16(source);
        var magnitude = (bits & Vector256.Create(0x7FFFu)) << 13;
        var normal = (magnitude + Vector256.Create(0xE0u << 23)).AsSingle() * Vector256.Create(1.925929944387236e-34f);
        var subnormal = ((bits & Vector256.Create(0x7FFFu)) | Vector256.Create(0x3F000000u)).AsSingle() - Vector256.Create(0.5f);
        var value = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(0x0400u << 13)).AsSingle(), subnormal, normal);
        return (value.AsUInt32() | ((bits & Vector256.Create(0x8000u)) << 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadBFloat16(ushort* source) => (WidenUInt16(source) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FromBytes(Vector128<byte> codes, int part) =>
        Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(Half(codes, part)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FromSBytes(Vector128<sbyte> codes, int part) =>
        Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(Half(codes.AsByte(), part).AsSByte()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FromE4M3(Vector128<byte> codes, int part)
    {
        // The sign spreads over bits 27 to 31, of which one is kept; the exponent is moved by a float product, which is exact for subnormal codes too.
        var bits = Avx2.ConvertToVector256Int32(Half(codes, part).AsSByte()) << 20;
        var value = (bits & Vector256.Create(unchecked((int)0x87F00000))).AsSingle() * Vector256.Create(1.329227995784916e36f);
        var isNotANumber = Vector256.Equals(bits & Vector256.Create(0x07F00000), Vector256.Create(0x07F00000));
        return Vector256.ConditionalSelect(isNotANumber.AsSingle(), Vector256.Create(float.NaN), value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LookUp(Vector256<float> table, Vector128<byte> codes) => throw new NotSupportedException("tables need 16 lanes");

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadTwice(float* source) =>
        Vector256.Shuffle(Vector128.Load(source).ToVector256Unsafe(), Vector256.Create(0, 0, 1, 1, 2, 2, 3, 3));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> TurnPairs(Vector256<float> value) =>
        Vector256.Shuffle(value, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6)) ^ Vector256.Create(-0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> WidenUInt16(ushort* source) => Avx2.ConvertToVector256Int32(Vector128.Load(source)).AsUInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Half(Vector128<byte> codes, int part) =>
        part == 0 ? codes : Vector128.CreateScalarUnsafe(codes.AsUInt64().GetElement(1)).AsByte();
}
