using System.Text.Json;
using Hadal.Checkpoints.Config;

namespace Hadal.Checkpoints.Synthetic;

/// <summary>Configs of published models: what is in their <c>config.json</c>, without weights.</summary>
/// <remarks>Sizes are those of deepseek-ai's <c>inference/configs</c> and of the published <c>config.json</c> files. A <c>quantization_config</c> is left
/// out: how weights are stored is chosen by who writes them.</remarks>
public static class PublishedShapes
{
    private const string Resource = "Hadal.Checkpoints.Synthetic.shapes.json";

    /// <summary>The names, such as <c>deepseek-v2-lite</c>.</summary>
    public static IReadOnlyList<string> Names { get; } = ReadNames();

    /// <summary>The config of a name, or null where there is none.</summary>
    public static ModelConfig? Find(string name)
    {
        using var document = Open();
        return document.RootElement.TryGetProperty(name, out var config) ? ModelConfigReader.Parse(config.GetRawText()) : null;
    }

    private static string[] ReadNames()
    {
        using var document = Open();
        return [.. document.RootElement.EnumerateObject().Select(shape => shape.Name)];
    }

    private static JsonDocument Open()
    {
        using var stream = typeof(PublishedShapes).Assembly.GetManifestResourceStream(Resource)!;
        return JsonDocument.Parse(stream);
    }
}
