using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Hadal.Checkpoints;
using Hadal.Training.Data;

namespace Hadal.Training.Trainers;

/// <summary>Reads the config file of a run into its options record, with the changes of the command line.</summary>
internal static class OptionsFile
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    private static readonly JsonDocumentOptions FileSyntax = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, AllowDuplicateProperties = false };

    /// <summary>Reads a config file, changes single keys and checks all ranges.</summary>
    /// <param name="path">JSON file; comments are allowed.</param>
    /// <param name="changes"><c>key=value</c>, the key with dots for inner objects (<c>tokenizer.vocab_size=4096</c>), the value JSON or plain text.</param>
    /// <param name="complete">Adds to the object what its keys stand for, and gives further faults; may be null.</param>
    /// <exception cref="TrainingException">The file cannot be read, a key is unknown, or a value is out of its range.</exception>
    public static T Read<T>(string path, IEnumerable<string> changes, Func<JsonObject, IEnumerable<string>>? complete = null) where T : RunOptions
    {
        ArgumentNullException.ThrowIfNull(changes);
        try
        {
            var node = JsonNode.Parse(RegularFile.ReadText(path, path), null, FileSyntax);
            if (node is not JsonObject root) throw new TrainingException($"{path}: expected a JSON object");
            foreach (var change in changes) Apply(root, change, typeof(T));
            List<string> more = [.. complete?.Invoke(root) ?? []];
            if ((List<string>)[.. OptionKeys.Faults(root, typeof(T)), .. more] is { Count: > 0 } faults) throw new TrainingException($"{path}: {string.Join("; ", faults)}");
            var options = root.Deserialize<T>(Json)! with { Folder = Path.GetDirectoryName(Path.GetFullPath(path))! };
            options.Check(path);
            return options;
        }
        catch (JsonException fault)
        {
            throw new TrainingException($"{path}: {JsonFault.Describe(fault)}", fault);
        }
        catch (InvalidOperationException fault)
        {
            throw new TrainingException($"{path}: expected Unicode text, found half of a surrogate pair in a string", fault);
        }
    }

    private static void Apply(JsonObject root, string change, Type type)
    {
        var equals = change.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0) throw new TrainingException($"--set {change}: expected key=value");
        var keys = change[..equals].Split('.');
        var node = root;
        foreach (var key in keys[..^1])
        {
            node = (node[key] ??= new JsonObject()) as JsonObject
                ?? throw new TrainingException($"--set {change}: {key} is not an object; set it as a whole, {key}=JSON");
        }

        var value = ParseValue(change[(equals + 1)..], change);

        // 2024 is a fine name of a folder.
        var isName = value?.GetValueKind() is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False && OptionKeys.IsText(type, keys);
        node[keys[^1]] = isName ? JsonValue.Create(change[(equals + 1)..]) : value;
    }

    private static JsonNode? ParseValue(string text, string change)
    {
        try
        {
            return JsonNode.Parse(text, null, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException fault)
        {
            // Objects and lists are meant as JSON; anything else is text that needs no quotes.
            if (text.TrimStart() is ['{' or '[', ..]) throw new TrainingException($"--set {change}: expected JSON: {JsonFault.Describe(fault)}", fault);
            return JsonValue.Create(text);
        }
    }
}
