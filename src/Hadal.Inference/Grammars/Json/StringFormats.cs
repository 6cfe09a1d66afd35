namespace Hadal.Inference.Grammars.Json;

/// <summary>The formats that JSON Schema defines, as regular expressions for the whole text. Names that it does not define say nothing about the text.</summary>
internal static class StringFormats
{
    /// <summary>RFC 4648, section 4: groups of four, the last padded.</summary>
    public const string Base64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?";

    private const string Year29 = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";

    private const string Date = "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|"
        + Year29 + "-02-29)";

    private const string NoYear0 = "(?!0000)";

    /// <summary>RFC 3339. A leap second lies at the end of a day of UTC; it is written for offset zero only.</summary>
    private const string Time = @"(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:[zZ]|[+\-](?:[01][0-9]|2[0-3]):[0-5][0-9])|23:59:60(?:\.[0-9]+)?(?:[zZ]|[+\-]00:00))";

    private const string Octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";

    private const string Ipv4 = "(?:" + Octet + @"\.){3}" + Octet;

    private const string H = "[0-9a-fA-F]{1,4}";

    private const string Last32 = "(?:" + H + ":" + H + "|" + Ipv4 + ")";

    private const string Ipv6 = "(?:(?:" + H + ":){6}" + Last32 + "|::(?:" + H + ":){5}" + Last32 + "|(?:" + H + ")?::(?:" + H + ":){4}" + Last32
        + "|(?:(?:" + H + ":){0,1}" + H + ")?::(?:" + H + ":){3}" + Last32 + "|(?:(?:" + H + ":){0,2}" + H + ")?::(?:" + H + ":){2}" + Last32
        + "|(?:(?:" + H + ":){0,3}" + H + ")?::" + H + ":" + Last32 + "|(?:(?:" + H + ":){0,4}" + H + ")?::" + Last32
        + "|(?:(?:" + H + ":){0,5}" + H + ")?::" + H + "|(?:(?:" + H + ":){0,6}" + H + ")?::)";

    private const string Label = "[a-zA-Z0-9](?:[a-zA-Z0-9\\-]{0,61}[a-zA-Z0-9])?";

    /// <summary>A label without hyphens in places 3 and 4, which are kept for Punycode.</summary>
    private const string PlainLabel = "(?:[a-zA-Z0-9](?:[a-zA-Z0-9\\-]{0,2}[a-zA-Z0-9])?"
        + "|[a-zA-Z0-9][a-zA-Z0-9\\-](?:[a-zA-Z0-9][a-zA-Z0-9\\-]|-[a-zA-Z0-9])[a-zA-Z0-9\\-]{0,58}[a-zA-Z0-9])";

    /// <summary>RFC 1123: labels up to 63, names up to 253 characters.</summary>
    private const string Hostname = "(?=[a-zA-Z0-9.\\-]{1,253}$)" + PlainLabel + "(?:\\." + PlainLabel + ")*";

    private const string AtomText = "[a-zA-Z0-9!#$%&'*+\\-/=?\\^_`{|}~]+";

    private const string Email = "(?:" + AtomText + "(?:\\." + AtomText + ")*|\"(?:[ !#-\\[\\]-~]|\\\\[ -~])*\")@(?:" + Label + "(?:\\." + Label + ")*|\\[(?:" + Ipv4 + "|IPv6:" + Ipv6 + ")\\])";

    private const string Duration = "P(?:[0-9]+W|(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)(?:" + DurationTime + ")?|" + DurationTime + ")";

    private const string DurationTime = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)";

    private const string Uuid = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";

    /// <summary>What RFC 3986 (with <paramref name="wide"/>: RFC 3987) calls a URI, or with <paramref name="isReference"/> a reference.</summary>
    private static string UniformResource(bool isReference, string wide, bool isPathNeeded = false)
    {
        var unreserved = $"a-zA-Z0-9\\-._~{wide}";
        const string Sub = "!$&'()*+,;=";
        var pct = "%[0-9a-fA-F]{2}";
        var pchar = $"(?:[{unreserved}{Sub}:@]|{pct})";
        var user = $"(?:(?:[{unreserved}{Sub}:]|{pct})*@)?";
        var future = $"[vV][0-9a-fA-F]+\\.[a-zA-Z0-9\\-._~{Sub}:]+";
        var host = $"(?:\\[(?:{Ipv6}|{future})\\]|(?:[{unreserved}{Sub}]|{pct})*)";
        var authority = $"//{user}{host}(?::[0-9]*)?(?:/{pchar}*)*";
        var absolute = $"/(?:{pchar}+(?:/{pchar}*)*)?";
        var rootless = $"{pchar}+(?:/{pchar}*)*";
        var noScheme = $"(?:[{unreserved}{Sub}@]|{pct})+(?:/{pchar}*)*";
        var query = $"(?:\\?(?:{pchar}|[/?{(wide.Length == 0 ? "" : "\\u{E000}-\\u{F8FF}\\u{F0000}-\\u{FFFFD}\\u{100000}-\\u{10FFFD}")}])*)?";
        var end = $"{query}(?:#(?:{pchar}|[/?])*)?";
        var uri = $"[a-zA-Z][a-zA-Z0-9+\\-.]*:(?:{authority}|{absolute}|{rootless}{(isPathNeeded ? "" : "|")}){end}";
        return isReference ? $"(?:{uri}|(?:{authority}|{absolute}|{noScheme}|){end})" : uri;
    }

    private const string Wide = "\\u{A0}-\\u{D7FF}\\u{F900}-\\u{FDCF}\\u{FDF0}-\\u{FFEF}\\u{10000}-\\u{1FFFD}\\u{20000}-\\u{2FFFD}\\u{30000}-\\u{3FFFD}\\u{40000}-\\u{DFFFD}\\u{E1000}-\\u{EFFFD}";

    private const string TemplateName = "(?:[a-zA-Z0-9_]|%[0-9a-fA-F]{2})(?:\\.?(?:[a-zA-Z0-9_]|%[0-9a-fA-F]{2}))*(?::[1-9][0-9]{0,3}|\\*)?";

    private const string PlainTemplateName = "(?:[a-zA-Z0-9_]|%[0-9a-fA-F]{2})+(?::[1-9][0-9]{0,3}|\\*)?";

    private const string UriTemplate = "(?:[!#$&-;=?@A-Z\\[\\]_a-z~" + Wide + "]|%[0-9a-fA-F]{2}|\\{[+#./;?&=,!@|]?" + TemplateName + "(?:," + TemplateName + ")*\\})*";

    private const string JsonPointer = "(?:/(?:[^~/]|~[01])*)*";

    /// <summary>The regular expression of a format; null where JSON Schema does not define it.</summary>
    public static string? Find(string format) => format switch
    {
        "date" => Date,
        "time" => Time,
        "date-time" => $"{Date}[tT]{Time}",
        "duration" => Duration,
        "email" => Email,
        "idn-email" => "[^\\x00-\\x20\\x7f@\"(),:;<>\\[\\\\\\]]+@[^\\x00-\\x2c\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7f.\\-][^\\x00-\\x2c\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7f]*",
        "hostname" => Hostname,
        "ipv4" => Ipv4,
        "ipv6" => Ipv6,
        "uuid" => Uuid,
        "uri" => UniformResource(false, ""),
        "uri-reference" => UniformResource(true, ""),
        "iri" => UniformResource(false, Wide),
        "iri-reference" => UniformResource(true, Wide),
        "uri-template" => UriTemplate,
        "json-pointer" => JsonPointer,
        "relative-json-pointer" => $"(?:0|[1-9][0-9]*)(?:#|{JsonPointer})",
        _ => null,
    };

    /// <summary>What of a format common validators accept too (ajv-formats; dates of Python); null where that is all of it.</summary>
    public static string? Portable(string format) => format switch
    {
        "date" => NoYear0 + Date,
        "date-time" => $"{NoYear0}{Date}[tT]{Time}",
        "email" => AtomText + "(?:\\." + AtomText + ")*@(?:" + Label + "\\.)+" + Label,
        "uri" => UniformResource(false, "", isPathNeeded: true),
        "uri-template" => "(?:[!#$&(-;=?@A-Z\\[\\]_a-z~" + Wide + "]|%[0-9a-fA-F]{2}|\\{[+#./;?&=,!@|]?" + PlainTemplateName + "(?:," + PlainTemplateName + ")*\\})*",
        _ => null,
    };

    /// <summary>Why a defined format cannot be enforced; null where it can, or is not defined.</summary>
    public static string? WhyRefused(string format) => format switch
    {
        "regex" => "nested groups are no regular language",
        "idn-hostname" => "it depends on the tables of IDNA",
        _ => null,
    };
}
