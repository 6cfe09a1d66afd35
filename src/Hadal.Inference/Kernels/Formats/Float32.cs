using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>IEEE single precision.</summary>
internal readonly unsafe struct Float32 : IElementFormat
{
    public static DType DType => DType.F32;

    public static int UnitLength => 64;

    public static int ElementBytes => sizeof(float);

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var i = 0; i < count; i++) y[i] = ((float*)source)[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TLanes, TVector>(byte* source)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct =>
        TLanes.Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Unpack<TLanes, TVector, TUse>(byte* unit, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        for (var i = 0; i < UnitLength; i += TLanes.Count) acc = TUse.Take<TLanes, TVector>(TLanes.Load((float*)unit + i), p + i, acc);
        return acc;
    }
}
