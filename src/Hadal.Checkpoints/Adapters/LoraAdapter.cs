using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Adapters;

/// <summary>An open low-rank adapter: a directory with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>, as huggingface/peft saves it.</summary>
/// <remarks>Immutable and safe to share between threads while it is open. Its tensors are views into the mapped file.</remarks>
public sealed class LoraAdapter : IDisposable
{
    private const string FileName = "adapter_model.safetensors";

    private readonly SafetensorsFile _file;

    private LoraAdapter(string path, AdapterConfig config, IReadOnlyList<LoraModule> modules, SafetensorsFile file)
    {
        Path = path;
        Config = config;
        Modules = modules;
        _file = file;
    }

    /// <summary>Full path of the directory.</summary>
    public string Path { get; }

    /// <summary>The validated config.</summary>
    public AdapterConfig Config { get; }

    /// <summary>What is adapted, in order of name.</summary>
    public IReadOnlyList<LoraModule> Modules { get; }

    /// <summary>The head for labels it brings, [labels, hidden_size] and [labels] or null; null where it brings none.</summary>
    public (WeightTensor Weight, WeightTensor? Bias)? Score { get; private init; }

    /// <summary>What its head says of a text.</summary>
    public ModelHead Head => Score is null ? ModelHead.Language : Config.TaskType == "TOKEN_CLS" ? ModelHead.Token : ModelHead.Sequence;

    /// <summary>Names of the labels of its head in order; empty where it has none.</summary>
    public IReadOnlyList<string> Labels => Score is not { } score ? [] :
        [.. Enumerable.Range(0, score.Weight.Shape[0]).Select(id => FormattableString.Invariant($"{id}")).Select(id => Config.Id2label?.GetValueOrDefault(id) ?? $"LABEL_{id}")];

    /// <summary>Source of the chat template it was trained with, or null where the directory has none.</summary>
    public string? ChatTemplate { get; private init; }

    /// <summary>Which model it was trained beside, or null where the directory does not say.</summary>
    public AdapterBase? Base { get; private init; }

    /// <summary>Warns of a model of the right shapes that is not the one it was trained beside: what it makes of that one nobody has measured.</summary>
    /// <returns>The warning in one line; null where the model is the same, or nothing can be said.</returns>
    public string? OtherBase(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        if (Base is null) return null;
        var given = AdapterBase.Of(checkpoint);
        return given.Formats != Base.Formats || given.Sha256 == Base.Sha256 ? null
            : $"{Path}: was trained beside another model ({Config.BaseModelNameOrPath ?? "unnamed"}) than {checkpoint.Path}, whose weights differ; its answers may be worse";
    }

    /// <summary>Numbers in the adapter.</summary>
    public long ParameterCount => Modules.Sum(module =>
        module.A.ElementCount + module.B.ElementCount + (module.Magnitude?.ElementCount ?? 0) + (module.Bias?.ElementCount ?? 0))
        + (Score?.Weight.ElementCount ?? 0) + (Score?.Bias?.ElementCount ?? 0);

    /// <summary>Opens an adapter and checks that it fits a model: every key, shape and format.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="model">Config of the base model.</param>
    /// <exception cref="CheckpointException">What is wrong, all faults in one message.</exception>
    public static LoraAdapter Open(string path, ModelConfig model)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(model);
        var full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        if (!Directory.Exists(full)) throw new CheckpointException($"{full}: is no directory; expected an adapter with {AdapterConfigReader.Name} and {FileName}");
        var folder = new CheckpointFolder(full);
        var (config, scales) = AdapterConfigReader.Read(folder);
        var found = folder.Find(FileName) ?? throw new CheckpointException($"{System.IO.Path.Combine(full, FileName)}: does not exist; an adapter needs it");
        var file = SafetensorsFile.Open(found);
        try
        {
            var binder = new LoraBinder(found, config, scales, model, file);
            return new LoraAdapter(full, config, binder.Bind(), file) { Score = binder.Score, ChatTemplate = ChatTemplateFile.Read(folder, []), Base = AdapterBase.Read(folder) };
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Which of several models an adapter belongs to: the one it was trained beside, else the first that it fits.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="models">At least one.</param>
    /// <returns>Its index.</returns>
    /// <exception cref="CheckpointException">It fits none; the message is about the first.</exception>
    public static int FindBase(string path, IReadOnlyList<Checkpoint> models)
    {
        ArgumentNullException.ThrowIfNull(models);
        CheckpointException? fault = null;
        var first = -1;
        for (var i = 0; i < models.Count; i++)
        {
            try
            {
                using var adapter = Open(path, models[i].Config);
                if (models.Count == 1 || (adapter.Base is not null && AdapterBase.Of(models[i]) == adapter.Base)) return i;
                if (first < 0) first = i;
            }
            catch (CheckpointException misfit)
            {
                fault ??= misfit;
            }
        }

        return first >= 0 ? first : throw fault ?? new CheckpointException($"{path}: expected a model that it could belong to, found none");
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
