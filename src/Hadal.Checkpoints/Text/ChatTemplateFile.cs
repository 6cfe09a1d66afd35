using System.Text;
using System.Text.Json;

namespace Hadal.Checkpoints.Text;

/// <summary>Finds the chat template of a directory: <c>chat_template.jinja</c>, else <c>chat_template</c> in <c>tokenizer_config.json</c>.</summary>
internal static class ChatTemplateFile
{
    private const string FileName = "chat_template.jinja";
    private const string ConfigName = "tokenizer_config.json";
    private const string DefaultName = "default";
    private const int MaxBytes = 4 << 20;
    private const int MaxConfigBytes = 32 << 20;

    /// <summary>The template, or null where there is none. Of several named ones the one called <c>default</c> is taken, and the others are warned of.</summary>
    /// <exception cref="CheckpointException">A file is malformed.</exception>
    public static string? Read(CheckpointFolder folder, List<string> warnings)
    {
        if (folder.TryRead(FileName, MaxBytes) is { } template) return Text(template.Span, Path.Combine(folder.Path, FileName));
        if (folder.TryRead(ConfigName, MaxConfigBytes) is not { } config) return null;
        var where = Path.Combine(folder.Path, ConfigName);
        try
        {
            using var document = JsonDocument.Parse(config, new JsonDocumentOptions { AllowTrailingCommas = true });
            return document.RootElement.Find("chat_template") is { } value ? Choose(value, where, warnings) : null;
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            // The latter: a value of another type than expected, or a string with a lone surrogate.
            throw new CheckpointException($"{where}: chat_template cannot be read: {fault.Message}", fault);
        }
    }

    private static string? Choose(JsonElement value, string where, List<string> warnings)
    {
        if (value.ValueKind != JsonValueKind.Array) return value.GetString();
        string? chosen = null;
        var others = new List<string>();
        foreach (var entry in value.EnumerateArray())
        {
            var name = entry.FindString("name") ?? throw new CheckpointException($"{where}: chat_template has an entry without name");
            var text = entry.FindString("template") ?? throw new CheckpointException($"{where}: chat_template '{name}' has no template");
            if (name == DefaultName) chosen = text;
            else others.Add(name);
        }

        if (others.Count > 0) warnings.Add($"tokenizer_config.json: only the chat template named {DefaultName} is used, not {string.Join(", ", others)}");
        return chosen;
    }

    private static string Text(ReadOnlySpan<byte> bytes, string where)
    {
        try
        {
            return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException fault)
        {
            throw new CheckpointException($"{where}: is not UTF-8", fault);
        }
    }
}
