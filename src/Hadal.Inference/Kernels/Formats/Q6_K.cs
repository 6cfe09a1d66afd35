using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Super-blocks of 256 codes of 6 bits: 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales, half d;
/// value <c>d · scale · (q − 32)</c>. ggml <c>block_q6_K</c>.</summary>
internal readonly unsafe struct Q6_K : IBlockFormat
{
    private const int BlockSize = 256;
    private const int BlockBytes = 210;
    private const int HighOffset = 128;
    private const int ScaleOffset = 192;

    public static DType DType => DType.Q6_K;

    public static int UnitLength => BlockSize;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            var d = HalfBits.Read(source + 208);
            for (var e = 0; e < BlockSize; e++)
            {
                int half = e / 128, quarter = e % 128 / 32, l = e % 32;
                var low = (source[(64 * half) + (32 * (quarter & 1)) + l] >> (quarter / 2 * 4)) & 15;
                var high = (source[HighOffset + (32 * half) + l] >> (2 * quarter)) & 3;
                y[e] = d * (sbyte)source[ScaleOffset + (e / 16)] * ((low | (high << 4)) - 32);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Unpack<TLanes, TVector, TUse>(byte* unit, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        var d = HalfBits.Read(unit + 208);
        var scales = (sbyte*)unit + ScaleOffset;
        for (var half = 0; half < 2; half++, scales += 8, p += 128)
        {
            byte* low = unit + (64 * half), high = unit + HighOffset + (32 * half);
            Vector128<byte> low0 = Vector128.Load(low), low1 = Vector128.Load(low + 16), low2 = Vector128.Load(low + 32), low3 = Vector128.Load(low + 48);
            Vector128<byte> high0 = Vector128.Load(high), high1 = Vector128.Load(high + 16);
            acc = Part<TLanes, TVector, TUse>(Codes.LowNibbles(low0), high0 << 4, d * scales[0], p, acc);
            acc = Part<TLanes, TVector, TUse>(Codes.LowNibbles(low1), high1 << 4, d * scales[1], p + 16, acc);
            acc = Part<TLanes, TVector, TUse>(Codes.LowNibbles(low2), high0 << 2, d * scales[2], p + 32, acc);
            acc = Part<TLanes, TVector, TUse>(Codes.LowNibbles(low3), high1 << 2, d * scales[3], p + 48, acc);
            acc = Part<TLanes, TVector, TUse>(Codes.HighNibbles(low0), high0, d * scales[4], p + 64, acc);
            acc = Part<TLanes, TVector, TUse>(Codes.HighNibbles(low1), high1, d * scales[5], p + 80, acc);
            acc = Part<TLanes, TVector, TUse>(Codes.HighNibbles(low2), high0 >>> 2, d * scales[6], p + 96, acc);
            acc = Part<TLanes, TVector, TUse>(Codes.HighNibbles(low3), high1 >>> 2, d * scales[7], p + 112, acc);
        }

        return acc;
    }

    /// <summary>16 elements with one scale; the two high bits of each code stand in bits 4 and 5 of <paramref name="high"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Part<TLanes, TVector, TUse>(Vector128<byte> low, Vector128<byte> high, float scale, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        var codes = (low | (high & Vector128.Create((byte)0x30))).AsSByte() - Vector128.Create((sbyte)32);
        return Codes.Scaled<TLanes, TVector, TUse>(codes, TLanes.Broadcast(scale), p, acc);
    }
}
