using System.Text.Json;

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
            ModelConfig? config = modelType switch
            {
                "llama" or "qwen2" or "qwen3" => root.Deserialize(ConfigJson.Default.GroupedQueryConfig),
                "deepseek_v2" or "deepseek_v3" or "deepseek_v32" or "hadal" => root.Deserialize(ConfigJson.Default.DeepSeekConfig),
                _ => throw new CheckpointException($"{where}: model_type is '{modelType}', supported are {SupportedModelTypes}"),
            };
            return config!;
        }
        catch (JsonException fault)
        {
            throw new CheckpointException($"{where}: is not a valid config: {fault.Message}", fault);
        }
    }

    internal const string SupportedModelTypes = "llama, qwen2, qwen3, deepseek_v2, deepseek_v3, deepseek_v32, hadal";
}
