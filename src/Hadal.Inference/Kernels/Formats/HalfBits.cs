using System.Runtime.CompilerServices;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Reads the half-precision scales of blocks, which need not be aligned.</summary>
internal static unsafe class HalfBits
{
    /// <summary>Exact float32 value; normal numbers by integer operations alone, because a block has one scale for few elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Read(byte* source)
    {
        int bits = Unsafe.ReadUnaligned<short>(source);
        return (uint)((bits & 0x7C00) - 0x0400) >= 0x7800
            ? Special(bits)
            : BitConverter.Int32BitsToSingle(((bits << 13) & unchecked((int)0x8FFFE000)) + 0x38000000);
    }

    /// <summary>Zero, subnormal numbers, infinities and NaN. Inlined: a call would cost the caller its vector registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Special(int bits)
    {
        var mantissa = bits & 0x03FF;
        var magnitude = (bits & 0x7C00) == 0 ? mantissa * (1f / 16777216) : BitConverter.Int32BitsToSingle(0x7F800000 | (mantissa << 13));
        return bits < 0 ? -magnitude : magnitude;
    }
}
