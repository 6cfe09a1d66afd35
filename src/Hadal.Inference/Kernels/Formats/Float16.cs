using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>IEEE half precision; every value is exact in float32.</summary>
internal readonly unsafe struct Float16 : IBlockFormat
{
    public static DType DType => DType.F16;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var i = 0; i < count; i++) y[i] = (float)((Half*)source)[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Decode<TLanes, TVector>(byte* source, int count, float* y)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var i = 0;
        for (; i <= count - TLanes.Count; i += TLanes.Count) TLanes.Store(y + i, TLanes.LoadHalf((ushort*)source + i));
        if (i < count) Scalar(source + ((long)i * 2), count - i, y + i);
    }
}
