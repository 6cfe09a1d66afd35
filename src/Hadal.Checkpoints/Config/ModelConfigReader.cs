using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Hadal.Checkpoints.Config;

/// <summary>Reads <c>config.json</c> and refuses, by name, what Hadal does not compute.</summary>
public static class ModelConfigReader
{
    private const int MaxConfigBytes = 16 << 20;

    /// <summary>Reads and validates the file at <paramref name="path"/>, or the <c>config.json</c> in the directory <paramref name="path"/>.</summary>
    /// <exception cref="CheckpointException">The file cannot be read, or its faults, all in one message.</exception>
    public static ModelConfig Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = Directory.Exists(path) ? Path.Combine(path, "config.json") : path;
        return Parse(TextFile.Read(file, MaxConfigBytes), file);
    }

    /// <summary>Reads and validates the <c>config.json</c> of a directory.</summary>
    internal static ModelConfig Read(CheckpointFolder folder) => Parse(folder.Read("config.json", MaxConfigBytes), Path.Combine(folder.Path, "config.json"));

    /// <summary>Reads and validates the text of a <c>config.json</c>.</summary>
    /// <exception cref="CheckpointException">The faults, all in one message.</exception>
    public static ModelConfig Parse(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        return Parse(System.Text.Encoding.UTF8.GetBytes(json), "config.json");
    }

    internal static ModelConfig Parse(ReadOnlyMemory<byte> json, string where)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            var modelType = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("model_type", out var type) && type.ValueKind == JsonValueKind.String
                ? type.GetString()
                : null;
            var faults = new FaultList(where);
            ModelConfig config;
            switch (modelType)
            {
                case "llama" or "qwen2" or "qwen3":
                    config = WithRope(Deserialize(root, ConfigJson.Default.GroupedQueryConfig, faults), faults);
                    break;
                case "deepseek_v2" or "deepseek_v3" or "deepseek_v32" or "hadal":
                    config = WithRope(WithRouter(root, Deserialize(root, ConfigJson.Default.DeepSeekConfig, faults)), faults);
                    break;
                default:
                    throw new CheckpointException($"{where}: model_type is {(modelType is null ? "missing" : $"'{modelType}'")}, supported are {SupportedModelTypes}");
            }

            ConfigCheck.Check(config, where);
            return config;
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            // The latter: a string with a lone surrogate.
            throw new CheckpointException($"{where}: is not a valid config: {fault.Message}", fault);
        }
    }

    private static T Deserialize<T>(JsonElement root, JsonTypeInfo<T> type, FaultList faults)
    {
        ConfigKeys.Check(root, type, "", faults);
        faults.ThrowIfAny();
        return root.Deserialize(type)!;
    }

    /// <summary>The router of V3 where the file leaves it out: configs written by transformers do, because its V3 has only one.</summary>
    private static DeepSeekConfig WithRouter(JsonElement root, DeepSeekConfig config)
    {
        if (config.ModelType == "deepseek_v2" || config.NRoutedExperts is null) return config;
        if (!root.TryGetProperty("topk_method", out _)) config = config with { TopkMethod = "noaux_tc" };
        return root.TryGetProperty("scoring_func", out _) ? config : config with { ScoringFunc = "sigmoid" };
    }

    /// <summary>Newer files have <c>rope_theta</c> and <c>rope_scaling</c> together in <c>rope_parameters</c>; both spellings are read, the older is written.</summary>
    private static ModelConfig WithRope(ModelConfig config, FaultList faults)
    {
        if (config.OtherKeys?.TryGetValue("rope_parameters", out var value) != true || value.ValueKind == JsonValueKind.Null) return config;
        var parameters = Deserialize(value, ConfigJson.Default.RopeScaling, faults);
        config.OtherKeys.Remove("rope_parameters");
        var theta = config.RopeTheta;
        if (parameters.OtherKeys?.Remove("rope_theta", out var stated) == true) theta = stated.ValueKind == JsonValueKind.Number ? stated.GetDouble() : double.NaN;
        return config with { RopeTheta = theta, RopeScaling = parameters.Kind is null or "default" ? null : parameters };
    }

    internal const string SupportedModelTypes = "llama, qwen2, qwen3, deepseek_v2, deepseek_v3, deepseek_v32, hadal";
}
