using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Signed bytes with one scale per row, or per row and group of columns; value <c>q · s</c>. compressed-tensors <c>int-quantized</c>.</summary>
/// <param name="data">[rows, columns] bytes.</param>
/// <param name="columns">Row length.</param>
/// <param name="scale">[rows, groups] of the whole tensor; F32, F16 or BF16.</param>
/// <param name="firstRow">Row of the whole tensor that <paramref name="data"/> begins with.</param>
internal readonly unsafe struct Int8Rows(byte* data, int columns, WeightTensor scale, int firstRow) : IWeightFormat
{
    /// <summary>Columns that are decoded together; groups are multiples of it.</summary>
    public const int Unit = 32;

    private readonly byte* _scales = scale.Data;
    private readonly DType _scaleType = scale.DType;
    private readonly int _groups = scale.Shape[1];

    /// <summary>Columns of a group; one group holds all of them, whatever their number.</summary>
    private readonly uint _groupSize = scale.Shape[1] == 1 ? int.MaxValue : (uint)(columns / scale.Shape[1]);

    /// <summary>Dividing by the group size, where that is a power of two; otherwise -1.</summary>
    private readonly int _groupShift = scale.Shape[1] == 1 ? 31 : BitOperations.IsPow2(columns / scale.Shape[1]) ? BitOperations.Log2((uint)(columns / scale.Shape[1])) : -1;

    public DType DType => DType.I8;

    public int UnitLength => Unit;

    public int UnitBytes => Unit;

    public byte* At(int row, int begin) => data + ((long)row * columns) + begin;

    public void Scalar(int row, int begin, int count, float* y)
    {
        var source = (sbyte*)At(row, begin);
        for (var i = 0; i < count; i++) y[i] = source[i] * Scale(row, begin + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Unpack<TLanes, TVector, TUse>(byte* unit, int row, int begin, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        var d = TLanes.Broadcast(Scale(row, begin));
        acc = Codes.Scaled<TLanes, TVector, TUse>(Vector128.Load((sbyte*)unit), d, p, acc);
        return Codes.Scaled<TLanes, TVector, TUse>(Vector128.Load((sbyte*)unit + 16), d, p + 16, acc);
    }

    private float Scale(int row, int column)
    {
        var group = _groupShift >= 0 ? (uint)column >> _groupShift : (uint)column / _groupSize;
        var index = ((long)(firstRow + row) * _groups) + group;
        return _scaleType switch
        {
            DType.F32 => Unsafe.ReadUnaligned<float>(_scales + (4 * index)),
            DType.F16 => HalfBits.Read(_scales + (2 * index)),
            _ => BitConverter.UInt32BitsToSingle((uint)Unsafe.ReadUnaligned<ushort>(_scales + (2 * index)) << 16),
        };
    }
}
