using System.Runtime.CompilerServices;
using Hadal.Checkpoints.Weights;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Rows of blocks at a fixed distance in memory.</summary>
internal readonly unsafe struct BlockRows<TBlock>(byte* data, int columns) : IWeightFormat
    where TBlock : struct, IBlockFormat
{
    private readonly long _rowBytes = (long)columns / TBlock.DType.BlockSize() * TBlock.DType.BlockBytes();

    public DType DType => TBlock.DType;

    public void Scalar(int row, int begin, int count, float* y) => TBlock.Scalar(At(row, begin), count, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Decode<TLanes, TVector>(int row, int begin, int count, float* y)
        where TLanes : struct, Lanes.ILanes<TVector>
        where TVector : struct =>
        TBlock.Decode<TLanes, TVector>(At(row, begin), count, y);

    private byte* At(int row, int begin) => data + (row * _rowBytes) + ((long)begin / TBlock.DType.BlockSize() * TBlock.DType.BlockBytes());
}
