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

    public static bool HasTables => false;

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
    public static Vector128<float> FromBytes(Vector128<byte> codes, int part) => Vector128.ConvertToSingle(Widen(codes, part));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> FromSBytes(Vector128<sbyte> codes, int part) => Vector128.ConvertToSingle(Widen(codes, part));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> FromE4M3(Vector128<byte> codes, int part)
    {
        // The sign spreads over bits 27 to 31, of which one is kept; the exponent is moved by a float product, which is exact for subnormal codes too.
        var bits = Widen(codes.AsSByte(), part) << 20;
        var value = (bits & Vector128.Create(unchecked((int)0x87F00000))).AsSingle() * Vector128.Create(1.329227995784916e36f);
        var isNotANumber = Vector128.Equals(bits & Vector128.Create(0x07F00000), Vector128.Create(0x07F00000));
        return Vector128.ConditionalSelect(isNotANumber.AsSingle(), Vector128.Create(float.NaN), value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LookUp(Vector128<float> table, Vector128<byte> codes) => throw new NotSupportedException("tables need 16 lanes");

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
    private static Vector128<int> Widen(Vector128<byte> codes, int part)
    {
        var pairs = part < 2 ? Vector128.WidenLower(codes) : Vector128.WidenUpper(codes);
        return ((part & 1) == 0 ? Vector128.WidenLower(pairs) : Vector128.WidenUpper(pairs)).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Widen(Vector128<sbyte> codes, int part)
    {
        var pairs = part < 2 ? Vector128.WidenLower(codes) : Vector128.WidenUpper(codes);
        return (part & 1) == 0 ? Vector128.WidenLower(pairs) : Vector128.WidenUpper(pairs);
    }
}
