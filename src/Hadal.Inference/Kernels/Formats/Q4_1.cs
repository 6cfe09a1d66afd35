using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>32 codes of 4 bits: half d, half m, 16 bytes of nibbles; value <c>q · d + m</c>. ggml <c>block_q4_1</c>.</summary>
internal readonly unsafe struct Q4_1 : IBlockFormat
{
    private const int BlockSize = 32;
    private const int BlockBytes = 20;

    public static DType DType => DType.Q4_1;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            float d = HalfBits.Read(source), m = HalfBits.Read(source + 2);
            for (var j = 0; j < 16; j++)
            {
                y[j] = ((source[4 + j] & 15) * d) + m;
                y[j + 16] = ((source[4 + j] >> 4) * d) + m;
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
            TVector d = TLanes.Broadcast(HalfBits.Read(source)), m = TLanes.Broadcast(HalfBits.Read(source + 2));
            for (var j = 0; j < BlockSize / 2; j += TLanes.Count)
            {
                TLanes.Store(y + j, TLanes.Add(TLanes.Multiply(TLanes.LoadBits(source + 4 + j, 0, 15), d), m));
                TLanes.Store(y + j + 16, TLanes.Add(TLanes.Multiply(TLanes.LoadBits(source + 4 + j, 4, 15), d), m));
            }
        }
    }
}
