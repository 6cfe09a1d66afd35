using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Hadal.Checkpoints.Config;

/// <summary>Holds the keys of a JSON object against the properties of a config record, so that every missing or mistyped key is reported, not the first.</summary>
internal static class ConfigKeys
{
    /// <summary>Adds a fault for each required key that is missing and each known key whose value is of another kind.</summary>
    /// <param name="root">The object.</param>
    /// <param name="type">Description of the record.</param>
    /// <param name="prefix">What stands before a key in messages, for example <c>rope_scaling.</c>.</param>
    /// <param name="faults">Receives the faults.</param>
    public static void Check(JsonElement root, JsonTypeInfo type, string prefix, FaultList faults)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            faults.Add($"{prefix.TrimEnd('.')} is {Found(root)}, expected an object");
            return;
        }

        CheckRepetition(root, prefix, faults);
        foreach (var property in type.Properties)
        {
            if (property.IsExtensionData) continue;
            if (!root.TryGetProperty(property.Name, out var value))
            {
                if (property.IsRequired) faults.Add($"{prefix}{property.Name} is missing");
            }
            else if (Nested(property.PropertyType) is { } nested)
            {
                if (value.ValueKind != JsonValueKind.Null) Check(value, nested, $"{prefix}{property.Name}.", faults);
            }
            else if (Expected(property.PropertyType, property.IsRequired, value) is { } expected)
            {
                faults.Add($"{prefix}{property.Name} is {Found(value)}, expected {expected}");
            }
        }
    }

    private static void CheckRepetition(JsonElement root, string prefix, FaultList faults)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in root.EnumerateObject())
            if (!names.Add(property.Name)) faults.Add($"{prefix}{property.Name} appears twice");
    }

    private static JsonTypeInfo? Nested(Type type) =>
        type == typeof(RopeScaling) ? ConfigJson.Default.RopeScaling :
        type == typeof(QuantizationConfig) ? ConfigJson.Default.QuantizationConfig :
        null;

    /// <summary>What was expected in the place of <paramref name="value"/>, or null where it fits.</summary>
    private static string? Expected(Type type, bool isRequired, JsonElement value)
    {
        var kind = value.ValueKind;
        var isNull = kind == JsonValueKind.Null;
        if (type == typeof(int)) return IsWhole(value) ? null : "a whole number";
        if (type == typeof(int?)) return isNull || IsWhole(value) ? null : "a whole number";
        if (type == typeof(double)) return kind == JsonValueKind.Number ? null : "a number";
        if (type == typeof(double?)) return isNull || kind == JsonValueKind.Number ? null : "a number";
        if (type == typeof(bool)) return kind is JsonValueKind.True or JsonValueKind.False ? null : "true or false";
        if (type == typeof(bool?)) return isNull || kind is JsonValueKind.True or JsonValueKind.False ? null : "true or false";
        if (type == typeof(string)) return kind == JsonValueKind.String || (isNull && !isRequired) ? null : "a string";
        if (type == typeof(IReadOnlyList<string>)) return isNull || IsListOf(value, item => item.ValueKind == JsonValueKind.String) ? null : "a list of strings";
        if (type == typeof(IReadOnlyList<int>)) return isNull || IsWhole(value) || IsListOf(value, IsWhole) ? null : "a whole number or a list of them";
        if (type == typeof(IReadOnlyDictionary<string, string>)) return isNull || IsObjectOf(value, item => item.ValueKind == JsonValueKind.String) ? null : "an object of strings";
        if (type == typeof(IReadOnlyDictionary<string, int>)) return isNull || IsObjectOf(value, IsWhole) ? null : "an object of whole numbers";
        return null;
    }

    private static bool IsObjectOf(JsonElement value, Predicate<JsonElement> fits) => value.ValueKind == JsonValueKind.Object && value.EnumerateObject().All(item => fits(item.Value));

    private static bool IsWhole(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out _);

    private static bool IsListOf(JsonElement value, Predicate<JsonElement> fits) => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => fits(item));

    private static string Found(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        _ => value.GetRawText() is { Length: > 60 } text ? text[..60] + "…" : value.GetRawText(),
    };
}
