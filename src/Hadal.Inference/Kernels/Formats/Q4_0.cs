using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>32 codes of 4 bits: half d, 16 bytes of nibbles (elements 0–15 low, 16–31 high); value <c>(q − 8) · d</c>. ggml <c>block_q4_0</c>.</summary>
internal readonly unsafe struct Q4_0 : IBlockFormat
{
    private const int BlockSize = 32;
    private const int BlockBytes = 18;

    public static DType DType => DType.Q4_0;

    public static int UnitLength => BlockSize;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            var d = HalfBits.Read(source);
            for (var j = 0; j < 16; j++)
            {
                y[j] = ((source[2 + j] & 15) - 8) * d;
                y[j + 16] = ((source[2 + j] >> 4) - 8) * d;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Unpack<TLanes, TVector, TUse>(byte* unit, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        var d = TLanes.Broadcast(HalfBits.Read(unit));
        var bytes = Vector128.Load(unit + 2);
        if (TLanes.HasTables)
        {
            var table = TLanes.Multiply(TLanes.Subtract(Codes.Table<TLanes, TVector>(), TLanes.Broadcast(8f)), d);
            acc = TUse.Take<TLanes, TVector>(TLanes.LookUp(table, bytes), p, acc);
            return TUse.Take<TLanes, TVector>(TLanes.LookUp(table, Codes.HighNibbles(bytes)), p + 16, acc);
        }

        var offset = Vector128.Create((sbyte)8);
        acc = Codes.Scaled<TLanes, TVector, TUse>(Codes.LowNibbles(bytes).AsSByte() - offset, d, p, acc);
        return Codes.Scaled<TLanes, TVector, TUse>(Codes.HighNibbles(bytes).AsSByte() - offset, d, p + 16, acc);
    }
}
