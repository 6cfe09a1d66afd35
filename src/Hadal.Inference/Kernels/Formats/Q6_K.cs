using System.Runtime.CompilerServices;
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
    public static void Decode<TLanes, TVector>(byte* source, int count, float* y)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var offset = TLanes.Broadcast(32f);
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            var d = HalfBits.Read(source + 208);
            for (var part = 0; part < 8; part++)
            {
                int half = part / 4, quarter = part % 4;
                var low = source + (64 * half) + (32 * (quarter & 1));
                var high = source + HighOffset + (32 * half);
                for (var j = 0; j < 32; j += TLanes.Count)
                {
                    var scale = TLanes.Broadcast(d * (sbyte)source[ScaleOffset + (2 * part) + (j / 16)]);
                    var q = TLanes.LoadNibblesWithHigh(low + j, quarter / 2 * 4, high + j, 2 * quarter, 3);
                    TLanes.Store(y + (32 * part) + j, TLanes.Multiply(scale, TLanes.Subtract(q, offset)));
                }
            }
        }
    }
}
