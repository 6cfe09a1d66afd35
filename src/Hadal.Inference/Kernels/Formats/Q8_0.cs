using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>32 signed bytes with one half d; value <c>q · d</c>. ggml <c>block_q8_0</c>.</summary>
internal readonly unsafe struct Q8_0 : IBlockFormat
{
    private const int BlockSize = 32;
    private const int BlockBytes = 34;

    public static DType DType => DType.Q8_0;

    public static int UnitLength => BlockSize;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            var d = HalfBits.Read(source);
            for (var j = 0; j < BlockSize; j++) y[j] = (sbyte)source[2 + j] * d;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Unpack<TLanes, TVector, TUse>(byte* unit, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        var d = TLanes.Broadcast(HalfBits.Read(unit));
        acc = Codes.Scaled<TLanes, TVector, TUse>(Vector128.Load((sbyte*)unit + 2), d, p, acc);
        return Codes.Scaled<TLanes, TVector, TUse>(Vector128.Load((sbyte*)unit + 18), d, p + 16, acc);
    }
}
