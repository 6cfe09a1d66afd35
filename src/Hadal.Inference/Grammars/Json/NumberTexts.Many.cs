using System.Globalization;
using System.Text;
using Hadal.Inference.Grammars.Lexicons;

namespace Hadal.Inference.Grammars.Json;

/// <content>Numbers that are listed.</content>
internal sealed partial class NumberTexts
{
    /// <summary>Any of some numbers. With <paramref name="digitsOnly"/>, those that are whole are written without a fraction or an exponent.</summary>
    public TextSet EqualTo(IReadOnlyList<JsonDecimal> values, bool digitsOnly)
    {
        if (values.Count >= AcyclicAutomaton.Many)
        {
            var members = AnyOf(values, digitsOnly: false);
            return Decided(members) with { In = digitsOnly ? AnyOf(values, digitsOnly) : members };
        }

        var set = None;
        foreach (var value in values)
        {
            var equal = EqualTo(value);
            set = set.Or(digitsOnly && value.IsInteger ? equal with { In = _pool.And(equal.In, Integers(digitsOnly: true).In) } : equal, _pool);
        }

        return set;
    }

    /// <summary>The spellings that <see cref="EqualTo(JsonDecimal)"/> gives each: what tells the numbers apart is held by automata, what may follow by
    /// expressions that they share. Numbers with an exponent are kept together by it.</summary>
    private ByteRegex AnyOf(IReadOnlyList<JsonDecimal> values, bool digitsOnly)
    {
        var (wholes, fractions) = (new List<string>(), new List<string>());
        var mantissas = new SortedDictionary<int, (List<string> Digits, List<string> Fractions)>();
        foreach (var value in values)
        {
            var (sign, magnitude) = (value.Sign < 0 ? "-" : "", value.Magnitude);
            var fraction = magnitude.FractionPart;
            (fraction.Length == 0 ? wholes : fractions).Add(fraction.Length == 0 ? sign + magnitude.IntegerPart : $"{sign}{magnitude.IntegerPart}.{fraction}");
            if (value.Sign == 0)
            {
                wholes.Add("-0");
                continue;
            }

            var digits = magnitude.Digits.ToString(CultureInfo.InvariantCulture);
            var exponent = digits.Length - 1 + magnitude.Exponent;
            if (exponent is >= 0 and < 16 || (digitsOnly && value.IsInteger))
            {
                continue;
            }

            if (!mantissas.TryGetValue(exponent, out var known))
            {
                known = ([], []);
                mantissas.Add(exponent, known);
            }

            (digits.Length == 1 ? known.Digits : known.Fractions).Add(digits.Length == 1 ? sign + digits : $"{sign}{digits[0]}.{digits[1..]}");
        }

        var plain = Plain(wholes, fractions, digitsOnly ? "" : @"(?:\.0+)?");
        if (mantissas.Count == 0)
        {
            return plain;
        }

        var scientific = mantissas.Select(group =>
            _pool.Concat(Plain(group.Value.Digits, group.Value.Fractions, @"(?:\.0+)?"), Regex($"[eE]{Exponents(group.Key, group.Key)}")));
        return _pool.Or(plain, _pool.And(Signed(Regex($"{SmallMagnitude}|{LargeMagnitude}")), _pool.Or(scientific.ToArray())));
    }

    /// <summary>Numbers without a fraction and what may follow them, and numbers with one, which more zeros may follow.</summary>
    private ByteRegex Plain(List<string> wholes, List<string> fractions, string behindWholes) =>
        _pool.Or(_pool.Concat(Automaton(wholes), Regex(behindWholes)), _pool.Concat(Automaton(fractions), Regex("0*")));

    private ByteRegex Automaton(List<string> texts) => texts.Count == 0 ? ByteRegex.Nothing : _pool.Automaton(AcyclicAutomaton.Of(texts.Select(Encoding.ASCII.GetBytes)));
}
