using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Super-blocks of 256 codes of 4 bits in eight sub-blocks: half d, half dmin, 12 bytes of scales, 128 bytes of nibbles;
/// value <c>d · sc · q − dmin · mn</c>. ggml <c>block_q4_K</c>.</summary>
internal readonly unsafe struct Q4_K : IBlockFormat
{
    private const int BlockSize = 256;
    private const int BlockBytes = 144;

    public static DType DType => DType.Q4_K;

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
                    var q = (source[16 + (sub / 2 * 32) + j] >> (sub % 2 * 4)) & 15;
                    y[(sub * 32) + j] = (scale * q) - minimum;
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
        for (var pair = 0; pair < 4; pair++, p += 64)
        {
            Vector128<byte> first = Vector128.Load(unit + 16 + (32 * pair)), second = Vector128.Load(unit + 32 + (32 * pair));
            acc = Sub<TLanes, TVector, TUse>(first, second, d * (scales & 255), -dmin * (minima & 255), p, acc);
            acc = Sub<TLanes, TVector, TUse>(
                Codes.HighNibbles(first), Codes.HighNibbles(second), d * ((scales >> 8) & 255), -dmin * ((minima >> 8) & 255), p + 32, acc);
            scales >>= 16;
            minima >>= 16;
        }

        return acc;
    }

    /// <summary>32 elements with one scale; codes in the low halves of bytes. Adding a negated minimum rounds as subtracting it does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Sub<TLanes, TVector, TUse>(Vector128<byte> first, Vector128<byte> second, float scale, float minimum, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        TVector d = TLanes.Broadcast(scale), m = TLanes.Broadcast(minimum);
        if (TLanes.HasTables)
        {
            var table = TLanes.Add(TLanes.Multiply(Codes.Table<TLanes, TVector>(), d), m);
            acc = TUse.Take<TLanes, TVector>(TLanes.LookUp(table, first), p, acc);
            return TUse.Take<TLanes, TVector>(TLanes.LookUp(table, second), p + 16, acc);
        }

        acc = Codes.Affine<TLanes, TVector, TUse>(Codes.LowNibbles(first), d, m, p, acc);
        return Codes.Affine<TLanes, TVector, TUse>(Codes.LowNibbles(second), d, m, p + 16, acc);
    }
}
