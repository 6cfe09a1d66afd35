using System.Text.Json;

namespace Hadal.Checkpoints.Text;

/// <summary>Optional values of JSON objects.</summary>
internal static class JsonElementReading
{
    /// <summary>A property's value; null where the property is absent or null.</summary>
    /// <exception cref="InvalidOperationException"><paramref name="value"/> is no object.</exception>
    public static JsonElement? Find(this JsonElement value, string name) =>
        value.TryGetProperty(name, out var property) && property.ValueKind != JsonValueKind.Null ? property : null;

    /// <summary>A property that is a string; null where it is absent or null.</summary>
    /// <exception cref="InvalidOperationException">It is something else.</exception>
    public static string? FindString(this JsonElement value, string name) => value.Find(name)?.GetString();

    /// <summary>A property that is true or false; null where it is absent or null.</summary>
    /// <exception cref="InvalidOperationException">It is something else.</exception>
    public static bool? FindBoolean(this JsonElement value, string name) => value.Find(name)?.GetBoolean();
}
