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
        return (uint)((bits & 0x7C00) - 0x0400) < 0x7800
            ? BitConverter.Int32BitsToSingle(((bits << 13) & unchecked((int)0x8FFFE000)) + 0x38000000)
            : ReadAny(bits);
    }

    /// <summary>Zero, subnormal numbers, infinities and NaN.</summary>
    private static float ReadAny(int bits) => (float)BitConverter.Int16BitsToHalf((short)bits);
}
