using System.Globalization;
using Hadal.Checkpoints.Config;

namespace Hadal.Checkpoints.Weights;

/// <summary>Holds the tensors a file has against the tensors its config calls for, and reports every difference at once.</summary>
internal static class TensorBinder
{
    /// <summary>The tensors of <paramref name="stored"/> that <paramref name="specs"/> names.</summary>
    /// <param name="where">Path, for messages.</param>
    /// <param name="config">Config of the model.</param>
    /// <param name="specs">Gives what is called for; asked only when the file has at least as many tensors as the config's layers need.</param>
    /// <param name="stored">What the file has, by published name.</param>
    /// <param name="warnings">Receives what was left aside.</param>
    /// <exception cref="CheckpointException">Tensors are missing, have other shapes, or are unknown.</exception>
    public static Dictionary<string, WeightTensor> Bind(
        string where, ModelConfig config, Func<IReadOnlyList<WeightSpec>> specs, IReadOnlyDictionary<string, WeightTensor> stored, List<string> warnings)
    {
        CheckCount(where, config, stored.Count);
        var called = specs();
        var faults = new FaultList(where);
        var bound = new Dictionary<string, WeightTensor>(stored.Count, StringComparer.Ordinal);
        var withoutPrediction = LayersWithoutTensors(config, stored, warnings);
        foreach (var spec in called)
        {
            if (stored.TryGetValue(spec.Name, out var tensor))
            {
                if (!tensor.Shape.SequenceEqual(spec.Shape)) faults.Add(ShapeFault(spec, tensor));
                else if (FormatFault(spec, tensor) is { } fault) faults.Add(fault);
                else bound.Add(spec.Name, tensor);
            }
            else if (!spec.Optional && !withoutPrediction.Any(prefix => spec.Name.StartsWith(prefix, StringComparison.Ordinal)))
            {
                faults.Add($"{spec.Name}: missing, expected {Text(spec.Shape)}");
            }
        }

        var known = called.Select(spec => spec.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var name in stored.Keys.Where(name => !known.Contains(name)).Order(StringComparer.Ordinal))
        {
            if (!IsLeftover(config, name)) faults.Add($"{name}: unknown to {config.ModelType}, file has {Text(stored[name].Shape)}");
        }

        faults.ThrowIfAny("the weights do not belong to this config, or the download is incomplete");
        return bound;
    }

    /// <summary>Refuses configs that call for far more tensors than there are before the list of them is made: it could be long.</summary>
    private static void CheckCount(string where, ModelConfig config, int storedCount)
    {
        const int LeastPerLayer = 8; // Two norms, three of attention, three of feed-forward.
        var least = (long)config.NumHiddenLayers * LeastPerLayer;
        if (config is DeepSeekConfig { NRoutedExperts: { } experts } deepSeek) least += (config.NumHiddenLayers - deepSeek.FirstKDenseReplace) * 3L * experts;
        if (storedCount >= least || least < 1000) return;
        var expertCount = config is DeepSeekConfig { NRoutedExperts: { } count } ? string.Create(CultureInfo.InvariantCulture, $", n_routed_experts = {count}") : "";
        throw new CheckpointException(
            $"{where}: the config calls for more than {least} tensors (num_hidden_layers = {config.NumHiddenLayers}{expertCount}), there are {storedCount}; "
            + "the weights do not belong to this config, or the download is incomplete");
    }

    /// <summary>Tensors that published files carry and no forward pass reads.</summary>
    private static bool IsLeftover(ModelConfig config, string name)
    {
        if (name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal)) return true;
        // Some GGUF files have kv_b_proj whole and split; the whole one is read.
        if (config is DeepSeekConfig && (name.EndsWith(".k_b_proj.weight", StringComparison.Ordinal) || name.EndsWith(".v_b_proj.weight", StringComparison.Ordinal))) return true;
        return config is DeepSeekConfig && LayerIndexOf(name) is { } index && index >= config.NumHiddenLayers;
    }

    /// <summary>Prefixes of the prediction layers a config promises and a file leaves out altogether, as many conversions do.</summary>
    private static List<string> LayersWithoutTensors(ModelConfig config, IReadOnlyDictionary<string, WeightTensor> stored, List<string> warnings)
    {
        var prefixes = new List<string>();
        if (config is not DeepSeekConfig { NumNextnPredictLayers: > 0 } deepSeek) return prefixes;
        var present = stored.Keys.Select(LayerIndexOf).ToHashSet();
        for (var index = config.NumHiddenLayers; index < config.NumHiddenLayers + deepSeek.NumNextnPredictLayers; index++)
        {
            if (present.Contains(index)) continue;
            prefixes.Add(WeightManifest.LayerPrefix(index));
            warnings.Add($"num_nextn_predict_layers is {deepSeek.NumNextnPredictLayers}, but the file has no layer {index}: no multi-token prediction");
        }

        return prefixes;
    }

    private static int? LayerIndexOf(string name)
    {
        const string Prefix = "model.layers.";
        if (!name.StartsWith(Prefix, StringComparison.Ordinal)) return null;
        var rest = name.AsSpan(Prefix.Length);
        var dot = rest.IndexOf('.');
        return dot > 0 && int.TryParse(rest[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : null;
    }

    private static string ShapeFault(WeightSpec spec, WeightTensor tensor)
    {
        var reason = "";
        if (tensor.Shape.Count == spec.Shape.Count)
        {
            var axis = 0;
            while (tensor.Shape[axis] == spec.Shape[axis]) axis++;
            reason = $" ({spec.DimensionKeys[axis]} = {spec.Shape[axis]})";
        }

        return $"{spec.Name}: expected {Text(spec.Shape)}{reason}, file has {Text(tensor.Shape)}";
    }

    private static string? FormatFault(WeightSpec spec, WeightTensor tensor) => tensor.DType switch
    {
        DType.F32 or DType.F16 or DType.BF16 => null,
        DType.I8 when tensor.Scale is not null => null,
        DType.I8 or DType.U8 or DType.I32 or DType.I64 => $"{spec.Name}: is stored as {tensor.DType}, which is no format of weights; expected F32, F16, BF16 or F8_E4M3",
        _ when spec.Shape.Count == 1 => $"{spec.Name}: is stored as {tensor.DType}; norms and biases must be F32, F16 or BF16",
        _ => null,
    };

    internal static string Text(IReadOnlyList<int> shape) => $"[{string.Join(", ", shape)}]";
}
