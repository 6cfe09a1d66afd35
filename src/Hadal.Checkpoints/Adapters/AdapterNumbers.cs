using System.Runtime.InteropServices;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Adapters;

/// <summary>Whether the numbers of an adapter can be computed with: a diverged training writes files of the right shapes too.</summary>
internal static unsafe class AdapterNumbers
{
    /// <summary>Bytes that are looked at at once; a tensor may be larger than a span.</summary>
    private const int PieceBytes = 1 << 24;

    /// <summary>Says what is wrong with the numbers of a module, or null.</summary>
    public static string? Fault(LoraModule module)
    {
        if (!IsFinite(module.A) || !IsFinite(module.B) || !IsFinite(module.Magnitude) || !IsFinite(module.Bias)) return NotFinite(module.Name);
        return float.IsFinite((float)(module.Scale * Largest(module.B))) ? null
            : FormattableString.Invariant($"{module.Name}: lora_alpha makes its numbers too large for float32 (scale {module.Scale:G6}, lora_B up to {Largest(module.B):G6}); expected a smaller one");
    }

    /// <summary>Says what is wrong with the numbers of a head for labels, or null.</summary>
    public static string? Fault(string name, WeightTensor weight, WeightTensor? bias) => IsFinite(weight) && IsFinite(bias) ? null : NotFinite(name);

    private static string NotFinite(string name) => $"{name} has a number that is not finite; train or copy the adapter anew";

    private static bool IsFinite(WeightTensor? tensor) => tensor is null || float.IsFinite(Largest(tensor));

    /// <summary>The largest absolute value; infinite where one is infinite or no number.</summary>
    private static float Largest(WeightTensor tensor)
    {
        var largest = 0f;
        for (var begin = 0L; begin < tensor.ByteLength; begin += PieceBytes)
            largest = Math.Max(largest, Largest(tensor.DType, new ReadOnlySpan<byte>(tensor.Data + begin, (int)Math.Min(PieceBytes, tensor.ByteLength - begin))));
        return largest;
    }

    /// <summary>Without its sign a floating-point number is ordered as its bits are, and infinity and what is no number stand behind all others.</summary>
    private static float Largest(DType dtype, ReadOnlySpan<byte> bytes)
    {
        if (dtype == DType.F32)
        {
            var most = 0u;
            foreach (var bits in MemoryMarshal.Cast<byte, uint>(bytes)) most = Math.Max(most, bits & 0x7FFF_FFFF);
            return Finite(BitConverter.UInt32BitsToSingle(most));
        }

        ushort mostShort = 0;
        foreach (var bits in MemoryMarshal.Cast<byte, ushort>(bytes)) mostShort = Math.Max(mostShort, (ushort)(bits & 0x7FFF));
        return Finite(dtype == DType.F16 ? (float)BitConverter.UInt16BitsToHalf(mostShort) : BitConverter.UInt32BitsToSingle((uint)mostShort << 16));
    }

    private static float Finite(float value) => float.IsNaN(value) ? float.PositiveInfinity : value;
}
