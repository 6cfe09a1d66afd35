using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>32 codes of 4 bits: half d, half m, 16 bytes of nibbles; value <c>q · d + m</c>. ggml <c>block_q4_1</c>.</summary>
internal readonly unsafe struct Q4_1 : IBlockFormat
{
    private const int BlockSize = 32;
    private const int BlockBytes = 20;

    public static DType DType => DType.Q4_1;

    public static int UnitLength => BlockSize;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            float d = HalfBits.Read(source), m = HalfBits.Read(source + 2);
            for (var j = 0; j < 16; j++)
            {
                y[j] = ((source[4 + j] & 15) * d) + m;
                y[j + 16] = ((source[4 + j] >> 4) * d) + m;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Unpack<TLanes, TVector, TUse>(byte* unit, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        TVector d = TLanes.Broadcast(HalfBits.Read(unit)), m = TLanes.Broadcast(HalfBits.Read(unit + 2));
        var bytes = Vector128.Load(unit + 4);
        if (TLanes.HasTables)
        {
            var table = TLanes.Add(TLanes.Multiply(Codes.Table<TLanes, TVector>(), d), m);
            acc = TUse.Take<TLanes, TVector>(TLanes.LookUp(table, bytes), p, acc);
            return TUse.Take<TLanes, TVector>(TLanes.LookUp(table, Codes.HighNibbles(bytes)), p + 16, acc);
        }

        acc = Codes.Affine<TLanes, TVector, TUse>(Codes.LowNibbles(bytes), d, m, p, acc);
        return Codes.Affine<TLanes, TVector, TUse>(Codes.HighNibbles(bytes), d, m, p + 16, acc);
    }
}
