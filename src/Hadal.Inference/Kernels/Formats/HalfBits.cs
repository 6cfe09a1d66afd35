using System.Runtime.CompilerServices;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Reads the half-precision scales of blocks, which need not be aligned.</summary>
internal static unsafe class HalfBits
{
    /// <summary>Exact float32 value without branches: <c>(float)Half</c> costs more than the rest of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Read(byte* source)
    {
        uint bits = Unsafe.ReadUnaligned<ushort>(source);
        var magnitude = (bits & 0x7FFF) << 13;
        var normal = BitConverter.UInt32BitsToSingle(magnitude + (0xE0u << 23)) * 1.925929944387236e-34f;
        var subnormal = BitConverter.UInt32BitsToSingle((bits & 0x7FFF) | 0x3F000000) - 0.5f;
        var value = magnitude < 0x0400u << 13 ? subnormal : normal;
        return BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) | ((bits & 0x8000) << 16));
    }
}
