using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Super-blocks of 256 codes of 5 bits in eight sub-blocks: half d, half dmin, 12 bytes of scales, 32 bytes of high bits, 128 bytes of
/// nibbles; value <c>d · sc · q − dmin · mn</c>. ggml <c>block_q5_K</c>.</summary>
internal readonly unsafe struct Q5_K : IBlockFormat
{
    private const int BlockSize = 256;
    private const int BlockBytes = 176;

    public static DType DType => DType.Q5_K;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            float d = HalfBits.Read(source), dmin = HalfBits.Read(source + 2);
            for (var sub = 0; sub < 8; sub++)
            {
                var scale = d * KScales.Scale(source + 4, sub);
                var minimum = dmin * KScales.Minimum(source + 4, sub);
                for (var j = 0; j < 32; j++)
                {
                    var q = (source[48 + (sub / 2 * 32) + j] >> (sub % 2 * 4)) & 15;
                    y[(sub * 32) + j] = (scale * (q | (((source[16 + j] >> sub) & 1) << 4))) - minimum;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Decode<TLanes, TVector>(byte* source, int count, float* y)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            float d = HalfBits.Read(source), dmin = HalfBits.Read(source + 2);
            for (var sub = 0; sub < 8; sub++)
            {
                var scale = TLanes.Broadcast(d * KScales.Scale(source + 4, sub));
                var minimum = TLanes.Broadcast(dmin * KScales.Minimum(source + 4, sub));
                var nibbles = source + 48 + (sub / 2 * 32);
                var shift = sub % 2 * 4;
                for (var j = 0; j < 32; j += TLanes.Count)
                    TLanes.Store(y + (sub * 32) + j, TLanes.Subtract(TLanes.Multiply(scale, TLanes.LoadNibblesWithHigh(nibbles + j, shift, source + 16 + j, sub, 1)), minimum));
            }
        }
    }
}
