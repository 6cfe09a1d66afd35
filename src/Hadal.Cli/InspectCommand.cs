using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Models;

namespace Hadal.Cli;

/// <summary><c>hadal inspect [MODEL] [--json]</c>.</summary>
internal static class InspectCommand
{
    /// <summary>Rotary factors that GGUF files store as a tensor; no part of the model's parameters.</summary>
    private const string RotaryFactors = "rope_freqs.weight";

    public static Command Create(Shell shell)
    {
        var model = ModelLocator.Argument();
        var context = ModelOpening.ContextOption();
        var json = JsonOutput.Option();
        var command = new Command("inspect", "Shows what a checkpoint consists of and what memory it needs.") { model, context, json };
        command.SetAction(parsed =>
        {
            var location = new ModelLocator(shell).Find(parsed.GetValue(model));
            using var checkpoint = Checkpoint.Open(location.Path);
            if (parsed.GetValue(context) is { } tokens) ModelOpening.CheckContext(checkpoint.Config, tokens, "--context");
            var result = Describe(location, checkpoint, parsed.GetValue(context));
            if (parsed.GetValue(json)) JsonOutput.Write(shell, result, CommandJson.Default.InspectResult);
            else WriteTables(shell, result, checkpoint.Config);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Parameters a token passes through: all but those of unchosen experts and of the multi-token-prediction layers.</summary>
    internal static long ActiveParameters(ModelConfig config, IEnumerable<(string Name, long Count)> tensors)
    {
        if (config is not DeepSeekConfig deepSeek) return tensors.Sum(tensor => tensor.Count);
        var roles = WeightManifest.For(config).ToDictionary(spec => spec.Name, spec => spec.Role);
        var predictionPrefixes = Enumerable.Range(config.NumHiddenLayers, deepSeek.NumNextnPredictLayers)
            .Select(layer => string.Create(CultureInfo.InvariantCulture, $"model.layers.{layer}.")).ToArray();
        var (always, experts) = (0L, 0L);
        foreach (var (name, count) in tensors)
        {
            if (predictionPrefixes.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal))) continue;
            if (roles.GetValueOrDefault(name) == WeightRole.Expert) experts += count;
            else always += count;
        }

        return deepSeek is { NRoutedExperts: { } all, NumExpertsPerTok: { } chosen } ? always + (experts / all * chosen) : always + experts;
    }

    private static InspectResult Describe(ModelLocation location, Checkpoint checkpoint, int? context)
    {
        var config = checkpoint.Config;
        var options = new EngineOptions { MaxContext = context ?? Math.Min(config.MaxPositionEmbeddings, 4096) };
        var memory = MemoryEstimate.For(checkpoint, options);
        var tensors = checkpoint.Tensors.Values.ToList();
        var parameters = tensors.Where(tensor => tensor.Name != RotaryFactors).Select(tensor => (tensor.Name, tensor.ElementCount)).ToList();
        return new InspectResult
        {
            Model = location.Name,
            Path = checkpoint.Path,
            Format = checkpoint.Format,
            ModelType = config.ModelType,
            Quantization = ModelOpening.Quantization(checkpoint),
            Parameters = parameters.Sum(tensor => tensor.ElementCount),
            ParametersActive = ActiveParameters(config, parameters),
            Bytes = tensors.Sum(ModelOpening.BytesOf),
            ChatTemplate = checkpoint.ChatTemplate is not null,
            Memory = new InspectedMemory(options.MaxContext.Value, memory.WeightBytes, memory.CacheBytes, memory.ScratchBytes, memory.TotalBytes),
            Warnings = checkpoint.Warnings,
            Config = JsonElement.Parse(config.ToJson()),
            Tensors = [.. tensors.Select(tensor => new InspectedTensor(tensor.Name, ModelOpening.DTypeName(tensor.DType), tensor.Shape, ModelOpening.BytesOf(tensor)))],
        };
    }

    private static void WriteTables(Shell shell, InspectResult result, ModelConfig config)
    {
        var active = result.ParametersActive < result.Parameters ? $", {Sizes.Count(result.ParametersActive)} active per token" : "";
        var fields = new List<(string, string)>
        {
            ("path", result.Path),
            ("model type", result.ModelType),
            ("parameters", Sizes.Count(result.Parameters) + active),
            ("weights", $"{Sizes.Bytes(result.Bytes)} in {result.Quantization}, {result.Format}"),
            ("shape", string.Create(CultureInfo.InvariantCulture, $"{config.NumHiddenLayers} layers of width {config.HiddenSize}, {config.NumAttentionHeads} heads, vocabulary {config.VocabSize}")),
            ("context", string.Create(CultureInfo.InvariantCulture, $"{config.MaxPositionEmbeddings} tokens")),
            ("chat template", result.ChatTemplate ? "yes" : "no; the model continues text"),
            ("memory", string.Create(CultureInfo.InvariantCulture, $"{Sizes.Bytes(result.Memory.TotalBytes)} at {result.Memory.Context} tokens: weights {Sizes.Bytes(result.Memory.WeightBytes)}, cache {Sizes.Bytes(result.Memory.CacheBytes)}, work {Sizes.Bytes(result.Memory.ScratchBytes)}")),
        };
        fields.AddRange(result.Warnings.Select(warning => ("warning", warning)));
        Tables.WriteFields(shell, result.Model, fields);
        shell.Text.WriteLine();

        Tables.WriteRows(
            shell,
            ["tensor", "dtype", "shape", "size"],
            [.. Grouped(result.Tensors).Select(tensor => new[] { tensor.Name, tensor.Dtype, string.Join(" × ", tensor.Shape), Sizes.Bytes(tensor.Bytes) })],
            leftColumns: 2);
    }

    /// <summary>The experts of a layer that are stored alike, as one line with their bytes together.</summary>
    private static IEnumerable<InspectedTensor> Grouped(IReadOnlyList<InspectedTensor> tensors) => tensors
        .GroupBy(tensor => (Name: WithoutExpertIndex(tensor.Name), tensor.Dtype, Shape: string.Join(',', tensor.Shape)))
        .Select(group => group.Count() == 1
            ? group.First()
            : new InspectedTensor(string.Create(CultureInfo.InvariantCulture, $"{group.Key.Name} ({group.Count()})"), group.Key.Dtype, group.First().Shape, group.Sum(tensor => tensor.Bytes)));

    private static string WithoutExpertIndex(string name)
    {
        const string mark = ".experts.";
        var begin = name.IndexOf(mark, StringComparison.Ordinal) + mark.Length;
        if (begin < mark.Length) return name;
        var end = begin;
        while (end < name.Length && char.IsAsciiDigit(name[end])) end++;
        return string.Concat(name.AsSpan(0, begin), "*", name.AsSpan(end));
    }
}

/// <summary>What <c>inspect --json</c> prints.</summary>
internal sealed record InspectResult
{
    public required string Model { get; init; }

    public required string Path { get; init; }

    public required string Format { get; init; }

    public required string ModelType { get; init; }

    public required string Quantization { get; init; }

    public required long Parameters { get; init; }

    /// <summary>Parameters a token passes through.</summary>
    public required long ParametersActive { get; init; }

    /// <summary>Bytes of all tensors.</summary>
    public required long Bytes { get; init; }

    /// <summary>Whether there is one.</summary>
    public required bool ChatTemplate { get; init; }

    public required InspectedMemory Memory { get; init; }

    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>The config with all its keys, <c>quantization_config</c> among them.</summary>
    public required JsonElement Config { get; init; }

    public required IReadOnlyList<InspectedTensor> Tensors { get; init; }
}

/// <summary>Memory that one sequence of the model needs, in bytes.</summary>
internal sealed record InspectedMemory(int Context, long WeightBytes, long CacheBytes, long ScratchBytes, long TotalBytes);

/// <summary>One tensor; its bytes include scales and zeros.</summary>
internal sealed record InspectedTensor(string Name, string Dtype, IReadOnlyList<int> Shape, long Bytes);
