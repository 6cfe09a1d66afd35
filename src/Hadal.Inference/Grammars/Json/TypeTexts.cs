using System.Globalization;
using System.Numerics;

namespace Hadal.Inference.Grammars.Json;

/// <summary>The texts that System.Text.Json reads as a type of the base library, as regular expressions for the whole text. Each holds what the serializer
/// writes, and nothing that it refuses; where that cannot be had (<see cref="Uri"/>), what is readable for sure.</summary>
internal static class TypeTexts
{
    /// <summary>Literals that the serializer reads where <c>AllowNamedFloatingPointLiterals</c> is set.</summary>
    public const string NamedFloats = "NaN|-?Infinity";

    private const string Year = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])";

    private const string LeapYear = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)";

    private const string Date = "(?:" + Year + "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|"
        + LeapYear + "-02-29)";

    private const string Hours = "(?:[01][0-9]|2[0-3])";

    private const string Clock = Hours + ":[0-5][0-9]:[0-5][0-9]";

    /// <summary>ISO 8601 as the serializer reads it: seconds and their fraction may be left out.</summary>
    private const string Time = Hours + ":[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,16})?)?";

    private const string Late = "(?:1[4-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,16})?)?";

    private const string Early = "0[0-9]:[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,16})?)?";

    private const string Utc = "(?:Z|[+\\-]00:00)";

    private const string Offset = "(?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00)";

    /// <summary>Days on which no offset leads out of the calendar.</summary>
    private const string InnerDate = "(?!0001-01-01|9999-12-31)" + Date;

    private const string WithOffset = "(?:" + Date + "T" + Time + Utc + "|" + InnerDate + "T" + Time + "[+\\-]" + Offset
        + "|0001-01-01T(?:" + Time + "-|" + Late + "\\+)" + Offset + "|9999-12-31T(?:" + Time + "\\+|" + Early + "-)" + Offset + ")";

    /// <summary>RFC 4648, section 4; the bits of the last digit that stand for nothing are zero, which the serializer insists on.</summary>
    private const string Base64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?";

    private const string Hex = "[0-9a-fA-F]";

    private const string Octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";

    private static readonly Dictionary<Type, (BigInteger Min, BigInteger Max)> Ranges = new()
    {
        [typeof(byte)] = (byte.MinValue, byte.MaxValue),
        [typeof(sbyte)] = (sbyte.MinValue, sbyte.MaxValue),
        [typeof(short)] = (short.MinValue, short.MaxValue),
        [typeof(ushort)] = (ushort.MinValue, ushort.MaxValue),
        [typeof(int)] = (int.MinValue, int.MaxValue),
        [typeof(uint)] = (uint.MinValue, uint.MaxValue),
        [typeof(long)] = (long.MinValue, long.MaxValue),
        [typeof(ulong)] = (ulong.MinValue, ulong.MaxValue),
        [typeof(Int128)] = (Int128.MinValue, Int128.MaxValue),
        [typeof(UInt128)] = (UInt128.MinValue, UInt128.MaxValue),
    };

    /// <summary>The numbers of a type, as JSON writes them; null where the type is no number.</summary>
    public static string? Numbers(Type type)
    {
        if (Ranges.TryGetValue(type, out var range))
        {
            return Integers(range.Min, range.Max);
        }

        return type == typeof(double) ? Finite("17976931348623157", 308)
            : type == typeof(float) ? Finite("34028235", 38)
            : type == typeof(Half) ? Finite("65504", 4)
            : type == typeof(decimal) ? Decimals
            : null;
    }

    /// <summary>Whether numbers of a type may be infinite or no number.</summary>
    public static bool IsFloating(Type type) => type == typeof(double) || type == typeof(float) || type == typeof(Half);

    /// <summary>The strings of a type; null where the type is not written as a string, or every string is one of its texts.</summary>
    public static string? Strings(Type type) =>
        type == typeof(DateTime) ? $"{Date}(?:T{Time})?|{WithOffset}"
        : type == typeof(DateTimeOffset) ? $"{InnerDate}(?:T{Time})?|{WithOffset}"
        : type == typeof(DateOnly) ? Date
        : type == typeof(TimeOnly) ? Clock + "(?:\\.[0-9]{7})?"
        : type == typeof(TimeSpan) ? TimeSpans
        : type == typeof(Guid) ? $"{Hex}{{8}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{12}}"
        : type == typeof(Version) ? Versions
        : type == typeof(Uri) ? Addresses
        : type == typeof(char) ? "[\\u0000-\\uFFFF]"
        : type == typeof(byte[]) || type == typeof(Memory<byte>) || type == typeof(ReadOnlyMemory<byte>) ? Base64
        : null;

    /// <summary>The keys of a dictionary, other than strings and enumerations; null where the serializer reads no such keys.</summary>
    public static string? Keys(Type type) => type == typeof(bool) ? "True|False" : type == typeof(byte[]) ? null : Numbers(type) ?? Strings(type);

    private static string Decimals
    {
        get
        {
            // 28 digits before the point are always in range, whatever stands behind it; of 29 there are some.
            var max = new BigInteger(decimal.MaxValue).ToString(CultureInfo.InvariantCulture);
            return $"-?(?:(?:0|[1-9][0-9]{{0,{max.Length - 2}}})(?:\\.[0-9]{{1,28}})?|{OfSameLength(max, '1')})";
        }
    }

    private static string TimeSpans
    {
        get
        {
            // The longest is 10675199.02:48:05.4775807, the shortest one tick more below zero.
            var days = TimeSpan.MaxValue.Days;
            var last = $"{days}\\.(?:0[01]:[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{{7}})?|02:(?:[0-3][0-9]|4[0-7]):[0-5][0-9](?:\\.[0-9]{{7}})?|02:48:0[0-4](?:\\.[0-9]{{7}})?|02:48:05(?:\\.(?:{OfSameLength("4775807", '0')}))?)";
            return $"-?(?:(?:(?:{Naturals(days - 1)})\\.)?{Clock}(?:\\.[0-9]{{7}})?|{last})|-10675199\\.02:48:05\\.4775808";
        }
    }

    private static string Versions
    {
        get
        {
            var part = $"(?:{Naturals(int.MaxValue)})";
            return $"{part}\\.{part}(?:\\.{part}(?:\\.{part})?)?";
        }
    }

    /// <summary>Addresses of the web, mail, files and names, and references relative to one: all are read, though others are too.</summary>
    private static string Addresses
    {
        get
        {
            const string Letters = "\\u00C0-\\u024F\\u0370-\\u03FF\\u0400-\\u04FF\\u3040-\\u30FF\\u4E00-\\u9FFF\\uAC00-\\uD7A3";
            const string Plain = "a-zA-Z0-9\\-._~!$&'()*+,;=@" + Letters;
            const string Escaped = "%" + Hex + "{2}";
            const string Part = "(?:[" + Plain + ":]|" + Escaped + ")";
            const string End = "(?:\\?(?:[" + Plain + ":/?]|" + Escaped + ")*)?(?:#(?:[" + Plain + ":/?]|" + Escaped + ")*)?";
            const string Segment = "(?:[" + Plain + "]|" + Escaped + ")+";
            const string Label = "[a-zA-Z0-9]{1,20}(?:-[a-zA-Z0-9]{1,20})?";
            const string Host = "(?:(?:" + Label + "\\.){0,5}[a-zA-Z][a-zA-Z0-9]{0,20}|(?:" + Octet + "\\.){3}" + Octet + ")";
            return $"(?:https?|wss?|ftp)://{Host}(?::(?:{Naturals(ushort.MaxValue)}))?(?:/{Part}*)*{End}|file:///{Segment}(?:/{Segment})*"
                + $"|mailto:[a-zA-Z0-9]+(?:[._+\\-][a-zA-Z0-9]+)*@{Host}|(?:urn|tag|tel|data|doi):{Part}+|(?:\\.{{0,2}}/)?{Segment}(?:/{Segment})*{End}";
        }
    }

    /// <summary>Whole numbers of a range that holds zero, with digits only and without a negative zero.</summary>
    private static string Integers(BigInteger min, BigInteger max)
    {
        var naturals = Naturals(max);
        return min.Sign == 0 ? naturals : $"{naturals}|-(?:{Positives(BigInteger.Negate(min))})";
    }

    private static string Naturals(BigInteger max) => $"0|{Positives(max)}";

    private static string Positives(BigInteger max)
    {
        var digits = max.ToString(CultureInfo.InvariantCulture);
        return digits.Length == 1 ? $"[1-{digits}]" : $"[1-9][0-9]{{0,{digits.Length - 2}}}|{OfSameLength(digits, '1')}";
    }

    /// <summary>Texts of as many digits that make no larger number.</summary>
    private static string OfSameLength(string digits, char first)
    {
        var options = new List<string>();
        for (var i = 0; i < digits.Length; i++)
        {
            var least = i == 0 ? first : '0';
            if (digits[i] > least)
            {
                options.Add($"{digits[..i]}[{least}-{(char)(digits[i] - 1)}][0-9]{{{digits.Length - i - 1}}}");
            }
        }

        return string.Join('|', [.. options, digits]);
    }

    /// <summary>Numbers of either sign up to a largest one, <paramref name="digits"/> with a point behind the first times ten to the <paramref name="exponent"/>:
    /// with digits only where there are at most as many as the exponent says, and with an exponent behind one digit and its fraction, as programs write them.</summary>
    private static string Finite(string digits, int exponent)
    {
        const string Fraction = "(?:\\.[0-9]+)?";
        var mantissas = new List<string>();
        if (digits[0] > '1')
        {
            mantissas.Add($"[1-{(char)(digits[0] - 1)}]{Fraction}");
        }

        for (var i = 1; i < digits.Length; i++)
        {
            if (digits[i] > '0')
            {
                mantissas.Add($"{digits[0]}\\.{digits[1..i]}[0-{(char)(digits[i] - 1)}][0-9]*");
            }
        }

        mantissas.Add($"{digits[0]}(?:\\.(?:{string.Join('|', Enumerable.Range(2, digits.Length - 1).Select(length => digits[1..length]))}0*))?");
        var plain = $"(?:0|[1-9][0-9]{{0,{exponent - 1}}}){Fraction}{(digits.Length == exponent + 1 ? "|" + OfSameLength(digits, '1') : "")}";
        var small = $"[1-9]{Fraction}[eE](?:-0{{0,2}}[1-9][0-9]{{0,2}}|\\+?0?(?:{Naturals(exponent - 1)}))";
        return $"-?(?:{plain}|{small}|(?:{string.Join('|', mantissas)})[eE]\\+?0?{exponent})";
    }
}
