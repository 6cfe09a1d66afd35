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
}
