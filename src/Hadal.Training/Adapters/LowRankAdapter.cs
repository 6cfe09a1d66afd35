using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Models;
using Hadal.Training.Optimizers;
using Hadal.Training.Torch;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Adapters;

/// <summary>A low-rank adapter on a model that is being trained, and its files as huggingface/peft has them.</summary>
/// <remarks>Not thread-safe. The model's own weights are frozen while it is attached.</remarks>
public sealed class LowRankAdapter : IDisposable
{
    private const string ConfigFile = "adapter_config.json", WeightsFile = "adapter_model.safetensors", Prefix = "base_model.model.", EmbeddingPart = ".lora_embedding_";

    private readonly IReadOnlyList<(string Name, IAdaptable Matrix)> _targets;
    private readonly List<LowRankUpdate> _updates = [];
    private readonly List<(string Name, Parameter Parameter)> _tensors = [];

    private LowRankAdapter(CausalModel model, LoraOptions options, string baseModel)
    {
        _targets = LoraTargets.Find(model, options.TargetModules);
        foreach (var parameter in model.parameters()) parameter.requires_grad = false;
        Config = ConfigFor(model, options, baseModel);
        var scales = new AdapterScales(Config, fault => throw new TrainingException($"lora.{fault}"));
        foreach (var (name, matrix) in _targets)
        {
            var rank = scales.RankOf(name);
            var update = matrix.Update = new LowRankUpdate(matrix, rank, scales.ScaleOf(name, rank), options.LoraDropout, options.UseDora);
            _updates.Add(update);
            _tensors.Add((name + (matrix.IsEmbedding ? EmbeddingPart + "A" : ".lora_A.weight"), update.A));
            _tensors.Add((name + (matrix.IsEmbedding ? EmbeddingPart + "B" : ".lora_B.weight"), update.B));
            if (update.Magnitude is { } magnitude) _tensors.Add((name + ".lora_magnitude_vector", magnitude));
        }

        AddBiases(model, options.Bias);
        if (model.Score is { } score)
        {
            _tensors.Add(("score.weight", score.Weight));
            if (score.Bias is { } bias) _tensors.Add(("score.bias", bias));
        }

        foreach (var (_, parameter) in _tensors) parameter.requires_grad = true;
        Parameters = [.. _tensors.Select(tensor => new TrainedParameter(tensor.Name, tensor.Parameter, tensor.Parameter.dim() > 1 && IsHidden(tensor.Name)))];
    }

    /// <summary>What its config file says.</summary>
    public AdapterConfig Config { get; }

    /// <summary>What is trained.</summary>
    public IReadOnlyList<TrainedParameter> Parameters { get; }

    /// <summary>Numbers in it.</summary>
    public long ParameterCount => _tensors.Sum(tensor => tensor.Parameter.NumberOfElements);

    /// <summary>Freezes a model and puts a fresh adapter on it, which changes nothing yet. A head for labels is trained whole and is part of the adapter.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">The adapter.</param>
    /// <param name="baseModel">What the config calls the model.</param>
    /// <exception cref="TrainingException">It adapts what the model does not have.</exception>
    public static LowRankAdapter Attach(CausalModel model, LoraOptions options, string baseModel)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        return new LowRankAdapter(model, options, baseModel);
    }

    /// <summary>Turns dropout on or off.</summary>
    public void Train(bool isTraining)
    {
        foreach (var update in _updates) update.IsTraining = isTraining;
    }

    /// <summary>Writes <c>adapter_config.json</c>, <c>adapter_model.safetensors</c> (float32) and, where it has labels, their names into a folder.</summary>
    /// <exception cref="IOException">They cannot be written.</exception>
    public void Save(string directory)
    {
        Directory.CreateDirectory(directory);
        SafetensorsWriter.Write(Path.Combine(directory, WeightsFile), _tensors.Select(tensor => TensorBytes.Describe(Prefix + tensor.Name, tensor.Parameter, DType.F32)));
        if (Config.LabelNamesToJson() is { } labels) AtomicFile.Write(Path.Combine(directory, AdapterConfig.LabelNamesFile), stream => stream.Write(Encoding.UTF8.GetBytes(labels)));
        AtomicFile.Write(Path.Combine(directory, ConfigFile), stream => stream.Write(Encoding.UTF8.GetBytes(Config.ToJson())));
    }

    /// <summary>Reads what <see cref="Save"/> wrote for an adapter of the same form.</summary>
    /// <exception cref="TrainingException">It is of another form.</exception>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    public void Load(string directory)
    {
        var labels = Path.Combine(directory, AdapterConfig.LabelNamesFile);
        if (!SaysTheSame(File.ReadAllText(Path.Combine(directory, ConfigFile)), Config.ToJson()) || (File.Exists(labels) ? File.ReadAllText(labels) : null) != Config.LabelNamesToJson())
            throw new TrainingException($"{directory}: its {ConfigFile} is not the adapter of this run; resume with the config it was made with, or use another output");
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var stored = TensorBytes.ReadAll(Path.Combine(directory, WeightsFile));
        foreach (var (name, parameter) in _tensors) parameter.copy_(stored[Prefix + name]);
    }

    /// <summary>Whether two configs are of one adapter. How they call the model is no part of that: a path may be written in many ways, and the weights tell it.</summary>
    private static bool SaysTheSame(string stored, string own)
    {
        var (before, now) = (JsonNode.Parse(stored)!.AsObject(), JsonNode.Parse(own)!.AsObject());
        before["base_model_name_or_path"] = now["base_model_name_or_path"] = null;
        return JsonNode.DeepEquals(before, now);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (_, matrix) in _targets) matrix.Update = null;
        foreach (var update in _updates) update.Dispose();
    }

    private AdapterConfig ConfigFor(CausalModel model, LoraOptions options, string baseModel) => new()
    {
        TaskType = model.Config.Head switch { ModelHead.Sequence => "SEQ_CLS", ModelHead.Token => "TOKEN_CLS", _ => "CAUSAL_LM" }, BaseModelNameOrPath = baseModel, R = options.R, LoraAlpha = options.LoraAlpha, RankPattern = options.RankPattern, AlphaPattern = options.AlphaPattern, LoraDropout = options.LoraDropout, Bias = options.Bias,
        UseRslora = options.UseRslora, UseDora = options.UseDora, ModulesToSave = model.Score is null ? null : ["score"], Id2label = model.Score is null ? null : model.Config.Id2label,
        TargetModules = JsonSerializer.SerializeToElement(LoraTargets.Describe(_targets, model.Config)),
        OtherKeys = new Dictionary<string, JsonElement> { ["inference_mode"] = JsonElement.Parse("true"), ["init_lora_weights"] = JsonElement.Parse("true") },
    };

    private static bool IsHidden(string name) => name != "score.weight" && !name.StartsWith(LoraModule.HeadName + ".", StringComparison.Ordinal) && !name.Contains(EmbeddingPart, StringComparison.Ordinal);

    private void AddBiases(CausalModel model, string which)
    {
        if (which == "none") return;
        var adapted = _targets.Select(target => target.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var (name, projection) in model.Projections)
        {
            if (projection.Bias is null) continue;
            if (adapted.Contains(name)) _tensors.Add((name + ".base_layer.bias", projection.Bias));
            else if (which == "all") throw new TrainingException($"lora.bias: all: {name} has a bias and is not adapted, and no adapter file says that; name it in target_modules, or use lora_only");
        }
    }
}
