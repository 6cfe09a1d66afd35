using System.Text.Json;
using System.Text.RegularExpressions;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Models;

namespace Hadal.Training.Adapters;

/// <summary>Finds the projections that <c>target_modules</c> means, by the rules of huggingface/peft.</summary>
internal static class LoraTargets
{
    /// <summary>The word for every projection but the head and the routed experts, whose number multiplies the adapter; the embedding is none.</summary>
    public const string All = "all-linear";

    /// <summary>The word for every matrix of the routed experts.</summary>
    private const string Experts = "experts";

    /// <summary>What names of grouped-query attention mean where attention has latents: the matrices that make queries, and the one that makes the latent of keys and values.</summary>
    private static readonly Dictionary<string, string> LatentNames = new(StringComparer.Ordinal)
    {
        ["q_proj"] = "q_b_proj", ["k_proj"] = "kv_a_proj_with_mqa", ["v_proj"] = "kv_a_proj_with_mqa",
    };

    /// <summary>The projections, in the order of the model.</summary>
    /// <exception cref="TrainingException">A name or the pattern means none.</exception>
    public static IReadOnlyList<(string Name, IAdaptable Matrix)> Find(CausalModel model, JsonElement? targets)
    {
        var every = model.Adaptable.Where(named => CanBeAdapted(named.Name, model.Config)).ToList();
        var all = every.Where(named => !IsExpert(named.Name)).ToList();
        List<(string Name, IAdaptable Matrix)> linear = [.. all.Where(named => !named.Matrix.IsEmbedding && named.Matrix != model.Head && !named.Name.EndsWith(".kv_b_proj", StringComparison.Ordinal))];
        if (targets is null || targets.Value.ValueEqualsAll()) return linear;
        if (targets.Value.ValueKind == JsonValueKind.String) return Matches(every, targets.Value.GetString()!);

        var chosen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in targets.Value.EnumerateArray().Select(name => name.GetString()!))
        {
            // A bare name means no expert: as many adapters as a layer has experts are made only where they are asked for.
            var found = name == All ? [.. linear.Select(named => named.Name)] : name == Experts ? [.. every.Select(named => named.Name).Where(IsExpert)] : Ending(name.Contains('.', StringComparison.Ordinal) ? every : all, name);
            if (found.Count == 0 && model.Config is DeepSeekConfig && LatentNames.TryGetValue(name, out var other)) found = Ending(all, other);
            if (found.Count == 0) throw new TrainingException($"lora.target_modules: '{name}' is no matrix of this {model.Config.ModelType} model; it has {string.Join(", ", Names(all))}");
            chosen.UnionWith(found);
        }

        return [.. every.Where(named => chosen.Contains(named.Name))];
    }

    /// <summary>Says of names that this model does not have which matrices are adapted for them; null where it has all of them.</summary>
    public static string? Substitutions(CausalModel model, JsonElement? targets)
    {
        if (targets is not { ValueKind: JsonValueKind.Array } list || model.Config is not DeepSeekConfig) return null;
        var all = model.Adaptable.ToList();
        var replaced = list.EnumerateArray().Select(name => name.GetString()!).Where(name => LatentNames.ContainsKey(name) && Ending(all, name).Count == 0).Distinct().ToList();
        return replaced.Count == 0 ? null
            : $"lora.target_modules: attention of this {model.Config.ModelType} model has latents; adapted are {string.Join(", ", replaced.Select(name => $"{LatentNames[name]} for {name}"))}"
                + (replaced.Contains("q_proj") && replaced.Count == 1 ? "" : "; kv_a_proj_with_mqa makes keys and values alike");
    }

    /// <summary>What stands in <c>adapter_config.json</c>: short names where they mean exactly these projections, otherwise their paths.</summary>
    public static IReadOnlyList<string> Describe(IReadOnlyList<(string Name, IAdaptable Matrix)> targets, ModelConfig config)
    {
        var names = Names(targets);
        var meant = WeightManifest.For(config).Count(spec => spec.Name.EndsWith(".weight", StringComparison.Ordinal) && names.Contains(Last(spec.Name[..^".weight".Length])));
        return meant == targets.Count ? names : [.. targets.Select(target => target.Name)];
    }

    private static bool IsExpert(string path) => path.Contains(".mlp.experts.", StringComparison.Ordinal);

    /// <summary>Indexers learn from a loss of their own, and prediction layers are not read when a model answers.</summary>
    private static bool CanBeAdapted(string name, ModelConfig config) =>
        !name.Contains(".indexer.", StringComparison.Ordinal)
        && !Enumerable.Range(config.NumHiddenLayers, (config as DeepSeekConfig)?.NumNextnPredictLayers ?? 0).Any(layer => name.StartsWith($"model.layers.{layer}.", StringComparison.Ordinal));

    private static List<(string Name, IAdaptable Matrix)> Matches(List<(string Name, IAdaptable Matrix)> all, string pattern)
    {
        try
        {
            var regex = new Regex($"^(?:{pattern})$", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            var found = all.Where(named => regex.IsMatch(named.Name)).ToList();
            return found.Count > 0 ? found : throw new TrainingException($"lora.target_modules: '{pattern}' matches no path; paths are like {all[1].Name}, names are {string.Join(", ", Names(all))}");
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException)
        {
            throw new TrainingException($"lora.target_modules: '{pattern}' is no pattern: {fault.Message}", fault);
        }
    }

    private static List<string> Ending(List<(string Name, IAdaptable Matrix)> all, string name) =>
        [.. all.Select(named => named.Name).Where(path => path == name || path.EndsWith("." + name, StringComparison.Ordinal))];

    private static List<string> Names(IEnumerable<(string Name, IAdaptable Matrix)> projections) => [.. projections.Select(named => Last(named.Name)).Distinct()];

    private static string Last(string path) => path[(path.LastIndexOf('.') + 1)..];

    private static bool ValueEqualsAll(this JsonElement value) => value.ValueKind == JsonValueKind.String && value.ValueEquals(All);
}
