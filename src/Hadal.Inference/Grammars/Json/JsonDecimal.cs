using System.Globalization;
using System.Numerics;

namespace Hadal.Inference.Grammars.Json;

/// <summary>An exact decimal number, <c>Digits · 10^Exponent</c>, as JSON writes them. The digits do not end in zero; zero is (0, 0).</summary>
internal readonly record struct JsonDecimal
{
    /// <summary>Digits and zeros that a bound of a schema may have; larger ones are refused.</summary>
    private const int LengthMax = 400;

    private JsonDecimal(BigInteger digits, int exponent) => (Digits, Exponent) = (digits, exponent);

    /// <summary>Signed digits.</summary>
    public BigInteger Digits { get; }

    /// <summary>Power of ten that they are multiplied with.</summary>
    public int Exponent { get; }

    /// <summary>Whether the number is whole.</summary>
    public bool IsInteger => Exponent >= 0;

    /// <summary>The number without its sign.</summary>
    public JsonDecimal Magnitude => new(BigInteger.Abs(Digits), Exponent);

    /// <summary>-1, 0 or 1.</summary>
    public int Sign => Digits.Sign;

    /// <summary>Digits before the point, <c>0</c> at least. Of magnitudes.</summary>
    public string IntegerPart
    {
        get
        {
            var digits = Digits.ToString(CultureInfo.InvariantCulture);
            return Exponent >= 0 ? digits + new string('0', Exponent) : digits.Length > -Exponent ? digits[..(digits.Length + Exponent)] : "0";
        }
    }

    /// <summary>Digits behind the point, without zeros at the end. Of magnitudes.</summary>
    public string FractionPart
    {
        get
        {
            var digits = Digits.ToString(CultureInfo.InvariantCulture);
            return Exponent >= 0 ? "" : digits.Length > -Exponent ? digits[(digits.Length + Exponent)..] : digits.PadLeft(-Exponent, '0');
        }
    }

    /// <summary>Reads a number as it stands in JSON; null where it is too long to be a bound.</summary>
    public static JsonDecimal? Read(string text)
    {
        var mantissaEnd = text.AsSpan().IndexOfAny('e', 'E');
        var mantissa = mantissaEnd < 0 ? text : text[..mantissaEnd];
        var exponent = 0;
        if (mantissaEnd >= 0 && (text.Length - mantissaEnd > 12 || !int.TryParse(text.AsSpan(mantissaEnd + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent)))
        {
            return null;
        }

        var point = mantissa.IndexOf('.', StringComparison.Ordinal);
        if (mantissa.Length > LengthMax)
        {
            return null;
        }

        if (point >= 0)
        {
            exponent -= mantissa.Length - point - 1;
            mantissa = mantissa.Remove(point, 1);
        }

        var digits = BigInteger.Parse(mantissa, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (digits.IsZero)
        {
            return default(JsonDecimal);
        }

        while (BigInteger.Remainder(digits, 10).IsZero)
        {
            digits /= 10;
            exponent++;
        }

        return Math.Abs(exponent) > LengthMax ? null : new JsonDecimal(digits, exponent);
    }

    /// <summary>The number with the other sign.</summary>
    public JsonDecimal Negate() => new(-Digits, Exponent);
}
