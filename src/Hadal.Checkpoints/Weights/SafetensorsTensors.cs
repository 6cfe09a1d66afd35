namespace Hadal.Checkpoints.Weights;

/// <summary>Turns the entries of safetensors files into tensors: block scales are attached to the tensors they belong to.</summary>
internal static unsafe class SafetensorsTensors
{
    private const string ScaleSuffix = "_scale_inv";

    /// <summary>All tensors of <paramref name="shards"/> by name. Faults go to <paramref name="faults"/>.</summary>
    public static Dictionary<string, WeightTensor> Read(IReadOnlyList<SafetensorsFile> shards, FaultList faults)
    {
        var plain = new Dictionary<string, WeightTensor>(StringComparer.Ordinal);
        foreach (var shard in shards)
        {
            foreach (var entry in shard.Entries.Values)
            {
                if (SafetensorsDTypes.ToDType(entry.DTypeName) is not { } dtype)
                    faults.Add($"{entry.Name}: dtype {entry.DTypeName} is not computed; expected F32, F16, BF16 or F8_E4M3");
                else
                    plain.Add(entry.Name, new WeightTensor(entry.Name, dtype, entry.Shape, shard.DataOf(entry), entry.ByteLength));
            }
        }

        AttachScales(plain, faults);
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
                tensors[tensor.Name] = new WeightTensor(tensor.Name, tensor.DType, tensor.Shape, tensor.Data, tensor.ByteLength) { Scale = scale };
        }
    }
}
