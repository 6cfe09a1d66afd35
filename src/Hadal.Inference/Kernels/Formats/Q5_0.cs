using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>32 codes of 5 bits: half d, 32 high bits, 16 bytes of nibbles; value <c>(q − 16) · d</c>. ggml <c>block_q5_0</c>.</summary>
internal readonly unsafe struct Q5_0 : IBlockFormat
{
    private const int BlockSize = 32;
    private const int BlockBytes = 22;

    public static DType DType => DType.Q5_0;

    public static int UnitLength => BlockSize;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            var d = HalfBits.Read(source);
            var high = Unsafe.ReadUnaligned<uint>(source + 2);
            for (var j = 0; j < 16; j++)
            {
                y[j] = (((source[6 + j] & 15) | (int)(((high >> j) & 1) << 4)) - 16) * d;
                y[j + 16] = (((source[6 + j] >> 4) | (int)(((high >> (j + 16)) & 1) << 4)) - 16) * d;
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
        var high = Unsafe.ReadUnaligned<uint>(unit + 2);
        var bytes = Vector128.Load(unit + 6);
        var offset = Vector128.Create((sbyte)16);
        acc = Codes.Scaled<TLanes, TVector, TUse>((Codes.LowNibbles(bytes) | Codes.FifthBits(high)).AsSByte() - offset, d, p, acc);
        return Codes.Scaled<TLanes, TVector, TUse>((Codes.HighNibbles(bytes) | Codes.FifthBits(high >> 16)).AsSByte() - offset, d, p + 16, acc);
    }
}
