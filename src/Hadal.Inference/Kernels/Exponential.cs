using System.Runtime.CompilerServices;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary><c>e^x</c> of a vector, within 2 units in the last place of float32.</summary>
/// <remarks>x = n·ln 2 + r with |r| ≤ ln 2 / 2, then a polynomial of degree 6 in r (Cephes <c>expf</c>) and an exponent shift in two steps.
/// Below −87.3 the result is 0 (no subnormal results), above 88.7 infinity; NaN stays NaN.</remarks>
internal static class Exponential
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TLanes, TVector>(TVector x)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var clamped = TLanes.Min(TLanes.Max(x, TLanes.Broadcast(-88f)), TLanes.Broadcast(89f));
        var n = TLanes.Round(TLanes.Multiply(clamped, TLanes.Broadcast(1.44269504f)));
        var r = TLanes.MultiplyAdd(n, TLanes.Broadcast(-0.693359375f), clamped);
        r = TLanes.MultiplyAdd(n, TLanes.Broadcast(2.12194440e-4f), r);
        var p = TLanes.Broadcast(1.9875691500e-4f);
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(1.3981999507e-3f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(8.3334519073e-3f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(4.1665795894e-2f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(1.6666665459e-1f));
        p = TLanes.MultiplyAdd(p, r, TLanes.Broadcast(0.5f));
        p = TLanes.Add(TLanes.MultiplyAdd(p, TLanes.Multiply(r, r), r), TLanes.Broadcast(1f));

        // Half of n each time, because 2^128 itself is no float32.
        var half = TLanes.Round(TLanes.Multiply(n, TLanes.Broadcast(0.5f)));
        var y = TLanes.Multiply(TLanes.Multiply(p, TLanes.PowerOfTwo(half)), TLanes.PowerOfTwo(TLanes.Subtract(n, half)));
        return TLanes.SelectLess(x, TLanes.Broadcast(-87.3f), TLanes.Zero, y);
    }
}
