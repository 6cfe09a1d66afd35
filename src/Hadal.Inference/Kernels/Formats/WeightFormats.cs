using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>The one list of formats with kernels, and the checks of what their tensors must hold.</summary>
internal static unsafe class WeightFormats
{
    public static WeightMatrix Create(WeightTensor tensor, int rows, int columns, long byteOffset)
    {
        if (rows <= 0 || columns <= 0) throw new CheckpointException($"{tensor.Name}: a matrix needs rows and columns, found [{rows}, {columns}]");
        return tensor.DType switch
        {
            DType.F32 => Floats<Float32>(tensor, rows, columns, byteOffset),
            DType.F16 => Floats<Float16>(tensor, rows, columns, byteOffset),
            DType.BF16 => Floats<BFloat16>(tensor, rows, columns, byteOffset),
            DType.F8E4M3 => F8E4M3(tensor, rows, columns, byteOffset),
            DType.I8 => Int8(tensor, rows, columns, byteOffset),
            DType.Q4_0 => Blocks<Q4_0>(tensor, rows, columns, byteOffset),
            DType.Q4_1 => Blocks<Q4_1>(tensor, rows, columns, byteOffset),
            DType.Q5_0 => Blocks<Q5_0>(tensor, rows, columns, byteOffset),
            DType.Q5_1 => Blocks<Q5_1>(tensor, rows, columns, byteOffset),
            DType.Q8_0 => Blocks<Q8_0>(tensor, rows, columns, byteOffset),
            DType.Q4_K => Blocks<Q4_K>(tensor, rows, columns, byteOffset),
            DType.Q5_K => Blocks<Q5_K>(tensor, rows, columns, byteOffset),
            DType.Q6_K => Blocks<Q6_K>(tensor, rows, columns, byteOffset),
            DType.AwqInt4 => Awq(tensor, rows, columns, byteOffset),
            _ => throw new CheckpointException(
                $"{tensor.Name}: no kernels for {tensor.DType}; supported: F32, F16, BF16, F8E4M3, I8 with scales, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, AwqInt4"),
        };
    }

    private static RowMatrix<BlockRows<TBlock>> Blocks<TBlock>(WeightTensor tensor, int rows, int columns, long byteOffset)
        where TBlock : struct, IBlockFormat
    {
        var blockSize = TBlock.DType.BlockSize();
        if (columns % blockSize != 0)
            throw new CheckpointException($"{tensor.Name}: rows of {TBlock.DType} need a multiple of {blockSize} elements, found {columns}");
        CheckBytes(tensor, rows, columns, byteOffset, (Int128)rows * (columns / blockSize) * TBlock.DType.BlockBytes());
        return new RowMatrix<BlockRows<TBlock>>(new BlockRows<TBlock>(tensor.Data + byteOffset, columns), rows, columns);
    }

    private static FloatMatrix<TElement> Floats<TElement>(WeightTensor tensor, int rows, int columns, long byteOffset)
        where TElement : struct, IElementFormat
    {
        CheckBytes(tensor, rows, columns, byteOffset, (Int128)rows * columns * TElement.ElementBytes);
        return new FloatMatrix<TElement>(tensor.Data + byteOffset, rows, columns);
    }

    private static RowMatrix<F8E4M3Rows> F8E4M3(WeightTensor tensor, int rows, int columns, long byteOffset)
    {
        CheckBytes(tensor, rows, columns, byteOffset, (Int128)rows * columns);
        if (tensor.Shape.Count != 2 || tensor.Shape[1] != columns || byteOffset % columns != 0)
            throw new CheckpointException($"{tensor.Name}: a slice of F8E4M3 must be whole rows, because scales belong to blocks of the whole tensor");
        var scale = tensor.Scale ?? throw new CheckpointException($"{tensor.Name}: F8E4M3 without its block scales (weight_scale_inv)");
        var (scaleRows, scaleColumns) = (Blocks128(tensor.Shape[0]), Blocks128(columns));
        if (scale.DType != DType.F32 || scale.ByteLength < (long)scaleRows * scaleColumns * sizeof(float))
        {
            throw new CheckpointException(
                $"{scale.Name}: expected F32 [{scaleRows}, {scaleColumns}], found {scale.DType} [{string.Join(", ", scale.Shape)}]");
        }

        return new RowMatrix<F8E4M3Rows>(
            new F8E4M3Rows(tensor.Data + byteOffset, columns, (float*)scale.Data, (int)(byteOffset / columns)), rows, columns);

        static int Blocks128(int size) => (int)(((long)size + F8E4M3Rows.ScaleBlock - 1) / F8E4M3Rows.ScaleBlock);
    }

    private static RowMatrix<Int8Rows> Int8(WeightTensor tensor, int rows, int columns, long byteOffset)
    {
        CheckBytes(tensor, rows, columns, byteOffset, (Int128)rows * columns);
        if (tensor.Shape.Count != 2 || tensor.Shape[1] != columns || byteOffset % columns != 0)
            throw new CheckpointException($"{tensor.Name}: a slice of I8 must be whole rows, because scales belong to rows of the whole tensor");
        var scale = tensor.Scale ?? throw new CheckpointException($"{tensor.Name}: I8 without its scales (weight_scale)");
        var groups = scale.Shape is [var scaleRows, > 0 and var count] && scaleRows == tensor.Shape[0] ? count : 0;
        var fits = groups == 1 || (groups > 0 && columns % groups == 0 && columns / groups % Int8Rows.Unit == 0);
        if (!fits || scale.DType is not (DType.F32 or DType.F16 or DType.BF16) || scale.ByteLength < (long)tensor.Shape[0] * groups * scale.DType.BlockBytes())
        {
            throw new CheckpointException(
                $"{scale.Name}: expected F32, F16 or BF16 [{tensor.Shape[0]}, 1] or one per group of a multiple of {Int8Rows.Unit} of {columns} inputs, "
                + $"found {scale.DType} [{string.Join(", ", scale.Shape)}]");
        }

        return new RowMatrix<Int8Rows>(new Int8Rows(tensor.Data + byteOffset, columns, scale, (int)(byteOffset / columns)), rows, columns);
    }

    private static AwqMatrix Awq(WeightTensor tensor, int rows, int columns, long byteOffset)
    {
        if (byteOffset != 0 || tensor.Shape.Count != 2 || tensor.Shape[0] != rows || tensor.Shape[1] != columns)
            throw new CheckpointException($"{tensor.Name}: AWQ tensors have no slices; expected [{string.Join(", ", tensor.Shape)}], asked for [{rows}, {columns}]");
        if (tensor.AwqZeros is not { } zeros || tensor.AwqScales is not { } scales)
            throw new CheckpointException($"{tensor.Name}: AWQ codes without qzeros or scales");
        if (rows % 8 != 0) throw new CheckpointException($"{tensor.Name}: AWQ packs 8 outputs a word, found {rows} outputs");
        var groupCount = zeros.ByteLength / (rows / 2);
        if (groupCount == 0 || columns % groupCount != 0 || zeros.ByteLength % (rows / 2) != 0)
            throw new CheckpointException($"{zeros.Name}: {zeros.ByteLength} bytes are no whole number of groups of {columns} inputs");
        CheckBytes(tensor, rows, columns, 0, (Int128)rows * columns / 2);
        if (scales.DType != DType.F16 || scales.ByteLength != 2L * groupCount * rows)
            throw new CheckpointException($"{scales.Name}: expected F16 [{groupCount}, {rows}], found {scales.DType} [{string.Join(", ", scales.Shape)}]");
        return new AwqMatrix((uint*)tensor.Data, (uint*)zeros.Data, scales.Data, (int)(columns / groupCount), rows, columns);
    }

    private static void CheckBytes(WeightTensor tensor, int rows, int columns, long byteOffset, Int128 needed)
    {
        if (byteOffset < 0 || byteOffset + needed > tensor.ByteLength)
        {
            throw new CheckpointException(
                $"{tensor.Name}: [{rows}, {columns}] in {tensor.DType} needs {needed} bytes from byte {byteOffset}, the tensor has {tensor.ByteLength}");
        }
    }
}
