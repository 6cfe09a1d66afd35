using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>bfloat16, the upper half of a float32.</summary>
internal readonly unsafe struct BFloat16 : IBlockFormat
{
    public static DType DType => DType.BF16;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var i = 0; i < count; i++) y[i] = BitConverter.UInt32BitsToSingle((uint)((ushort*)source)[i] << 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Decode<TLanes, TVector>(byte* source, int count, float* y)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var i = 0;
        for (; i <= count - TLanes.Count; i += TLanes.Count) TLanes.Store(y + i, TLanes.LoadBFloat16((ushort*)source + i));
        if (i < count) Scalar(source + ((long)i * 2), count - i, y + i);
    }
}
