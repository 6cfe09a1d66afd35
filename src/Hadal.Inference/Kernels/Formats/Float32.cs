using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>IEEE single precision.</summary>
internal readonly unsafe struct Float32 : IBlockFormat
{
    public static DType DType => DType.F32;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var i = 0; i < count; i++) y[i] = ((float*)source)[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Decode<TLanes, TVector>(byte* source, int count, float* y)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var i = 0;
        for (; i <= count - TLanes.Count; i += TLanes.Count) TLanes.Store(y + i, TLanes.Load((float*)source + i));
        if (i < count) Scalar(source + ((long)i * 4), count - i, y + i);
    }
}
