using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using static TorchSharp.torch;

namespace Hadal.Training.Torch;

/// <summary>Tensors to and from bytes of files.</summary>
public static class TensorBytes
{
    /// <summary>The torch type of a plain storage format.</summary>
    /// <exception cref="NotSupportedException">Torch has no such type here.</exception>
    public static ScalarType ScalarTypeOf(DType dtype) => dtype switch
    {
        DType.F32 => ScalarType.Float32,
        DType.BF16 => ScalarType.BFloat16,
        DType.F16 => ScalarType.Float16,
        DType.I64 => ScalarType.Int64,
        DType.I32 => ScalarType.Int32,
        DType.U8 => ScalarType.Byte,
        DType.I8 => ScalarType.Int8,
        _ => throw new NotSupportedException($"{dtype}: training reads F32, BF16 and F16 weights; convert the checkpoint first"),
    };

    /// <summary>Reads a tensor of an open checkpoint into memory of its own.</summary>
    /// <exception cref="NotSupportedException">The format is not a plain one.</exception>
    public static unsafe Tensor Read(WeightTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        var result = empty([.. tensor.Shape.Select(size => (long)size)], ScalarTypeOf(tensor.DType));
        Fill(result, tensor.Data, tensor.ByteLength);
        return result;
    }

    /// <summary>Reads the stored elements of a tensor whose shape in the file is not the one of its numbers.</summary>
    internal static unsafe Tensor Read(WeightTensor tensor, ScalarType type, params long[] shape)
    {
        var result = empty(shape, type);
        Fill(result, tensor.Data, tensor.ByteLength);
        return result;
    }

    /// <summary>Describes <paramref name="tensor"/> for a safetensors file in the format <paramref name="dtype"/>; it is converted when its turn comes.</summary>
    public static TensorToWrite Describe(string name, Tensor tensor, DType dtype)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return new TensorToWrite(name, dtype, [.. tensor.shape.Select(size => checked((int)size))], stream => Write(tensor, dtype, stream));
    }

    /// <summary>Reads all tensors of a safetensors file into memory of their own.</summary>
    /// <exception cref="CheckpointException">The file cannot be read or breaks a rule of the format.</exception>
    internal static unsafe Dictionary<string, Tensor> ReadAll(string path)
    {
        using var file = SafetensorsFile.Open(path);
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var (name, entry) in file.Entries)
        {
            var type = entry.DTypeName switch
            {
                "F32" => ScalarType.Float32,
                "BF16" => ScalarType.BFloat16,
                "F16" => ScalarType.Float16,
                "I64" => ScalarType.Int64,
                "U8" => ScalarType.Byte,
                _ => throw new CheckpointException($"{path}: {name}: has dtype {entry.DTypeName}, expected F32, BF16, F16, I64 or U8"),
            };
            var tensor = empty([.. entry.Shape.Select(size => (long)size)], type);
            Fill(tensor, file.DataOf(entry), entry.ByteLength);
            tensors.Add(name, tensor);
        }

        return tensors;
    }

    private static unsafe void Fill(Tensor tensor, byte* data, long byteLength)
    {
        // The tensor was made with this many bytes a moment ago and is contiguous.
        if (byteLength == 0) return;
        if (byteLength <= int.MaxValue)
        {
            new ReadOnlySpan<byte>(data, (int)byteLength).CopyTo(tensor.bytes);
            return;
        }

        var rowBytes = byteLength / tensor.shape[0];
        for (var row = 0L; row < tensor.shape[0]; row++) Fill(tensor[row], data + (row * rowBytes), rowBytes);
    }

    private static void Write(Tensor tensor, DType dtype, Stream stream)
    {
        using var scope = NewDisposeScope();
        if (tensor.dim() > 0 && tensor.NumberOfElements * dtype.BlockBytes() > int.MaxValue)
        {
            for (var row = 0L; row < tensor.shape[0]; row++) Write(tensor[row], dtype, stream);
            return;
        }

        if (tensor.NumberOfElements > 0) stream.Write(tensor.detach().to(ScalarTypeOf(dtype)).cpu().contiguous().bytes);
    }
}
