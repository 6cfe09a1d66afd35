using System.Runtime.CompilerServices;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Decoded weights go to memory.</summary>
internal readonly unsafe struct StoreUse : IUse
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Take<TLanes, TVector>(TVector weights, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        TLanes.Store(p, weights);
        return acc;
    }
}

/// <summary>Decoded weights are multiplied with activations and added to the accumulator.</summary>
internal readonly unsafe struct DotUse : IUse
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Take<TLanes, TVector>(TVector weights, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct =>
        TLanes.MultiplyAdd(TLanes.Load(p), weights, acc);
}
