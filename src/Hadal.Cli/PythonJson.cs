using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Hadal.Cli;

/// <summary>JSON as Python's <c>json.dumps(value, ensure_ascii=False)</c> writes it, which benchmark runners feed to grammars.</summary>
internal static class PythonJson
{
    /// <summary>Writes a value on one line, with a space behind commas and colons.</summary>
    public static string Write(JsonElement value)
    {
        var text = new StringBuilder();
        Write(text, value);
        return text.ToString();
    }

    private static void Write(StringBuilder text, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                WriteObject(text, value);
                break;
            case JsonValueKind.Array:
                var first = true;
                text.Append('[');
                foreach (var item in value.EnumerateArray())
                {
                    if (!first) text.Append(", ");
                    first = false;
                    Write(text, item);
                }
                text.Append(']');
                break;
            case JsonValueKind.String:
                WriteString(text, value.GetString()!);
                break;
            case JsonValueKind.Number:
                text.Append(Number(value.GetRawText()));
                break;
            default:
                text.Append(value.GetRawText());
                break;
        }
    }

    /// <summary>Of keys that occur twice the first place and the last value count, as in a Python dictionary.</summary>
    private static void WriteObject(StringBuilder text, JsonElement value)
    {
        var places = new Dictionary<string, int>();
        var members = new List<JsonProperty>();
        foreach (var member in value.EnumerateObject())
        {
            if (places.TryAdd(member.Name, members.Count)) members.Add(member);
            else members[places[member.Name]] = member;
        }

        text.Append('{');
        for (var index = 0; index < members.Count; index++)
        {
            if (index > 0) text.Append(", ");
            WriteString(text, members[index].Name);
            text.Append(": ");
            Write(text, members[index].Value);
        }
        text.Append('}');
    }

    private static void WriteString(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (var unit in value)
        {
            _ = unit switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                '\b' => text.Append("\\b"),
                '\f' => text.Append("\\f"),
                < ' ' => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}"),
                _ => text.Append(unit),
            };
        }
        text.Append('"');
    }

    /// <summary>Whole numbers keep their digits; others are written as the shortest decimal of the double, with an exponent outside of
    /// 1e-4 to 1e16.</summary>
    private static string Number(string raw)
    {
        if (raw.AsSpan().IndexOfAny(".eE") < 0) return raw == "-0" ? "0" : raw;
        var value = double.Parse(raw, NumberStyles.Float, CultureInfo.InvariantCulture);
        if (double.IsInfinity(value)) return value > 0 ? "Infinity" : "-Infinity";
        if (value == 0) return double.IsNegative(value) ? "-0.0" : "0.0";

        var shortest = value.ToString("E16", CultureInfo.InvariantCulture);
        for (var digits = 0; digits <= 16; digits++)
        {
            shortest = value.ToString($"E{digits}", CultureInfo.InvariantCulture);
            if (double.Parse(shortest, NumberStyles.Float, CultureInfo.InvariantCulture) == value) break;
        }
        var sign = value < 0 ? "-" : "";
        var mantissa = shortest[sign.Length..shortest.IndexOf('E', StringComparison.Ordinal)].Replace(".", "", StringComparison.Ordinal);
        var exponent = int.Parse(shortest.AsSpan(shortest.IndexOf('E', StringComparison.Ordinal) + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return sign + (exponent is < -4 or >= 16 ? Scientific(mantissa, exponent) : Fixed(mantissa, exponent));
    }

    private static string Scientific(string digits, int exponent) => string.Create(
        CultureInfo.InvariantCulture, $"{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");

    private static string Fixed(string digits, int exponent)
    {
        if (exponent < 0) return "0." + new string('0', -exponent - 1) + digits;
        if (exponent >= digits.Length - 1) return digits + new string('0', exponent - digits.Length + 1) + ".0";
        return digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
    }
}
