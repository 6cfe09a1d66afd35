using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Super-blocks of 256 codes of 5 bits in eight sub-blocks: half d, half dmin, 12 bytes of scales, 32 bytes of high bits, 128 bytes of
/// nibbles; value <c>d · sc · q − dmin · mn</c>. ggml <c>block_q5_K</c>.</summary>
internal readonly unsafe struct Q5_K : IBlockFormat
{
    private const int BlockSize = 256;
    private const int BlockBytes = 176;

    public static DType DType => DType.Q5_K;

    public static int UnitLength => BlockSize;

    public static void Scalar(byte* source, int count, float* y)
    {
        for (var end = y + count; y < end; y += BlockSize, source += BlockBytes)
        {
            float d = HalfBits.Read(source), dmin = HalfBits.Read(source + 2);
            for (var sub = 0; sub < 8; sub++)
            {
                var scale = d * KScales.Scale(source + 4, sub);
                var minimum = dmin * KScales.Minimum(source + 4, sub);
                for (var j = 0; j < 32; j++)
                {
                    var q = (source[48 + (sub / 2 * 32) + j] >> (sub % 2 * 4)) & 15;
                    y[(sub * 32) + j] = (scale * (q | (((source[16 + j] >> sub) & 1) << 4))) - minimum;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Unpack<TLanes, TVector, TUse>(byte* unit, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        float d = HalfBits.Read(unit), dmin = HalfBits.Read(unit + 2);
        var (scales, minima) = KScales.Unpack(unit + 4);
        Vector128<byte> high = Vector128.Load(unit + 16), nextHigh = Vector128.Load(unit + 32);
        for (var pair = 0; pair < 4; pair++, p += 64)
        {
            Vector128<byte> first = Vector128.Load(unit + 48 + (32 * pair)), second = Vector128.Load(unit + 64 + (32 * pair));
            TVector scale = TLanes.Broadcast(d * (scales & 255)), minimum = TLanes.Broadcast(-dmin * (minima & 255));
            acc = Codes.Affine<TLanes, TVector, TUse>(Codes.LowNibbles(first) | Fifth(high << 4), scale, minimum, p, acc);
            acc = Codes.Affine<TLanes, TVector, TUse>(Codes.LowNibbles(second) | Fifth(nextHigh << 4), scale, minimum, p + 16, acc);
            scale = TLanes.Broadcast(d * ((scales >> 8) & 255));
            minimum = TLanes.Broadcast(-dmin * ((minima >> 8) & 255));
            acc = Codes.Affine<TLanes, TVector, TUse>(Codes.HighNibbles(first) | Fifth(high << 3), scale, minimum, p + 32, acc);
            acc = Codes.Affine<TLanes, TVector, TUse>(Codes.HighNibbles(second) | Fifth(nextHigh << 3), scale, minimum, p + 48, acc);
            scales >>= 16;
            minima >>= 16;
            high >>>= 2;
            nextHigh >>>= 2;
        }

        return acc;

        static Vector128<byte> Fifth(Vector128<byte> bits) => bits & Vector128.Create((byte)16);
    }
}
