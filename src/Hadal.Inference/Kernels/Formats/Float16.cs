using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>IEEE half precision; every value is exact in float32.</summary>
internal readonly unsafe struct Float16 : IElementFormat
{
    public static DType DType => DType.F16;

    public static int UnitLength => 64;

    public static int ElementBytes => sizeof(ushort);

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var i = 0; i < count; i++) y[i] = (float)((Half*)source)[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TLanes, TVector>(byte* source)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct =>
        TLanes.LoadHalf((ushort*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Unpack<TLanes, TVector, TUse>(byte* unit, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        for (var i = 0; i < UnitLength; i += TLanes.Count) acc = TUse.Take<TLanes, TVector>(TLanes.LoadHalf((ushort*)unit + i), p + i, acc);
        return acc;
    }
}
