using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>32 codes of 5 bits: half d, half m, 32 high bits, 16 bytes of nibbles; value <c>q · d + m</c>. ggml <c>block_q5_1</c>.</summary>
internal readonly unsafe struct Q5_1 : IBlockFormat
{
    private const int BlockSize = 32;
    private const int BlockBytes = 24;

    public static DType DType => DType.Q5_1;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            float d = HalfBits.Read(source), m = HalfBits.Read(source + 2);
            var high = Unsafe.ReadUnaligned<uint>(source + 4);
            for (var j = 0; j < 16; j++)
            {
                y[j] = (((source[8 + j] & 15) | (int)(((high >> j) & 1) << 4)) * d) + m;
                y[j + 16] = (((source[8 + j] >> 4) | (int)(((high >> (j + 16)) & 1) << 4)) * d) + m;
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
            var high = Unsafe.ReadUnaligned<uint>(source + 4);
            for (var j = 0; j < BlockSize / 2; j += TLanes.Count)
            {
                TLanes.Store(y + j, TLanes.Add(TLanes.Multiply(TLanes.LoadNibblesWithBits(source + 8 + j, 0, high >> j), d), m));
                TLanes.Store(y + j + 16, TLanes.Add(TLanes.Multiply(TLanes.LoadNibblesWithBits(source + 8 + j, 4, high >> (j + 16)), d), m));
            }
        }
    }
}
