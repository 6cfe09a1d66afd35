using System.Text.RegularExpressions;

namespace Hadal.Checkpoints.Adapters;

/// <summary>Values per module: the first key k for which <c>(.*\.)?(k)$</c> matches the module's path, as huggingface/peft does it.</summary>
internal static class AdapterPatterns
{
    /// <summary>The value of a module.</summary>
    public static T Of<T>(IReadOnlyDictionary<string, T>? values, string module, T otherwise)
    {
        foreach (var (key, value) in values ?? new Dictionary<string, T>())
            if (Pattern(key).IsMatch(module)) return value;
        return otherwise;
    }

    /// <summary>Says what is wrong with a key, or null.</summary>
    public static string? Fault(string key)
    {
        try
        {
            _ = Pattern(key);
            return null;
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException)
        {
            return fault.Message;
        }
    }

    // Without backtracking: the pattern is a stranger's, and time must not grow faster than the name.
    private static Regex Pattern(string key) => new($@"^(.*\.)?({key})$", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
}
