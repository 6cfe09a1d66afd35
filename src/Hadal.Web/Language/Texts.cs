using System.Globalization;
using System.Text.Json;

namespace Hadal.Web.Language;

/// <summary>The words of the page in one language, from <c>Language/*.json</c>.</summary>
/// <remarks>Not resource satellites: those need cultures, which the page leaves out with half a megabyte of their data.</remarks>
public sealed class Texts
{
    private readonly Dictionary<string, string> _texts;

    private Texts(string code, string name)
    {
        (Code, Name) = (code, name);
        using var stream = typeof(Texts).Assembly.GetManifestResourceStream(code + ".json")!;
        using var document = JsonDocument.Parse(stream);
        _texts = document.RootElement.EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.GetString()!);
    }

    /// <summary>English.</summary>
    public static Texts English { get; } = new("en", "English");

    /// <summary>Chinese, simplified.</summary>
    public static Texts Chinese { get; } = new("zh", "中文");

    /// <summary>All languages.</summary>
    public static IReadOnlyList<Texts> All { get; } = [English, Chinese];

    /// <summary>For the document's <c>lang</c>.</summary>
    public string Code { get; }

    /// <summary>How the language calls itself.</summary>
    public string Name { get; }

    /// <summary>All keys.</summary>
    public IReadOnlyCollection<string> Keys => _texts.Keys;

    /// <summary>A text.</summary>
    /// <exception cref="KeyNotFoundException">There is none of this name.</exception>
    public string this[string key] => _texts[key];

    /// <summary>A text with values in the places <c>{0}</c>, <c>{1}</c>, …</summary>
    public string Format(string key, params object[] values) => string.Format(CultureInfo.InvariantCulture, _texts[key], values);

    /// <summary>The language of a tag such as <c>zh-CN</c>; English for those that the page does not speak.</summary>
    public static Texts Of(string tag) => tag.StartsWith("zh", StringComparison.OrdinalIgnoreCase) ? Chinese : English;
}
