using System.Globalization;
using System.Text.Json;
using Hadal.Checkpoints.Config;

namespace Hadal.Checkpoints.Weights;

/// <summary>How projections are stored in few bits: which of them, as which tensors, and what <c>config.json</c> says about it.</summary>
/// <param name="Bits">4: the AWQ layout <c>gemm</c>, codes with zero points and half scales. 8: compressed-tensors <c>int-quantized</c>, signed bytes with
/// float scales.</param>
/// <param name="GroupSize">Inputs that share a scale: 32, 64 or 128.</param>
/// <param name="IncludesHead">Whether output heads are projections like all others; only with 8 bits, because the AWQ layout has 4 bits for everything.</param>
/// <remarks>AutoAWQ <c>awq/modules/linear/gemm.py</c>; vllm-project/compressed-tensors <c>int_quantized</c>.</remarks>
public sealed record WeightQuantization(int Bits, int GroupSize, bool IncludesHead = false)
{
    /// <summary>Whether <paramref name="spec"/> is stored in few bits. Embeddings, scores of labels, norms, routers, biases and indexers never are, nor are matrices
    /// whose inputs are no whole groups.</summary>
    public bool Applies(WeightSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return (spec.Quantizable || (IncludesHead && IsHead(spec))) && spec.Shape is [var outputs, var inputs] && inputs % GroupSize == 0 && (Bits != 4 || outputs % 8 == 0)
            && !spec.Name.Contains(".indexer.", StringComparison.Ordinal);
    }

    /// <summary>Names, formats and shapes of the tensors that a matrix is stored as, codes first.</summary>
    /// <param name="spec">A tensor this <see cref="Applies"/> to.</param>
    public IReadOnlyList<(string Name, DType DType, int[] Shape)> Parts(WeightSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        int outputs = spec.Shape[0], inputs = spec.Shape[1], groups = inputs / GroupSize;
        var module = Module(spec.Name);
        return Bits == 4
            ? [(module + ".qweight", DType.I32, [inputs, outputs / 8]), (module + ".qzeros", DType.I32, [groups, outputs / 8]), (module + ".scales", DType.F16, [groups, outputs])]
            : [(spec.Name, DType.I8, [outputs, inputs]), (spec.Name + SafetensorsTensors.Int8ScaleSuffix, DType.F32, [outputs, groups])];
    }

    /// <summary>The <c>quantization_config</c> of a model with these tensors; linear modules that stay as they are stand in it by name.</summary>
    public QuantizationConfig ConfigFor(IEnumerable<WeightSpec> specs)
    {
        ArgumentNullException.ThrowIfNull(specs);
        List<string> kept = [.. specs.Where(spec => spec.Shape.Count == 2 && spec.Role != WeightRole.Embedding && !Applies(spec)).Select(spec => Module(spec.Name))];
        if (Bits == 4) return new QuantizationConfig { QuantMethod = "awq", Bits = 4, GroupSize = GroupSize, ZeroPoint = true, Version = "gemm", ModulesToNotConvert = kept };
        var groups = string.Create(
            CultureInfo.InvariantCulture,
            $$$"""{"group_0":{"targets":["Linear"],"weights":{"num_bits":8,"type":"int","symmetric":true,"strategy":"group","group_size":{{{GroupSize}}},"dynamic":false},"input_activations":null,"output_activations":null}}""");
        return new QuantizationConfig
        {
            QuantMethod = CompressedTensors.Method,
            Format = CompressedTensors.Format,
            Ignore = kept,
            OtherKeys = new Dictionary<string, JsonElement> { [CompressedTensors.GroupsKey] = JsonElement.Parse(groups), ["quantization_status"] = JsonElement.Parse("\"compressed\"") },
        };
    }

    private static bool IsHead(WeightSpec spec) => spec.Role == WeightRole.OutputHead && spec.Name.EndsWith("head.weight", StringComparison.Ordinal);

    private static string Module(string name) => name.EndsWith(".weight", StringComparison.Ordinal) ? name[..^".weight".Length] : name;
}
