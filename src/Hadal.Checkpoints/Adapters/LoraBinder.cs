using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Adapters;

/// <summary>Matches the tensors of an adapter file with the projections of a model.</summary>
internal sealed class LoraBinder(string where, AdapterConfig config, AdapterScales scales, ModelConfig model, SafetensorsFile file)
{
    private const string Prefix = "base_model.model.", EmbeddingName = "model.embed_tokens";
    private const string A = ".lora_A.weight", B = ".lora_B.weight", Magnitude = ".lora_magnitude_vector", BaseBias = ".base_layer.bias", Bias = ".bias", Weight = ".weight";
    private const string EmbeddingA = ".lora_embedding_A", EmbeddingB = ".lora_embedding_B", Table = ".base_layer.weight";

    private static readonly string[] Parts = [A, B, EmbeddingA, EmbeddingB, Magnitude, Magnitude + ".weight", BaseBias, Bias];

    private readonly FaultList _faults = new(where);

    /// <summary>The head for labels, where the adapter brings one: [labels, hidden_size], and [labels] or null.</summary>
    public (WeightTensor Weight, WeightTensor? Bias)? Score { get; private set; }

    /// <summary>The adapted modules in order of name.</summary>
    /// <exception cref="CheckpointException">The faults, all in one message.</exception>
    public IReadOnlyList<LoraModule> Bind()
    {
        var parts = new SortedDictionary<string, Dictionary<string, WeightTensor>>(StringComparer.Ordinal);
        foreach (var (key, entry) in file.Entries) Place(key, entry, parts);
        if (parts.Remove("score", out var score)) BindScore(score);
        var matrices = WeightManifest.For(model).Where(spec => (spec.Quantizable && spec.Shape.Count == 2) || spec.Name is EmbeddingName + Weight or LoraModule.HeadName + Weight).ToDictionary(spec => spec.Name, StringComparer.Ordinal);
        var modules = new List<LoraModule>();
        foreach (var (name, tensors) in parts)
            if (Bind(name, tensors, matrices) is { } module) modules.Add(module);
        if (modules.Count == 0 && Score is null && _faults.Count == 0) _faults.Add("adapts nothing: it has no lora_A and lora_B");
        _faults.ThrowIfAny();
        return modules;
    }

    private unsafe void Place(string key, SafetensorsEntry entry, SortedDictionary<string, Dictionary<string, WeightTensor>> parts)
    {
        if (!key.StartsWith(Prefix, StringComparison.Ordinal))
        {
            _faults.Add($"tensor '{key}' does not begin with {Prefix}");
            return;
        }

        var part = key is Prefix + "score.weight" ? Weight : key is Prefix + EmbeddingName + Table or Prefix + LoraModule.HeadName + Table ? Table : Parts.FirstOrDefault(ending => key.EndsWith(ending, StringComparison.Ordinal));
        if (part is null)
        {
            _faults.Add($"tensor '{key}' is no part of an adapted projection; expected …{A}, …{B}, …{Magnitude} or …{Bias}, of an embedding …{EmbeddingA} and …{EmbeddingB}");
            return;
        }

        if (SafetensorsDTypes.ToDType(entry.DTypeName) is not (DType.F32 or DType.F16 or DType.BF16))
        {
            _faults.Add($"tensor '{key}' is {entry.DTypeName}, expected F32, F16 or BF16");
            return;
        }

        var module = key[Prefix.Length..^part.Length];
        if (!parts.TryGetValue(module, out var tensors)) parts[module] = tensors = [];
        var name = part.StartsWith(Magnitude, StringComparison.Ordinal) ? Magnitude : part == BaseBias ? Bias : part;
        if (tensors.TryGetValue(name, out var other)) _faults.Add($"tensors '{other.Name}' and '{key}' are the same part of module '{module}'");
        tensors[name] = new WeightTensor(key, SafetensorsDTypes.ToDType(entry.DTypeName)!.Value, entry.Shape, file.DataOf(entry), entry.ByteLength);
    }

    private void BindScore(Dictionary<string, WeightTensor> tensors)
    {
        if (!tensors.TryGetValue(Weight, out var weight))
        {
            _faults.Add("module 'score' has no weight");
            return;
        }

        var labels = weight.Shape.Count == 2 ? weight.Shape[0] : 0;
        Shape(weight, [Math.Max(1, labels), model.HiddenSize]);
        var bias = tensors.GetValueOrDefault(Bias);
        if (bias is not null) Shape(bias, [labels]);
        if (config.Id2label is { } names && (names.Count != labels || !Enumerable.Range(0, labels).All(id => names.ContainsKey(FormattableString.Invariant($"{id}")))))
            _faults.Add($"score.weight has {labels} labels, {AdapterConfig.LabelNamesFile} or id2label in {AdapterConfigReader.Name} names {string.Join(", ", names.Keys.Take(8))}");
        if (AdapterNumbers.Fault("score", weight, bias) is { } fault) _faults.Add(fault);
        Score = (weight, bias);
    }

    private LoraModule? Bind(string name, Dictionary<string, WeightTensor> tensors, Dictionary<string, WeightSpec> matrices)
    {
        if (name == LoraModule.HeadName && (Score is not null || model.Head != ModelHead.Language))
        {
            _faults.Add($"module '{name}' is adapted, and score, which gives labels, stands in its place; expected other modules: train without {name} in target_modules");
            return null;
        }

        if (!matrices.TryGetValue(name + ".weight", out var spec))
        {
            _faults.Add($"module '{name}' is no projection of this {model.ModelType} model");
            return null;
        }

        var isEmbedding = name == EmbeddingName;
        var (keyA, keyB) = isEmbedding ? (EmbeddingA, EmbeddingB) : (A, B);
        if (tensors.Keys.FirstOrDefault(part => isEmbedding ? part is A or B or Bias : part is EmbeddingA or EmbeddingB) is { } stray)
        {
            _faults.Add($"module '{name}' has {stray[1..]}; expected {keyA[1..]} and {keyB[1..]} of {(isEmbedding ? "an embedding" : "a projection")}");
            return null;
        }

        if (!tensors.TryGetValue(keyA, out var a) || !tensors.TryGetValue(keyB, out var b))
        {
            _faults.Add(tensors.Count == 1 && tensors.ContainsKey(Bias)
                ? $"module '{name}' has a trained bias and is not adapted (peft's bias: all), which is not computed; train with bias lora_only or none, or adapt it too"
                : $"module '{name}' has no {(tensors.ContainsKey(keyA) ? keyB : keyA)[1..]}");
            return null;
        }

        var (output, input, before) = (spec.Shape[isEmbedding ? 1 : 0], spec.Shape[isEmbedding ? 0 : 1], _faults.Count);
        var rank = a.Shape.Count == 2 ? a.Shape[0] : 0;
        Shape(a, [rank, input]);
        Shape(b, [output, rank]);
        if (rank < 1) _faults.Add($"tensor '{a.Name}' has rank {rank}, expected at least 1");
        var expected = scales.RankOf(name);
        if (rank != expected) _faults.Add($"tensor '{a.Name}' has rank {rank}, {AdapterConfigReader.Name} says {expected}");
        var magnitude = tensors.GetValueOrDefault(Magnitude);
        if (magnitude is not null) Shape(magnitude, [output]);
        if (magnitude is not null != config.UseDora)
            _faults.Add($"module '{name}' has {(magnitude is null ? "no" : "a")} lora_magnitude_vector and use_dora is {(config.UseDora ? "true" : "false")}");
        var bias = tensors.GetValueOrDefault(Bias);
        if (bias is not null) Shape(bias, [output]);
        if (bias is not null && config.Bias == "none") _faults.Add($"module '{name}' has a bias and bias is none");
        var table = tensors.GetValueOrDefault(Table);
        if (table is not null) Shape(table, [.. spec.Shape]);
        if (_faults.Count > before) return null;
        var module = new LoraModule(name, a, b, scales.ScaleOf(name, rank)) { Magnitude = magnitude, Bias = bias, IsEmbedding = isEmbedding, Table = table };
        if (AdapterNumbers.Fault(module) is { } fault) _faults.Add(fault);
        return module;
    }

    private void Shape(WeightTensor tensor, int[] expected)
    {
        if (!tensor.Shape.SequenceEqual(expected))
            _faults.Add($"tensor '{tensor.Name}' is [{string.Join(", ", tensor.Shape)}], expected [{string.Join(", ", expected)}]");
    }
}
