using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Hadal.Inference.Kernels.Lanes;

/// <summary>16 float32 lanes in 512 bits. Runs where <see cref="Vector512.IsHardwareAccelerated"/>, which means AVX-512.</summary>
internal readonly unsafe struct Lanes512 : ILanes<Vector512<float>>
{
    public static int Count => 16;

    public static bool HasManyRegisters => true;

    public static bool HasTables => true;

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
    public static Vector512<float> FromBytes(Vector128<byte> codes, int part) =>
        Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(codes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> FromSBytes(Vector128<sbyte> codes, int part) =>
        Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(codes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> FromE4M3(Vector128<byte> codes, int part)
    {
        // The sign spreads over bits 27 to 31, of which one is kept; the exponent is moved by a float product, which is exact for subnormal codes too.
        var bits = Avx512F.ConvertToVector512Int32(codes.AsSByte()) << 20;
        var value = (bits & Vector512.Create(unchecked((int)0x87F00000))).AsSingle() * Vector512.Create(1.329227995784916e36f);
        var isNotANumber = Vector512.Equals(bits & Vector512.Create(0x07F00000), Vector512.Create(0x07F00000));
        return Vector512.ConditionalSelect(isNotANumber.AsSingle(), Vector512.Create(float.NaN), value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LookUp(Vector512<float> table, Vector128<byte> codes) =>
        Avx512F.PermuteVar16x32(table, Avx512F.ConvertToVector512Int32(codes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadTwice(float* source) =>
        Vector512.Shuffle(Vector256.Load(source).ToVector512Unsafe(), Vector512.Create(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> TurnPairs(Vector512<float> value) =>
        Vector512.Shuffle(value, Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)) ^ Vector512.Create(-0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f, -0f, 0f);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> WidenUInt16(ushort* source) => Avx512F.ConvertToVector512UInt32(Vector256.Load(source));
}
