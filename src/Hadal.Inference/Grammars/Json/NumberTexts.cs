using System.Globalization;
using System.Numerics;
using System.Text;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Grammars.Json;

/// <summary>Sets of JSON numbers as expressions over their texts.</summary>
/// <remarks>
/// Where a number is bounded, two spellings are decided: plain (<c>-12.50</c>) and scientific as programs print it (<c>1.5e+20</c>, <c>1e-07</c>: one digit
/// other than zero before the point; an exponent below 0, or of 16 to 399 with at most 16 digits behind the point). The order of others, such as
/// <c>100e-2</c>, is no regular language; they are written only where a number is not bounded.
/// </remarks>
internal sealed partial class NumberTexts
{
    /// <summary>Remainders that are told apart.</summary>
    public const int ModulusMax = 10_000;

    /// <summary>Characters of a number that is short enough as the schema bounds it.</summary>
    private const int ShortLength = 40;

    private const string PlainMagnitude = @"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?";
    private const string SmallMagnitude = @"[1-9](?:\.[0-9]+)?[eE]-0{0,2}[1-9][0-9]{0,2}";
    private const string LargeMagnitude = @"[1-9](?:\.[0-9]{1,16})?[eE]\+?0?(?:1[6-9]|[2-9][0-9]|[123][0-9][0-9])";

    private readonly RegexPool _pool;
    private readonly TextWriting _utf8;
    private readonly ByteRegex _minus;
    private readonly Dictionary<int, ByteRegex> _remainders = [];
    private ByteRegex? _magnitudes;
    private ByteRegex? _decided;
    private TextSet? _digits;
    private TextSet? _integers;
    private readonly Dictionary<ByteRegex, ByteRegex> _short = [];

    public NumberTexts(TextWriting utf8)
    {
        _utf8 = utf8;
        _pool = utf8.Pool;
        _minus = _pool.Literal("-"u8);
        All = new TextSet(Regex(@"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+\-]?[0-9]+)?"), ByteRegex.Nothing);
        None = All.Not();
    }

    /// <summary>Every number, in every spelling.</summary>
    public TextSet All { get; }

    /// <summary>No number.</summary>
    public TextSet None { get; }

    /// <summary>The spellings that bounds decide, without sign.</summary>
    private ByteRegex Magnitudes => _magnitudes ??= Regex($"{PlainMagnitude}|{SmallMagnitude}|{LargeMagnitude}");

    private ByteRegex AllDecided => _decided ??= Signed(Magnitudes);

    /// <summary>Whole numbers. With <paramref name="digitsOnly"/>, they are written without a fraction or an exponent.</summary>
    public TextSet Integers(bool digitsOnly)
    {
        ref var known = ref digitsOnly ? ref _digits : ref _integers;
        if (known is { } set)
        {
            return set;
        }

        var whole = Signed(Regex($@"(?:0|[1-9][0-9]*)(?:\.0+)?|{LargeMagnitude}"));
        var written = digitsOnly ? Regex("-?(?:0|[1-9][0-9]*)") : whole;
        set = new TextSet(written, _pool.And(AllDecided, _pool.Not(whole)));
        known = set;
        return set;
    }

    /// <summary>Numbers whose texts match a regular expression; which numbers are none of them is not decided.</summary>
    public TextSet Written(string pattern) => new(Regex(pattern), ByteRegex.Nothing);

    /// <summary>Those of some numbers that a double holds, or a long where all are whole numbers in digits; all of them where they have bounds, or none would be left.</summary>
    /// <param name="numbers">Spellings of numbers.</param>
    public ByteRegex Short(ByteRegex numbers)
    {
        if (!_short.TryGetValue(numbers, out var known))
        {
            known = Cut(numbers);
            _short.Add(numbers, known);
        }

        return known;
    }

    private ByteRegex Cut(ByteRegex numbers)
    {
        const string Any = @"(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,20})?(?:[eE][+\-]?[0-9]{1,2})?";
        if (numbers == All.In)
        {
            return Signed(Regex(Any));
        }

        if (_pool.IsNothing(_pool.And(numbers, Regex($@"[0-9eE.+\-]{{{ShortLength},}}"))))
        {
            return numbers;
        }

        var digits = Integers(digitsOnly: true).In;
        var isWhole = _pool.IsNothing(_pool.And(numbers, _pool.Not(digits)));
        var cut = Signed(Regex(isWhole ? UpTo(long.MaxValue) : Any));
        var left = numbers == digits ? cut : _pool.And(numbers, cut);
        return _pool.IsNothing(left) ? numbers : left;
    }

    /// <summary>Digits of the whole numbers up to a bound.</summary>
    private static string UpTo(long bound)
    {
        var digits = bound.ToString(CultureInfo.InvariantCulture);
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"0|[1-9][0-9]{{0,{digits.Length - 2}}}|{digits}");
        for (var i = 0; i < digits.Length; i++)
        {
            if (digits[i] > (i == 0 ? '1' : '0'))
            {
                text.Append(CultureInfo.InvariantCulture, $"|{digits[..i]}[{(i == 0 ? 1 : 0)}-{(char)(digits[i] - 1)}][0-9]{{{digits.Length - i - 1}}}");
            }
        }

        return text.ToString();
    }

    /// <summary>Numbers from <paramref name="bound"/> up, without itself where <paramref name="isExclusive"/>.</summary>
    public TextSet AtLeast(JsonDecimal bound, bool isExclusive) => Decided(Above(bound, isExclusive, isMirrored: false));

    /// <summary>Numbers up to <paramref name="bound"/>, without itself where <paramref name="isExclusive"/>.</summary>
    public TextSet AtMost(JsonDecimal bound, bool isExclusive) => Decided(Above(bound.Negate(), isExclusive, isMirrored: true));

    /// <summary>One number; zeros behind the point make no difference.</summary>
    public TextSet EqualTo(JsonDecimal value)
    {
        var magnitude = value.Magnitude;
        var equal = _pool.Or(Equal(magnitude), ScientificEqual(magnitude));
        return Decided(value.Sign switch { 0 => Signed(equal), < 0 => _pool.Concat(_minus, equal), _ => equal });
    }

    /// <summary>Whole multiples; null where there would be too many remainders to keep apart.</summary>
    public TextSet? MultipleOf(JsonDecimal divisor)
    {
        var (digits, exponent) = (divisor.Magnitude.Digits, divisor.Exponent);
        if (digits > ModulusMax || exponent is > 20 or < -20)
        {
            return null;
        }

        var modulus = (int)digits;
        var multiples = exponent >= 0 ? WholeMultiples(modulus, exponent) : FractionMultiples(modulus, -exponent);
        var plain = Signed(Regex(PlainMagnitude));
        var written = _pool.And(plain, Signed(multiples));
        return new TextSet(written, _pool.And(plain, _pool.Not(written)));
    }

    private ByteRegex WholeMultiples(int modulus, int zeros)
    {
        var multiple = _pool.And(Regex("0|[1-9][0-9]*"), Divisible(modulus));
        var scaled = _pool.Or(Regex("0"), _pool.Concat(multiple, _pool.Literal(new string('0', zeros))));
        return _pool.Concat(scaled, Regex(@"(?:\.0+)?"));
    }

    private ByteRegex FractionMultiples(int modulus, int places)
    {
        var options = new List<ByteRegex>();
        for (var count = 0; count <= places; count++)
        {
            // With fewer digits than places, the missing ones are zeros, which already divide by some of the modulus.
            var missing = BigInteger.Pow(10, places - count);
            var rest = modulus / (int)BigInteger.GreatestCommonDivisor(modulus, missing);
            var shape = count == 0 ? "(?:0|[1-9][0-9]*)" : $@"(?:0|[1-9][0-9]*)\.[0-9]{{{count}}}";
            options.Add(_pool.Concat(_pool.And(Regex(shape), Divisible(rest)), Regex(count == places ? "0*" : "")));
        }

        return _pool.Or(options.ToArray());
    }

    /// <summary>Digits, a point among them ignored, whose number divides by the modulus.</summary>
    private ByteRegex Divisible(int modulus)
    {
        if (!_remainders.TryGetValue(modulus, out var known))
        {
            known = _pool.Automaton(new RemainderAutomaton(modulus));
            _remainders.Add(modulus, known);
        }

        return known;
    }

    private TextSet Decided(ByteRegex members) => new(members, _pool.And(AllDecided, _pool.Not(members)));

    /// <summary>Numbers above a bound; mirrored, the numbers whose negatives are.</summary>
    private ByteRegex Above(JsonDecimal bound, bool isExclusive, bool isMirrored)
    {
        var magnitude = bound.Magnitude;
        var above = Greater(magnitude);
        var same = _pool.Or(Equal(magnitude), ScientificEqual(magnitude));
        if (bound.Sign > 0)
        {
            return Direction(isExclusive ? above : _pool.Or(above, same), isMirrored);
        }

        if (bound.Sign == 0)
        {
            return isExclusive ? Direction(above, isMirrored) : _pool.Or(Direction(Magnitudes, isMirrored), Direction(same, !isMirrored));
        }

        var below = _pool.And(Magnitudes, _pool.Not(isExclusive ? _pool.Or(above, same) : above));
        return _pool.Or(Direction(Magnitudes, isMirrored), Direction(below, !isMirrored));
    }

    private ByteRegex Direction(ByteRegex magnitudes, bool isNegative) => isNegative ? _pool.Concat(_minus, magnitudes) : magnitudes;

    private ByteRegex Greater(JsonDecimal bound)
    {
        var whole = bound.IntegerPart;
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $@"[1-9][0-9]{{{whole.Length},}}(?:\.[0-9]+)?");
        for (var i = 0; i < whole.Length; i++)
        {
            if (whole[i] < '9')
            {
                text.Append(CultureInfo.InvariantCulture, $@"|{whole[..i]}[{(char)(whole[i] + 1)}-9][0-9]{{{whole.Length - i - 1}}}(?:\.[0-9]+)?");
            }
        }

        text.Append(CultureInfo.InvariantCulture, $@"|{whole}\.(?:{FractionAbove(bound.FractionPart)})");
        return _pool.Or(Regex(text.ToString()), ScientificGreater(bound));
    }

    /// <summary>Digits behind a point that make more than <paramref name="fraction"/>.</summary>
    private static string FractionAbove(string fraction)
    {
        var text = new StringBuilder();
        for (var i = 0; i < fraction.Length; i++)
        {
            if (fraction[i] < '9')
            {
                text.Append(CultureInfo.InvariantCulture, $"{fraction[..i]}[{(char)(fraction[i] + 1)}-9][0-9]*|");
            }
        }

        return text.Append(CultureInfo.InvariantCulture, $"{fraction}[0-9]*[1-9][0-9]*").ToString();
    }

    private ByteRegex Equal(JsonDecimal value)
    {
        var fraction = value.FractionPart;
        return Regex(fraction.Length == 0 ? $@"{value.IntegerPart}(?:\.0+)?" : $@"{value.IntegerPart}\.{fraction}0*");
    }

    private ByteRegex ScientificGreater(JsonDecimal bound)
    {
        var scientific = Regex($"{SmallMagnitude}|{LargeMagnitude}");
        if (bound.Sign == 0)
        {
            return scientific;
        }

        var digits = bound.Digits.ToString(CultureInfo.InvariantCulture);
        var exponent = digits.Length - 1 + bound.Exponent;
        var mantissa = new StringBuilder();
        if (digits[0] < '9')
        {
            mantissa.Append(CultureInfo.InvariantCulture, $@"[{(char)(digits[0] + 1)}-9](?:\.[0-9]+)?|");
        }

        mantissa.Append(CultureInfo.InvariantCulture, $@"{digits[0]}\.(?:{FractionAbove(digits[1..])})");
        var above = $@"(?:{mantissa})[eE]{Exponents(exponent, exponent)}|[1-9](?:\.[0-9]+)?[eE](?:{Exponents(exponent + 1, 999)})";
        return _pool.And(scientific, Regex(above));
    }

    private ByteRegex ScientificEqual(JsonDecimal value)
    {
        if (value.Sign == 0)
        {
            return ByteRegex.Nothing;
        }

        var digits = value.Digits.ToString(CultureInfo.InvariantCulture);
        var mantissa = digits.Length == 1 ? $@"{digits}(?:\.0+)?" : $@"{digits[0]}\.{digits[1..]}0*";
        var exponent = digits.Length - 1 + value.Exponent;
        return _pool.And(Regex($"{SmallMagnitude}|{LargeMagnitude}"), Regex($"{mantissa}[eE]{Exponents(exponent, exponent)}"));
    }

    /// <summary>Exponents from <paramref name="first"/> to <paramref name="last"/>, signs and leading zeros as the two scientific spellings have them.</summary>
    private static string Exponents(int first, int last)
    {
        var options = new List<string>();
        if (first < 0)
        {
            options.Add($"-0{{0,2}}(?:{Naturals(Math.Max(1, -last), Math.Min(999, -first))})");
        }

        if (last >= 16)
        {
            options.Add($@"\+?0?(?:{Naturals(Math.Max(16, first), last)})");
        }

        return options.Count == 0 ? "[]" : $"(?:{string.Join('|', options)})";
    }

    /// <summary>Whole numbers from 1 to 999 without leading zeros.</summary>
    private static string Naturals(int first, int last)
    {
        var options = new List<string>();
        for (var low = first; low <= last;)
        {
            var step = 1;
            while (low % (step * 10) == 0 && low + step * 10 - 1 <= last)
            {
                step *= 10;
            }

            var next = low;
            while (next / step % 10 < 9 && next + 2 * step - 1 <= last)
            {
                next += step;
            }

            var head = low / step / 10;
            options.Add($"{(head == 0 ? "" : head)}[{low / step % 10}-{next / step % 10}][0-9]{{{(step == 1 ? 0 : step == 10 ? 1 : 2)}}}");
            low = next + step;
        }

        return options.Count == 0 ? "[]" : string.Join('|', options);
    }

    private ByteRegex Signed(ByteRegex magnitudes) => _pool.Or(magnitudes, _pool.Concat(_minus, magnitudes));

    private ByteRegex Regex(string pattern) => PatternCompiler.Whole(pattern, _utf8);
}
