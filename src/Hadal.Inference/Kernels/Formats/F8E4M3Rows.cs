using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>float8 e4m3fn with one float32 scale per 128 × 128 block, partial blocks at the edges; value <c>f8 · scale</c>.</summary>
/// <param name="data">[rows, columns] bytes.</param>
/// <param name="columns">Row length.</param>
/// <param name="scales">[ceil(rows / 128), ceil(columns / 128)] of the whole tensor.</param>
/// <param name="firstRow">Row of the whole tensor that <paramref name="data"/> begins with.</param>
/// <remarks>DeepSeek-V3 <c>weight_scale_inv</c>: in spite of the name the scale multiplies.</remarks>
internal readonly unsafe struct F8E4M3Rows(byte* data, int columns, float* scales, int firstRow) : IWeightFormat
{
    /// <summary>Rows and columns that share a scale.</summary>
    public const int ScaleBlock = 128;

    private readonly int _scaleColumns = (columns + ScaleBlock - 1) / ScaleBlock;

    public DType DType => DType.F8E4M3;

    public int UnitLength => ScaleBlock;

    public int UnitBytes => ScaleBlock;

    public byte* At(int row, int begin) => data + ((long)row * columns) + begin;

    public void Scalar(int row, int begin, int count, float* y)
    {
        var source = At(row, begin);
        for (var i = 0; i < count; i++) y[i] = ToSingle(source[i]) * Scale(row, begin + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Unpack<TLanes, TVector, TUse>(byte* unit, int row, int begin, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        var scale = TLanes.Broadcast(Scale(row, begin));
        for (var i = 0; i < ScaleBlock; i += 16)
        {
            var codes = Vector128.Load(unit + i);
            for (var part = 0; part < 16 / TLanes.Count; part++)
            {
                var value = TLanes.Multiply(TLanes.FromE4M3(codes, part), scale);
                acc = TUse.Take<TLanes, TVector>(value, p + i + (part * TLanes.Count), acc);
            }
        }

        return acc;
    }

    /// <summary>Exact value of one code: sign, 4 bits of exponent with bias 7, 3 bits of mantissa; no infinity, 0x7F is NaN.</summary>
    internal static float ToSingle(byte code)
    {
        int exponent = (code >> 3) & 15, mantissa = code & 7;
        var magnitude =
            (code & 0x7F) == 0x7F ? float.NaN :
            exponent == 0 ? mantissa / 512f :
            BitConverter.Int32BitsToSingle(((exponent + 120) << 23) | (mantissa << 20));
        return (code & 0x80) == 0 ? magnitude : -magnitude;
    }

    private float Scale(int row, int column) => scales[((long)(firstRow + row) / ScaleBlock * _scaleColumns) + (column / ScaleBlock)];
}
