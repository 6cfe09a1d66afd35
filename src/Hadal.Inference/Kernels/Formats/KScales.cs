using System.Runtime.CompilerServices;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>The eight 6-bit scales and eight 6-bit minima that Q4_K and Q5_K pack into 12 bytes.</summary>
internal static unsafe class KScales
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Scale(byte* packed, int sub) =>
        sub < 4 ? packed[sub] & 63 : (packed[sub + 4] & 15) | (packed[sub - 4] >> 6 << 4);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Minimum(byte* packed, int sub) =>
        sub < 4 ? packed[sub + 4] & 63 : (packed[sub + 4] >> 4) | (packed[sub] >> 6 << 4);

    /// <summary>All scales and all minima as the bytes of two numbers, sub-block 0 lowest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (ulong Scales, ulong Minima) Unpack(byte* packed)
    {
        uint a = Unsafe.ReadUnaligned<uint>(packed), b = Unsafe.ReadUnaligned<uint>(packed + 4), c = Unsafe.ReadUnaligned<uint>(packed + 8);
        var upperScales = (c & 0x0F0F0F0F) | (((a >> 6) & 0x03030303) << 4);
        var upperMinima = ((c >> 4) & 0x0F0F0F0F) | (((b >> 6) & 0x03030303) << 4);
        return ((a & 0x3F3F3F3F) | ((ulong)upperScales << 32), (b & 0x3F3F3F3F) | ((ulong)upperMinima << 32));
    }
}
