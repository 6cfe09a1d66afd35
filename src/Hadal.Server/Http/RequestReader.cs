using System.Globalization;
using System.Text.Json;

namespace Hadal.Server.Http;

/// <summary>Takes the fields of a JSON object one by one. What nobody took is refused by name in the end, and so is every value out of range.</summary>
/// <remarks>An explicit null counts as absent, because clients send it for what they did not set.</remarks>
internal sealed class RequestReader
{
    private const int MaxFields = 256;

    private readonly JsonElement _element;
    private readonly string _path;
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    /// <param name="element">The object.</param>
    /// <param name="path">Its own place, empty for the body.</param>
    public RequestReader(JsonElement element, string path = "")
    {
        _element = element;
        _path = path;
        if (element.ValueKind != JsonValueKind.Object) throw ApiException.Invalid(path, $"{path}: expected an object, found {Kind(element)}");
        if (element.GetPropertyCount() > MaxFields) throw ApiException.Invalid(path.Length > 0 ? path : null, $"{Named(path)}expected at most {MaxFields} fields");
    }

    /// <summary>Place of a field.</summary>
    public string PathOf(string name) => _path.Length == 0 ? name : $"{_path}.{name}";

    /// <summary>A field as it is; null where it is absent.</summary>
    public JsonElement? Take(string name)
    {
        _taken.Add(name);
        return _element.TryGetProperty(name, out var value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined) ? value : null;
    }

    /// <summary>A text.</summary>
    public string? Text(string name, int maxLength = int.MaxValue)
    {
        if (Take(name) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.String) throw Fault(name, "a text", value);
        var text = value.GetString()!;
        return text.Length <= maxLength
            ? text
            : throw ApiException.Invalid(PathOf(name), string.Create(CultureInfo.InvariantCulture, $"{PathOf(name)}: expected at most {maxLength} characters, found {text.Length}"));
    }

    /// <summary>One of some words.</summary>
    public string? Word(string name, params ReadOnlySpan<string> words)
    {
        var text = Text(name);
        if (text is null || words.Contains(text)) return text;
        throw ApiException.Invalid(PathOf(name), $"{PathOf(name)}: expected {string.Join(", ", words.ToArray())}, found '{Shown(text)}'");
    }

    /// <summary>A text that must be there.</summary>
    public string RequiredText(string name) => Text(name) ?? throw Missing(name);

    /// <summary>A number.</summary>
    public double? Real(string name, double min, double max)
    {
        if (Take(name) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Number) throw Fault(name, "a number", value);
        if (value.TryGetDouble(out var number) && number >= min && number <= max) return number;
        throw OutOfRange(name, string.Create(CultureInfo.InvariantCulture, $"{min} to {max}"), value);
    }

    /// <summary>A whole number.</summary>
    public long? Integer(string name, long min, long max)
    {
        if (Take(name) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Number) throw Fault(name, "a whole number", value);
        if (value.TryGetInt64(out var number) && number >= min && number <= max) return number;
        throw OutOfRange(name, string.Create(CultureInfo.InvariantCulture, $"a whole number from {min} to {max}"), value);
    }

    /// <summary>True or false.</summary>
    public bool? Flag(string name)
    {
        if (Take(name) is not { } value) return null;
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.ValueKind == JsonValueKind.True : throw Fault(name, "true or false", value);
    }

    /// <summary>The elements of an array.</summary>
    public IReadOnlyList<JsonElement>? List(string name, int maxCount)
    {
        if (Take(name) is not { } value) return null;
        if (value.ValueKind != JsonValueKind.Array) throw Fault(name, "an array", value);
        var count = value.GetArrayLength();
        return count <= maxCount
            ? [.. value.EnumerateArray()]
            : throw ApiException.Invalid(PathOf(name), string.Create(CultureInfo.InvariantCulture, $"{PathOf(name)}: expected at most {maxCount} elements, found {count}"));
    }

    /// <summary>An object within.</summary>
    public RequestReader? Inner(string name) => Take(name) is { } value ? new RequestReader(value, PathOf(name)) : null;

    /// <summary>Refuses a field unless its value asks for nothing.</summary>
    /// <param name="name">The field.</param>
    /// <param name="why">What to do instead.</param>
    /// <param name="harmless">JSON texts that may stand there.</param>
    public void Refuse(string name, string why, params ReadOnlySpan<string> harmless)
    {
        if (Take(name) is not { } value || harmless.Contains(value.GetRawText().Replace(" ", "", StringComparison.Ordinal))) return;
        throw ApiException.Invalid(PathOf(name), $"{PathOf(name)} is not supported: {why}", "unsupported_parameter");
    }

    /// <summary>Refuses whatever nobody took.</summary>
    public void End()
    {
        foreach (var field in _element.EnumerateObject())
            if (!_taken.Contains(field.Name)) throw ApiException.Invalid(PathOf(Shown(field.Name)), $"unknown field '{PathOf(Shown(field.Name))}'", "unknown_parameter");
    }

    /// <summary>A field that is missing.</summary>
    public ApiException Missing(string name) => ApiException.Invalid(PathOf(name), $"{PathOf(name)}: missing", "missing_required_parameter");

    /// <summary>A field of another kind than expected.</summary>
    public ApiException Fault(string name, string expected, JsonElement found) => ApiException.Invalid(PathOf(name), $"{PathOf(name)}: expected {expected}, found {Kind(found)}");

    private static string Named(string path) => path.Length == 0 ? "" : path + ": ";

    /// <summary>Text of a caller as an error may repeat it.</summary>
    private static string Shown(string text) => text.Length <= 64 ? text : string.Concat(text.AsSpan(0, 64), "…");

    private static string Kind(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a text",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null or JsonValueKind.Undefined => "nothing",
        _ => "true or false",
    };

    private ApiException OutOfRange(string name, string expected, JsonElement found) =>
        ApiException.Invalid(PathOf(name), $"{PathOf(name)}: expected {expected}, found {Shown(found.GetRawText())}");
}
