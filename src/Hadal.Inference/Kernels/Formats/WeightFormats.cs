using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>The one list of formats with kernels.</summary>
internal static unsafe class WeightFormats
{
    public static WeightMatrix Create(WeightTensor tensor, int rows, int columns, long byteOffset) => tensor.DType switch
    {
        DType.F32 => Blocks<Float32>(tensor, rows, columns, byteOffset),
        DType.F16 => Blocks<Float16>(tensor, rows, columns, byteOffset),
        DType.BF16 => Blocks<BFloat16>(tensor, rows, columns, byteOffset),
        _ => throw new CheckpointException(
            $"{tensor.Name}: no kernels for {tensor.DType}; supported: F32, F16, BF16"),
    };

    private static RowMatrix<BlockRows<TBlock>> Blocks<TBlock>(WeightTensor tensor, int rows, int columns, long byteOffset)
        where TBlock : struct, IBlockFormat
    {
        var blockSize = TBlock.DType.BlockSize();
        if (columns % blockSize != 0)
            throw new CheckpointException($"{tensor.Name}: rows of {TBlock.DType} need a multiple of {blockSize} elements, found {columns}");
        var needed = (decimal)rows * (columns / blockSize) * TBlock.DType.BlockBytes();
        if (byteOffset < 0 || byteOffset + needed > tensor.ByteLength)
        {
            throw new CheckpointException(
                $"{tensor.Name}: [{rows}, {columns}] in {TBlock.DType} needs {needed} bytes from byte {byteOffset}, the tensor has {tensor.ByteLength}");
        }

        return new RowMatrix<BlockRows<TBlock>>(new BlockRows<TBlock>(tensor.Data + byteOffset, columns), rows, columns);
    }
}
