using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>32 signed bytes with one half d; value <c>q · d</c>. ggml <c>block_q8_0</c>.</summary>
internal readonly unsafe struct Q8_0 : IBlockFormat
{
    private const int BlockSize = 32;
    private const int BlockBytes = 34;

    public static DType DType => DType.Q8_0;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            var d = HalfBits.Read(source);
            for (var j = 0; j < BlockSize; j++) y[j] = (sbyte)source[2 + j] * d;
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
            for (var j = 0; j < BlockSize / 2; j += TLanes.Count)
            {
                TLanes.Store(y + j, TLanes.Multiply(TLanes.LoadSBytes((sbyte*)source + 2 + j), d));
                TLanes.Store(y + j + 16, TLanes.Multiply(TLanes.LoadSBytes((sbyte*)source + 18 + j), d));
            }
        }
    }
}
