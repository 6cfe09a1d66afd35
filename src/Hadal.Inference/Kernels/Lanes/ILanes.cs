using System.Runtime.Intrinsics;

namespace Hadal.Inference.Kernels.Lanes;

/// <summary>The operations that kernels need of one vector width; implemented by <see cref="Lanes128"/>, <see cref="Lanes256"/> and <see cref="Lanes512"/>.</summary>
/// <remarks>Kernels are written once over it and compiled once per width. Every operation rounds as the same operation on one lane does,
/// and <see cref="Sum"/> has one order per width, so that a result depends on the width alone.</remarks>
internal unsafe interface ILanes<TVector>
    where TVector : struct
{
    /// <summary>Number of float32 lanes.</summary>
    static abstract int Count { get; }

    /// <summary>Whether 32 vector registers exist, so that a tile of 4 rows × 4 tokens stays in them.</summary>
    static abstract bool HasManyRegisters { get; }

    static abstract TVector Zero { get; }

    static abstract TVector Broadcast(float value);

    static abstract TVector Load(float* source);

    static abstract void Store(float* target, TVector value);

    static abstract TVector Add(TVector left, TVector right);

    static abstract TVector Subtract(TVector left, TVector right);

    static abstract TVector Multiply(TVector left, TVector right);

    static abstract TVector Divide(TVector left, TVector right);

    /// <summary><c>left · right + addend</c>, fused where the processor has it.</summary>
    static abstract TVector MultiplyAdd(TVector left, TVector right, TVector addend);

    /// <summary>Larger of two; NaN if either is.</summary>
    static abstract TVector Max(TVector left, TVector right);

    /// <summary>Smaller of two; NaN if either is.</summary>
    static abstract TVector Min(TVector left, TVector right);

    /// <summary>Nearest integer, ties to even.</summary>
    static abstract TVector Round(TVector value);

    /// <summary><c>2^n</c> for whole n in [-127, 128]; -127 gives 0 and 128 infinity.</summary>
    static abstract TVector PowerOfTwo(TVector n);

    /// <summary><c>value &lt; bound ? whenLess : otherwise</c> per lane.</summary>
    static abstract TVector SelectLess(TVector value, TVector bound, TVector whenLess, TVector otherwise);

    /// <summary>Sum of the lanes: halves are added until one lane is left.</summary>
    static abstract float Sum(TVector value);

    /// <summary>Largest lane; NaN if one is.</summary>
    static abstract float MaxLane(TVector value);

    /// <summary>Half precision to single, exact.</summary>
    static abstract TVector LoadHalf(ushort* source);

    /// <summary>bfloat16 to single, exact.</summary>
    static abstract TVector LoadBFloat16(ushort* source);

    /// <summary>Bytes part·L to part·L + L − 1 of 16, to single.</summary>
    static abstract TVector FromBytes(Vector128<byte> codes, int part);

    /// <summary>Signed bytes part·L to part·L + L − 1 of 16, to single.</summary>
    static abstract TVector FromSBytes(Vector128<sbyte> codes, int part);

    /// <summary>float8 e4m3fn codes part·L to part·L + L − 1 of 16, to single, exact.</summary>
    static abstract TVector FromE4M3(Vector128<byte> codes, int part);

    /// <summary>Whether <c>LookUp</c> exists: 16 lanes.</summary>
    static abstract bool HasTables { get; }

    /// <summary><c>table[codes[i] &amp; 15]</c>.</summary>
    static abstract TVector LookUp(TVector table, Vector128<byte> codes);

    /// <summary>L / 2 elements, each in two neighbouring lanes.</summary>
    static abstract TVector LoadTwice(float* source);

    /// <summary>Neighbouring lanes (a, b) become (−b, a).</summary>
    static abstract TVector TurnPairs(TVector value);
}
