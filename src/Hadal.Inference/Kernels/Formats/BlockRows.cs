using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Rows of blocks at a fixed distance in memory.</summary>
internal readonly unsafe struct BlockRows<TBlock>(byte* data, int columns) : IWeightFormat
    where TBlock : struct, IBlockFormat
{
    private readonly long _rowBytes = (long)columns / TBlock.DType.BlockSize() * TBlock.DType.BlockBytes();

    public DType DType => TBlock.DType;

    public int UnitLength => TBlock.UnitLength;

    public int UnitBytes { get; } = TBlock.UnitLength / TBlock.DType.BlockSize() * TBlock.DType.BlockBytes();

    public byte* At(int row, int begin) => data + (row * _rowBytes) + ((long)begin / UnitLength * UnitBytes);

    public void Scalar(int row, int begin, int count, float* y) => TBlock.Scalar(At(row, begin), count, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Unpack<TLanes, TVector, TUse>(byte* unit, int row, int begin, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse =>
        TBlock.Unpack<TLanes, TVector, TUse>(unit, p, acc);
}
