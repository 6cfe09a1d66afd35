using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

/// <summary>A random matrix in a stored format, every part of it in guarded memory.</summary>
internal sealed unsafe class StoredMatrix : IDisposable
{
    private readonly List<GuardedBuffer> _buffers = [];

    private StoredMatrix(DType dtype, int rows, int columns, int seed, int groupSize)
    {
        var random = new Random(seed);
        Tensor = dtype switch
        {
            DType.AwqInt4 => Awq(random, rows, columns, groupSize),
            DType.F8E4M3 => Fp8(random, rows, columns),
            DType.I8 => Int8(random, rows, columns, groupSize),
            _ => Blocks(random, dtype, rows, columns),
        };
        Matrix = WeightMatrix.Create(Tensor);
    }

    public WeightTensor Tensor { get; }

    public WeightMatrix Matrix { get; }

    public static StoredMatrix Create(DType dtype, int rows, int columns, int seed, int groupSize = 32) => new(dtype, rows, columns, seed, groupSize);

    /// <summary>The matrix by its definition, one element after another.</summary>
    public float[] Values()
    {
        var values = new float[Matrix.Rows * Matrix.Columns];
        fixed (float* p = values)
        {
            for (var r = 0; r < Matrix.Rows; r++) Matrix.ScalarRow(r, p + (r * Matrix.Columns));
        }

        return values;
    }

    public void Dispose() => _buffers.ForEach(buffer => buffer.Dispose());

    private static IEnumerable<int> HalfOffsets(DType dtype) => dtype switch
    {
        DType.F16 or DType.Q4_0 or DType.Q5_0 or DType.Q8_0 => [0],
        DType.Q4_1 or DType.Q5_1 or DType.Q4_K or DType.Q5_K => [0, 2],
        DType.Q6_K => [208],
        _ => [],
    };

    private WeightTensor Blocks(Random random, DType dtype, int rows, int columns)
    {
        var bytes = new byte[(long)rows * columns / dtype.BlockSize() * dtype.BlockBytes()];
        random.NextBytes(bytes);
        for (var block = 0; block < bytes.Length; block += dtype.BlockBytes())
        {
            var number = (float)((random.NextDouble() - 0.5) * 0.2);
            if (dtype == DType.F32) BitConverter.TryWriteBytes(bytes.AsSpan(block), number);
            if (dtype == DType.BF16) BitConverter.TryWriteBytes(bytes.AsSpan(block), (ushort)(BitConverter.SingleToUInt32Bits(number) >> 16));
            foreach (var offset in HalfOffsets(dtype)) BitConverter.TryWriteBytes(bytes.AsSpan(block + offset), (Half)((random.NextDouble() - 0.5) * 0.02));
        }

        return View("w", dtype, [rows, columns], bytes);
    }

    private WeightTensor Fp8(Random random, int rows, int columns)
    {
        var codes = new byte[rows * columns];
        random.NextBytes(codes);
        for (var i = 0; i < codes.Length; i++) codes[i] = (codes[i] & 0x7F) == 0x7F ? (byte)1 : codes[i];
        int[] blocks = [(rows + 127) / 128, (columns + 127) / 128];
        var scales = new byte[blocks[0] * blocks[1] * 4];
        for (var i = 0; i < scales.Length; i += 4) BitConverter.TryWriteBytes(scales.AsSpan(i), (float)(random.NextDouble() * 0.001));
        var tensor = View("w", DType.F8E4M3, [rows, columns], codes);
        return new WeightTensor(tensor.Name, tensor.DType, tensor.Shape, tensor.Data, tensor.ByteLength)
        {
            Scale = View("w_scale_inv", DType.F32, blocks, scales),
        };
    }

    /// <summary>One scale per row where the groups do not fill it; the scales are in each of their formats by turns.</summary>
    private WeightTensor Int8(Random random, int rows, int columns, int groupSize)
    {
        var codes = new byte[rows * columns];
        random.NextBytes(codes);
        var groups = columns % groupSize == 0 ? columns / groupSize : 1;
        var dtype = new[] { DType.F32, DType.F16, DType.BF16 }[columns / 32 % 3];
        var scales = new byte[rows * groups * dtype.BlockBytes()];
        for (var i = 0; i < scales.Length; i += dtype.BlockBytes())
        {
            var scale = (float)(random.NextDouble() * 0.001);
            if (dtype == DType.F32) BitConverter.TryWriteBytes(scales.AsSpan(i), scale);
            else if (dtype == DType.F16) BitConverter.TryWriteBytes(scales.AsSpan(i), (Half)scale);
            else BitConverter.TryWriteBytes(scales.AsSpan(i), (ushort)(BitConverter.SingleToUInt32Bits(scale) >> 16));
        }

        var tensor = View("w", DType.I8, [rows, columns], codes);
        return new WeightTensor(tensor.Name, tensor.DType, tensor.Shape, tensor.Data, tensor.ByteLength)
        {
            Scale = View("w_scale", dtype, [rows, groups], scales),
        };
    }

    private WeightTensor Awq(Random random, int rows, int columns, int groupSize)
    {
        var codes = new byte[rows * columns / 2];
        random.NextBytes(codes);
        var groups = columns / groupSize;
        var zeros = new byte[groups * rows / 2];
        random.NextBytes(zeros);
        var scales = new byte[groups * rows * 2];
        for (var i = 0; i < scales.Length; i += 2) BitConverter.TryWriteBytes(scales.AsSpan(i), (Half)(random.NextDouble() * 0.01));
        var tensor = View("w", DType.AwqInt4, [rows, columns], codes);
        return new WeightTensor(tensor.Name, tensor.DType, tensor.Shape, tensor.Data, tensor.ByteLength)
        {
            AwqZeros = View("w_qzeros", DType.I32, [groups, rows / 8], zeros),
            AwqScales = View("w_scales", DType.F16, [groups, rows], scales),
        };
    }

    private WeightTensor View(string name, DType dtype, int[] shape, byte[] bytes)
    {
        var buffer = GuardedBuffer.OfBytes(bytes);
        _buffers.Add(buffer);
        return new WeightTensor(name, dtype, shape, buffer.Data, buffer.ByteLength);
    }
}
