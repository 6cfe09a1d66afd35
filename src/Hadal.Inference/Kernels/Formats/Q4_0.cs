using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>32 codes of 4 bits: half d, 16 bytes of nibbles (elements 0–15 low, 16–31 high); value <c>(q − 8) · d</c>. ggml <c>block_q4_0</c>.</summary>
internal readonly unsafe struct Q4_0 : IBlockFormat
{
    private const int BlockSize = 32;
    private const int BlockBytes = 18;

    public static DType DType => DType.Q4_0;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            var d = HalfBits.Read(source);
            for (var j = 0; j < 16; j++)
            {
                y[j] = ((source[2 + j] & 15) - 8) * d;
                y[j + 16] = ((source[2 + j] >> 4) - 8) * d;
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
            var d = TLanes.Broadcast(HalfBits.Read(source));
            var offset = TLanes.Broadcast(8f);
            for (var j = 0; j < BlockSize / 2; j += TLanes.Count)
            {
                TLanes.Store(y + j, TLanes.Multiply(TLanes.Subtract(TLanes.LoadBits(source + 2 + j, 0, 15), offset), d));
                TLanes.Store(y + j + 16, TLanes.Multiply(TLanes.Subtract(TLanes.LoadBits(source + 2 + j, 4, 15), offset), d));
            }
        }
    }
}
