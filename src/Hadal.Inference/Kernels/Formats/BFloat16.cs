using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>bfloat16, the upper half of a float32.</summary>
internal readonly unsafe struct BFloat16 : IElementFormat
{
    public static DType DType => DType.BF16;

    public static int UnitLength => 64;

    public static int ElementBytes => sizeof(ushort);

    /// <summary>The nearest bfloat16, ties to even; a NaN stays one.</summary>
    public static ushort FromSingle(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var i = 0; i < count; i++) y[i] = BitConverter.UInt32BitsToSingle((uint)((ushort*)source)[i] << 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TLanes, TVector>(byte* source)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct =>
        TLanes.LoadBFloat16((ushort*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Unpack<TLanes, TVector, TUse>(byte* unit, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        for (var i = 0; i < UnitLength; i += TLanes.Count) acc = TUse.Take<TLanes, TVector>(TLanes.LoadBFloat16((ushort*)unit + i), p + i, acc);
        return acc;
    }
}
