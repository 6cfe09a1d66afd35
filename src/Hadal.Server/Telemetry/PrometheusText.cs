using System.Globalization;
using System.Text;

namespace Hadal.Server.Telemetry;

/// <summary>Writes Prometheus' text format (version 0.0.4).</summary>
internal sealed class PrometheusText
{
    private readonly StringBuilder _text = new();

    /// <summary>The name of an instrument as Prometheus spells it.</summary>
    public static string Name(string name, string? unit) => name.Replace('.', '_') + unit switch
    {
        "s" => "_seconds",
        "{token}" => "_tokens",
        _ => "",
    };

    /// <summary>Labels within braces; empty where there are none.</summary>
    public static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> labels)
    {
        if (labels.IsEmpty) return "";
        var text = new StringBuilder("{");
        foreach (var (name, value) in labels)
        {
            if (text.Length > 1) text.Append(',');
            text.Append(name.Replace('.', '_')).Append("=\"").Append(Escaped(Convert.ToString(value, CultureInfo.InvariantCulture) ?? "")).Append('"');
        }

        return text.Append('}').ToString();
    }

    /// <summary>Begins the samples of a name.</summary>
    public void Family(string name, string kind, string help) => _text.Append($"# HELP {name} {help}\n# TYPE {name} {kind}\n");

    /// <summary>Adds a sample.</summary>
    public void Sample(string name, ReadOnlySpan<KeyValuePair<string, object?>> labels, double value) =>
        _text.Append(name).Append(Labels(labels)).Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();

    private static string Escaped(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
