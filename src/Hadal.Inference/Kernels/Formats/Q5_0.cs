using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>32 codes of 5 bits: half d, 32 high bits, 16 bytes of nibbles; value <c>(q − 16) · d</c>. ggml <c>block_q5_0</c>.</summary>
internal readonly unsafe struct Q5_0 : IBlockFormat
{
    private const int BlockSize = 32;
    private const int BlockBytes = 22;

    public static DType DType => DType.Q5_0;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            var d = HalfBits.Read(source);
            var high = Unsafe.ReadUnaligned<uint>(source + 2);
            for (var j = 0; j < 16; j++)
            {
                y[j] = (((source[6 + j] & 15) | (int)(((high >> j) & 1) << 4)) - 16) * d;
                y[j + 16] = (((source[6 + j] >> 4) | (int)(((high >> (j + 16)) & 1) << 4)) - 16) * d;
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
            TVector d = TLanes.Broadcast(HalfBits.Read(source)), offset = TLanes.Broadcast(16f);
            var high = Unsafe.ReadUnaligned<uint>(source + 2);
            for (var j = 0; j < BlockSize / 2; j += TLanes.Count)
            {
                TLanes.Store(y + j, TLanes.Multiply(TLanes.Subtract(TLanes.LoadNibblesWithBits(source + 6 + j, 0, high >> j), offset), d));
                TLanes.Store(y + j + 16, TLanes.Multiply(TLanes.Subtract(TLanes.LoadNibblesWithBits(source + 6 + j, 4, high >> (j + 16)), offset), d));
            }
        }
    }
}
