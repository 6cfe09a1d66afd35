using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Hadal.Training.Trainers;

/// <summary>Compares a config file with the properties of an options record, and says in the file's words what is wrong: what comes through can be deserialized.</summary>
internal static class OptionKeys
{
    private const int FewKeys = 8, LongestExcerpt = 60;
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Unknown and missing keys of <paramref name="json"/> and values of another kind, one sentence each; inner objects and lists included.</summary>
    /// <param name="json">What the file says.</param>
    /// <param name="type">The record it is read into.</param>
    /// <param name="prefix">Path of <paramref name="json"/> in the file, with a dot at its end.</param>
    public static List<string> Faults(JsonObject json, Type type, string prefix = "")
    {
        var faults = Unknown(json, type, prefix);
        var nullability = new NullabilityInfoContext();
        foreach (var (key, property) in Properties(type))
        {
            if (json.TryGetPropertyValue(key, out var value))
                AddFaults(faults, value, property.PropertyType, nullability.Create(property).ReadState == NullabilityState.Nullable, prefix + key);
            else if (property.GetCustomAttribute<RequiredMemberAttribute>() is not null) faults.Add($"{prefix}{key}: missing");
        }

        return faults;
    }

    /// <summary>Keys of <paramref name="json"/> that the record does not have; those of inner objects are not looked at.</summary>
    /// <param name="json">What the file says.</param>
    /// <param name="type">The record it is read into.</param>
    /// <param name="prefix">Path of <paramref name="json"/> in the file, with a dot at its end.</param>
    /// <param name="others">Keys that are read though the record has no such property.</param>
    public static List<string> Unknown(JsonObject json, Type type, string prefix, params IEnumerable<string> others)
    {
        string[] known = [.. Properties(type).Keys, .. others];
        return [.. json.Select(pair => pair.Key).Except(known).Select(key => $"{prefix}{key}: unknown key{Advice(key, known, prefix)}")];
    }

    /// <summary>Whether the key at the end of a path means text.</summary>
    public static bool IsText(Type type, IEnumerable<string> path)
    {
        foreach (var key in path)
        {
            if (!IsRecord(type) || !Properties(type).TryGetValue(key, out var property)) return false;
            type = property.PropertyType;
        }

        return type == typeof(string);
    }

    /// <summary>The keys, those of all runs before those of one kind.</summary>
    private static Dictionary<string, PropertyInfo> Properties(Type type) => type.GetProperties()
        .OrderBy(property => property.DeclaringType == type)
        .Where(property => property.CanWrite && property.GetCustomAttribute<JsonIgnoreAttribute>() is null && property.GetCustomAttribute<JsonExtensionDataAttribute>() is null)
        .ToDictionary(property => JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name), StringComparer.Ordinal);

    private static void AddFaults(List<string> faults, JsonNode? value, Type type, bool isNullable, string path)
    {
        if (value is null && isNullable) return;
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (value is JsonArray list && ItemType(type) is { } itemType)
            for (var index = 0; index < list.Count; index++) AddFaults(faults, list[index], itemType, isNullable: false, string.Create(CultureInfo.InvariantCulture, $"{path}[{index}]"));
        else if (value is JsonObject child && IsRecord(type)) faults.AddRange(Faults(child, type, path + "."));
        else if (!Fits(value, type)) faults.Add($"{path}: expected {Expected(type)}, found {Found(value)}");
    }

    private static Type? ItemType(Type type) => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>) ? type.GetGenericArguments()[0] : null;

    private static bool IsRecord(Type type) => type.Namespace?.StartsWith(nameof(Hadal), StringComparison.Ordinal) == true;

    private static bool Fits(JsonNode? value, Type type)
    {
        if (type == typeof(JsonElement)) return value is not null;
        if (type == typeof(IReadOnlyDictionary<string, string>)) return value is JsonObject names && names.All(pair => pair.Value is JsonValue name && name.GetValueKind() == JsonValueKind.String);
        if (type == typeof(IReadOnlyDictionary<string, int>)) return value is JsonObject counts && counts.All(pair => Fits(pair.Value, typeof(int)));
        if (type == typeof(IReadOnlyDictionary<string, double>)) return value is JsonObject numbers && numbers.All(pair => Fits(pair.Value, typeof(double)));
        if (value is not JsonValue single) return false;
        if (type == typeof(int)) return single.GetValueKind() == JsonValueKind.Number && single.TryGetValue<int>(out _);
        if (type == typeof(long)) return single.GetValueKind() == JsonValueKind.Number && single.TryGetValue<long>(out _);

        // What libtorch computes with; a larger number would end as a fault of its own there.
        if (type == typeof(double)) return single.GetValueKind() == JsonValueKind.Number && single.TryGetValue<double>(out var number) && Math.Abs(number) <= float.MaxValue;

        if (type == typeof(bool)) return single.GetValueKind() is JsonValueKind.True or JsonValueKind.False;

        // No name of a file has a NUL in it.
        return type == typeof(string) && single.GetValueKind() == JsonValueKind.String && !single.GetValue<string>().Contains('\0', StringComparison.Ordinal);
    }

    private static string Expected(Type type) =>
        type == typeof(int) ? "a whole number of 32 bits" :
        type == typeof(long) ? "a whole number of 64 bits" :
        type == typeof(double) ? "a number in the range of float32" :
        type == typeof(string) ? "text" :
        type == typeof(bool) ? "true or false" :
        type == typeof(IReadOnlyDictionary<string, string>) ? "an object of texts" :
        type == typeof(IReadOnlyDictionary<string, int>) ? "an object of whole numbers" :
        type == typeof(IReadOnlyDictionary<string, double>) ? "an object of numbers" :
        type == typeof(JsonElement) ? "an object or the path of a file" :
        ItemType(type) is null ? "an object" : "a list";

    private static string Found(JsonNode? value)
    {
        if (value is null) return "null";
        if (value is JsonObject) return "an object";
        if (value is JsonArray) return "a list";
        var text = value.ToJsonString(Relaxed);
        return text.Length <= LongestExcerpt ? text : text[..LongestExcerpt] + "…";
    }

    private static string Advice(string key, string[] known, string prefix)
    {
        // A guess that shares little with the key would only lead astray.
        var nearest = known.MinBy(other => Distance(other, key))!;
        var distance = Distance(nearest, key);
        if (distance < key.Length && distance <= Math.Max(2, key.Length / 3)) return $"; did you mean {prefix}{nearest}?";
        return known.Length <= FewKeys ? $"; known are {string.Join(", ", known)}" : "";
    }

    /// <summary>Levenshtein distance.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substituted, 1 + Math.Min(row[j], row[j - 1]));
            }
        }

        return row[^1];
    }
}
