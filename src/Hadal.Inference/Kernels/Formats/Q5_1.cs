using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>32 codes of 5 bits: half d, half m, 32 high bits, 16 bytes of nibbles; value <c>q · d + m</c>. ggml <c>block_q5_1</c>.</summary>
internal readonly unsafe struct Q5_1 : IBlockFormat
{
    private const int BlockSize = 32;
    private const int BlockBytes = 24;

    public static DType DType => DType.Q5_1;

    public static int UnitLength => BlockSize;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            float d = HalfBits.Read(source), m = HalfBits.Read(source + 2);
            var high = Unsafe.ReadUnaligned<uint>(source + 4);
            for (var j = 0; j < 16; j++)
            {
                y[j] = (((source[8 + j] & 15) | (int)(((high >> j) & 1) << 4)) * d) + m;
                y[j + 16] = (((source[8 + j] >> 4) | (int)(((high >> (j + 16)) & 1) << 4)) * d) + m;
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
        var high = Unsafe.ReadUnaligned<uint>(unit + 4);
        var bytes = Vector128.Load(unit + 8);
        acc = Codes.Affine<TLanes, TVector, TUse>(Codes.LowNibbles(bytes) | Codes.FifthBits(high), d, m, p, acc);
        return Codes.Affine<TLanes, TVector, TUse>(Codes.HighNibbles(bytes) | Codes.FifthBits(high >> 16), d, m, p + 16, acc);
    }
}
