using Hadal.Checkpoints.Config;

namespace Hadal.Checkpoints.Weights;

/// <summary>Turns the entries of safetensors files into tensors: scales, and the zeros of AWQ, are attached to the tensors they
/// belong to.</summary>
internal static unsafe class SafetensorsTensors
{
    private const string ScaleSuffix = "_scale_inv";

    /// <summary>What compressed-tensors puts behind the name of a tensor for its scales.</summary>
    internal const string Int8ScaleSuffix = "_scale";

    private const string CodesSuffix = ".qweight";

    /// <summary>Inputs that kernels decode at a time: groups of scales are whole multiples.</summary>
    private const int Int8GroupUnit = 32;

    /// <summary>All tensors of <paramref name="shards"/> by name. Faults go to <paramref name="faults"/>.</summary>
    public static Dictionary<string, WeightTensor> Read(IReadOnlyList<SafetensorsFile> shards, QuantizationConfig? quantization, FaultList faults)
    {
        var plain = new Dictionary<string, WeightTensor>(StringComparer.Ordinal);
        foreach (var shard in shards)
        {
            foreach (var entry in shard.Entries.Values)
            {
                if (SafetensorsDTypes.ToDType(entry.DTypeName) is not { } dtype)
                    faults.Add($"{entry.Name}: dtype {entry.DTypeName} is not computed; expected F32, F16, BF16 or F8_E4M3");
                else if (!plain.TryAdd(entry.Name, new WeightTensor(entry.Name, dtype, entry.Shape, shard.DataOf(entry), entry.ByteLength) { IsMapped = true }))
                    faults.Add($"{entry.Name}: lies in two files");
            }
        }

        AttachScales(plain, faults);
        if (quantization?.QuantMethod == CompressedTensors.Method) AttachInt8Scales(plain, faults);
        AttachAwq(plain, quantization, faults);
        return plain;
    }

    private static void AttachScales(Dictionary<string, WeightTensor> tensors, FaultList faults)
    {
        foreach (var tensor in tensors.Values.Where(tensor => tensor.DType == DType.F8E4M3).ToList())
        {
            if (!tensors.Remove(tensor.Name + ScaleSuffix, out var scale))
            {
                faults.Add($"{tensor.Name}: is F8_E4M3 without {tensor.Name}{ScaleSuffix}");
                continue;
            }

            int[] expected = tensor.Shape.Count == 2 ? [(tensor.Shape[0] + 127) / 128, (tensor.Shape[1] + 127) / 128] : [];
            if (scale.DType != DType.F32 || !scale.Shape.SequenceEqual(expected))
                faults.Add($"{scale.Name}: expected F32 {TensorBinder.Text(expected)}, one per 128 × 128 block, file has {scale.DType} {TensorBinder.Text(scale.Shape)}");
            else
                tensors[tensor.Name] = new WeightTensor(tensor.Name, tensor.DType, tensor.Shape, tensor.Data, tensor.ByteLength) { Scale = scale, IsMapped = tensor.IsMapped };
        }
    }

    /// <summary>Joins <c>X.weight</c> in signed bytes and <c>X.weight_scale</c>, one scale per output or per output and group of inputs.</summary>
    private static void AttachInt8Scales(Dictionary<string, WeightTensor> tensors, FaultList faults)
    {
        foreach (var tensor in tensors.Values.Where(tensor => tensor.DType == DType.I8).ToList())
        {
            if (!tensors.Remove(tensor.Name + Int8ScaleSuffix, out var scale)) faults.Add($"{tensor.Name}: is I8 without {tensor.Name}{Int8ScaleSuffix}");
            else if (Int8Fault(tensor, scale) is { } fault) faults.Add(fault);
            else tensors[tensor.Name] = new WeightTensor(tensor.Name, tensor.DType, tensor.Shape, tensor.Data, tensor.ByteLength) { Scale = scale, IsMapped = tensor.IsMapped };
        }
    }

    private static string? Int8Fault(WeightTensor tensor, WeightTensor scale)
    {
        if (tensor.Shape is not [var outputs, > 0 and var inputs]) return $"{tensor.Name}: expected I8 [out, in], file has I8 {TensorBinder.Text(tensor.Shape)}";
        var fits = scale.Shape is [var rows, > 0 and var groups] && rows == outputs && (groups == 1 || (inputs % groups == 0 && inputs / groups % Int8GroupUnit == 0));
        return fits && scale.DType is (DType.F32 or DType.F16 or DType.BF16)
            ? null
            : $"{scale.Name}: expected F32, F16 or BF16 [{outputs}, 1] or [{outputs}, groups] of a multiple of {Int8GroupUnit} of the {inputs} inputs, "
                + $"file has {scale.DType} {TensorBinder.Text(scale.Shape)}";
    }

    /// <summary>Joins <c>X.qweight</c>, <c>X.qzeros</c> and <c>X.scales</c> to the tensor <c>X.weight</c> [out, in]. AutoAWQ <c>gemm.py</c>.</summary>
    private static void AttachAwq(Dictionary<string, WeightTensor> tensors, QuantizationConfig? quantization, FaultList faults)
    {
        foreach (var codes in tensors.Values.Where(tensor => tensor.Name.EndsWith(CodesSuffix, StringComparison.Ordinal)).ToList())
        {
            var module = codes.Name[..^CodesSuffix.Length];
            tensors.Remove(codes.Name);
            if (quantization is not { QuantMethod: "awq", GroupSize: { } group })
            {
                faults.Add($"{codes.Name}: are packed codes, but config.json has no quantization_config with quant_method awq");
                return;
            }

            if (!tensors.Remove(module + ".qzeros", out var zeros) || !tensors.Remove(module + ".scales", out var scales))
            {
                faults.Add($"{codes.Name}: is without {module}.qzeros or {module}.scales");
                continue;
            }

            if (AwqFault(codes, zeros, scales, group) is { } fault) faults.Add(fault);
            else if (!tensors.TryAdd(module + ".weight", Joined(module + ".weight", codes, zeros, scales)))
                faults.Add($"{module}: has both weight and qweight");
        }
    }

    private static WeightTensor Joined(string name, WeightTensor codes, WeightTensor zeros, WeightTensor scales) =>
        new(name, DType.AwqInt4, [codes.Shape[1] * 8, codes.Shape[0]], codes.Data, codes.ByteLength) { AwqZeros = zeros, AwqScales = scales, IsMapped = codes.IsMapped };

    private static string? AwqFault(WeightTensor codes, WeightTensor zeros, WeightTensor scales, int group)
    {
        if (codes.DType != DType.I32 || codes.Shape is not [> 0 and var inputs, > 0 and <= int.MaxValue / 8 and var words])
            return $"{codes.Name}: expected I32 [in, out / 8], file has {codes.DType} {TensorBinder.Text(codes.Shape)}";
        if (inputs % group != 0) return $"{codes.Name}: has {inputs} inputs, no multiple of group_size {group}";
        int[] zerosShape = [inputs / group, words], scalesShape = [inputs / group, words * 8];
        if (zeros.DType != DType.I32 || !zeros.Shape.SequenceEqual(zerosShape))
            return $"{zeros.Name}: expected I32 {TensorBinder.Text(zerosShape)}, file has {zeros.DType} {TensorBinder.Text(zeros.Shape)}";
        if (scales.DType != DType.F16 || !scales.Shape.SequenceEqual(scalesShape))
            return $"{scales.Name}: expected F16 {TensorBinder.Text(scalesShape)}, file has {scales.DType} {TensorBinder.Text(scales.Shape)}";
        return null;
    }
}
