using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Hadal.Training.Trainers;

/// <summary>Compares the keys of a config file with the properties of an options record, and says in the file's words what is wrong.</summary>
internal static class OptionKeys
{
    /// <summary>Unknown and missing keys of <paramref name="json"/>, one sentence each; inner objects and lists of objects included.</summary>
    /// <param name="json">What the file says.</param>
    /// <param name="type">The record it is read into.</param>
    /// <param name="prefix">Path of <paramref name="json"/> in the file, with a dot at its end.</param>
    public static List<string> Faults(JsonObject json, Type type, string prefix = "")
    {
        var faults = new List<string>();
        var properties = type.GetProperties().Where(property => property.CanWrite && property.GetCustomAttribute<JsonIgnoreAttribute>() is null)
            .ToDictionary(property => JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name), StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in json)
        {
            if (!properties.TryGetValue(key, out var property))
            {
                faults.Add($"{prefix}{key}: unknown key; did you mean {prefix}{properties.Keys.MinBy(known => Distance(known, key))}?");
                continue;
            }

            var inner = property.PropertyType.IsGenericType ? property.PropertyType.GetGenericArguments()[0] : property.PropertyType;
            if (inner.Namespace?.StartsWith(nameof(Hadal), StringComparison.Ordinal) != true) continue;
            if (value is JsonObject child) faults.AddRange(Faults(child, inner, $"{prefix}{key}."));
            if (value is JsonArray list)
                for (var index = 0; index < list.Count; index++)
                    if (list[index] is JsonObject item) faults.AddRange(Faults(item, inner, $"{prefix}{key}[{index}]."));
        }

        faults.AddRange(properties.Where(known => known.Value.GetCustomAttribute<RequiredMemberAttribute>() is not null && !json.Any(pair => string.Equals(pair.Key, known.Key, StringComparison.OrdinalIgnoreCase)))
            .Select(known => $"{prefix}{known.Key}: missing"));
        return faults;
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
