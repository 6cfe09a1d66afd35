using System.Globalization;

namespace Hadal.Inference.Grammars.Patterns;

/// <summary>Parses the regular expressions of ECMA-262 with the <c>u</c> flag and the leniencies of its Annex B, as JSON Schema uses them.</summary>
/// <remarks>Understood beyond it: named groups of Python, and the flags <c>i</c> and <c>s</c> in front or on a group. Refused by name: back references,
/// lookbehind, atomic groups, other flags, escapes of letters without meaning.</remarks>
internal sealed class PatternParser
{
    private const int LengthMax = 32 * 1024;
    private const int DepthMax = 100;
    private const int CountMax = 1_000_000;

    private readonly string _pattern;
    private int _at;
    private int _depth;
    private bool _ignoreCase;
    private bool _dotIsAll;

    private PatternParser(string pattern) => _pattern = pattern;

    /// <summary>Parses a pattern.</summary>
    /// <exception cref="GrammarException">The pattern is malformed, too large, or uses what is not supported.</exception>
    public static PatternNode Parse(string pattern)
    {
        if (pattern.Length > LengthMax)
        {
            throw new GrammarException($"regular expression of {pattern.Length} characters: expected at most {LengthMax}");
        }

        var parser = new PatternParser(pattern);
        var node = parser.Alternatives();
        return parser._at == pattern.Length ? node : throw parser.Error("a group closes that was not opened");
    }

    private PatternNode Alternatives()
    {
        if (++_depth > DepthMax)
        {
            throw Error($"groups are nested deeper than {DepthMax}");
        }

        var (ignoreCase, dotIsAll) = (_ignoreCase, _dotIsAll);
        var options = new List<PatternNode> { Sequence() };
        while (Take('|'))
        {
            options.Add(Sequence());
        }

        (_ignoreCase, _dotIsAll) = (ignoreCase, dotIsAll);
        _depth--;
        return AlternationOf(options);
    }

    /// <summary>Options that are single characters become one set: <c>a|b</c> is <c>[ab]</c>.</summary>
    private static PatternNode AlternationOf(List<PatternNode> options)
    {
        if (options.Count == 1)
        {
            return options[0];
        }

        var characters = options.OfType<PatternNode.Character>().ToList();
        if (characters.Count > 1)
        {
            var first = options.FindIndex(o => o is PatternNode.Character);
            options[first] = new PatternNode.Character(characters.Aggregate(CodePointSet.None, (all, c) => all.Union(c.Set)));
            for (var i = options.Count - 1; i > first; i--)
            {
                if (options[i] is PatternNode.Character)
                {
                    options.RemoveAt(i);
                }
            }
        }

        return options.Count == 1 ? options[0] : new PatternNode.Alternation(options);
    }

    private PatternNode Sequence()
    {
        var items = new List<PatternNode>();
        while (_at < _pattern.Length && _pattern[_at] is not ('|' or ')'))
        {
            if (Atom() is { } atom)
            {
                items.Add(Quantified(atom));
            }
        }

        return items.Count == 1 ? items[0] : new PatternNode.Sequence(items);
    }

    /// <summary>One atom; null for a flag setting, which is nothing to match.</summary>
    private PatternNode? Atom()
    {
        var start = _at;
        switch (_pattern[_at])
        {
            case '^':
                _at++;
                return new PatternNode.Start();
            case '$':
                _at++;
                return new PatternNode.End();
            case '.':
                _at++;
                return new PatternNode.Character(_dotIsAll ? CodePointSet.All : CodePointSet.LineTerminators.Complement());
            case '(':
                _at++;
                return Group();
            case '[':
                _at++;
                return Character(Class());
            case '*' or '+' or '?':
                throw Error($"'{_pattern[_at]}' repeats nothing");
            case '{' when Counts() is not null:
                _at = start;
                throw Error("'{' repeats nothing");
            case '\\':
                _at++;
                return Escape();
            default:
                _at = start;
                return Character(CodePointSet.Of(Rune()));
        }
    }

    private PatternNode.Character Character(CodePointSet set) => new(_ignoreCase ? set.WithBothCases() : set);

    private PatternNode Quantified(PatternNode atom)
    {
        while (_at < _pattern.Length)
        {
            (int Min, int? Max) counts;
            switch (_pattern[_at])
            {
                case '*':
                    _at++;
                    counts = (0, null);
                    break;
                case '+':
                    _at++;
                    counts = (1, null);
                    break;
                case '?':
                    _at++;
                    counts = (0, 1);
                    break;
                case '{' when Counts() is { } stated:
                    counts = stated;
                    break;
                default:
                    return atom;
            }

            if (atom is PatternNode.Start or PatternNode.End or PatternNode.WordBoundary)
            {
                throw Error("an anchor cannot be repeated");
            }

            if (!Take('?') && Take('+'))
            {
                throw Error("possessive quantifiers are not supported");
            }

            atom = new PatternNode.Repetition(atom, counts.Min, counts.Max);
        }

        return atom;
    }

    /// <summary>Reads <c>{n}</c>, <c>{n,}</c> or <c>{n,m}</c>; null, with nothing read, where the brace is only a character.</summary>
    private (int Min, int? Max)? Counts()
    {
        var start = _at++;
        if (Number() is { } min)
        {
            var max = (int?)min;
            if (Take(','))
            {
                max = Number();
            }

            if (Take('}'))
            {
                return max < min ? throw Error($"{{{min},{max}}}: the maximum is below the minimum") : (min, max);
            }
        }

        _at = start;
        return null;
    }

    private int? Number()
    {
        var start = _at;
        while (_at < _pattern.Length && char.IsAsciiDigit(_pattern[_at]))
        {
            _at++;
        }

        if (_at == start)
        {
            return null;
        }

        return int.TryParse(_pattern.AsSpan(start, _at - start), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= CountMax
            ? number
            : throw Error($"a repetition of more than {CountMax}");
    }

    private PatternNode? Group()
    {
        if (!Take('?'))
        {
            return Closed(Alternatives());
        }

        if (Take("P<") || (Peek("<") && !Peek("<=") && !Peek("<!") && Take('<')))
        {
            var end = _pattern.IndexOf('>', _at);
            _at = end > _at ? end + 1 : throw Error("a group without name");
            return Closed(Alternatives());
        }

        if (Take(':'))
        {
            return Closed(Alternatives());
        }

        if (Peek("=") || Peek("!"))
        {
            var isNegated = _pattern[_at++] == '!';
            return new PatternNode.Lookahead(Closed(Alternatives()), isNegated);
        }

        return Peek("<=") || Peek("<!") ? throw Error("lookbehind is not supported") : Flags();
    }

    private PatternNode? Flags()
    {
        var (ignoreCase, dotIsAll) = (_ignoreCase, _dotIsAll);
        for (var on = true; ;)
        {
            var letter = _at < _pattern.Length ? _pattern[_at++] : '\0';
            switch (letter)
            {
                case 'i':
                    _ignoreCase = on;
                    continue;
                case 's':
                    _dotIsAll = on;
                    continue;
                case '-':
                    on = false;
                    continue;
                case ')':
                    return null;
                case ':':
                    var body = Closed(Alternatives());
                    (_ignoreCase, _dotIsAll) = (ignoreCase, dotIsAll);
                    return body;
                default:
                    throw Error($"'(?{letter}' is not supported");
            }
        }
    }

    private PatternNode Closed(PatternNode body) => Take(')') ? body : throw Error("a group does not end");

    private PatternNode Escape()
    {
        if (_at == _pattern.Length)
        {
            throw Error("ends with a backslash");
        }

        switch (_pattern[_at])
        {
            case 'b':
                _at++;
                return new PatternNode.WordBoundary(false);
            case 'B':
                _at++;
                return new PatternNode.WordBoundary(true);
            case >= '1' and <= '9':
                throw Error("back references are not regular and cannot be enforced");
            case 'k':
                throw Error("back references are not regular and cannot be enforced");
            default:
                return Character(ClassEscape() ?? CodePointSet.Of(CharacterEscape()));
        }
    }

    /// <summary><c>\d</c>, <c>\w</c>, <c>\s</c>, <c>\p{…}</c> and their opposites; null, with nothing read, where the escape is a single character.</summary>
    private CodePointSet? ClassEscape()
    {
        CodePointSet? set = _pattern[_at] switch
        {
            'd' => CodePointSet.Digits,
            'D' => CodePointSet.Digits.Complement(),
            'w' => CodePointSet.WordCharacters,
            'W' => CodePointSet.WordCharacters.Complement(),
            's' => CodePointSet.WhiteSpace,
            'S' => CodePointSet.WhiteSpace.Complement(),
            _ => null,
        };
        if (set is not null)
        {
            _at++;
            return set;
        }

        if (_pattern[_at] is not ('p' or 'P'))
        {
            return null;
        }

        var isNegated = _pattern[_at++] == 'P';
        var end = Take('{') ? _pattern.IndexOf('}', _at) : throw Error("a property escape needs a name in braces");
        var name = end > _at ? _pattern[_at..end] : throw Error("a property escape needs a name in braces");
        _at = end + 1;
        var property = UnicodeProperty.Find(name) ?? throw Error($"the Unicode property '{name}' is not known; expected a general category (L, Lu, Nd, …), ASCII, Any, White_Space or ASCII_Hex_Digit");
        return isNegated ? property.Complement() : property;
    }

    private int CharacterEscape()
    {
        var letter = Rune();
        switch (letter)
        {
            case 't':
                return 9;
            case 'n':
                return 10;
            case 'v':
                return 11;
            case 'f':
                return 12;
            case 'r':
                return 13;
            case 'a':
                return 7;
            case 'e':
                return 27;
            case '0':
                return _at < _pattern.Length && char.IsAsciiDigit(_pattern[_at]) ? throw Error("octal escapes are not supported") : 0;
            case 'c':
                return _at < _pattern.Length && char.IsAsciiLetter(_pattern[_at]) ? _pattern[_at++] & 31 : throw Error("\\c needs a letter");
            case 'x':
                return Hexadecimal(2);
            case 'u':
                return UnicodeEscape();
            default:
                return letter < 128 && char.IsAsciiLetterOrDigit((char)letter) ? throw Error($"'\\{(char)letter}' is no escape of ECMA-262") : letter;
        }
    }

    private int UnicodeEscape()
    {
        if (Take('{'))
        {
            var end = _pattern.IndexOf('}', _at);
            var digits = end > _at ? _pattern.AsSpan(_at, end - _at) : throw Error("\\u{ needs hexadecimal digits");
            _at = end + 1;
            return int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= 0x10FFFF
                ? value
                : throw Error("\\u{…} needs a code point");
        }

        var unit = Hexadecimal(4);
        if (char.IsHighSurrogate((char)unit) && Peek("\\u"))
        {
            var start = _at;
            _at += 2;
            if (!Peek("{") && Hexadecimal(4) is var low && char.IsLowSurrogate((char)low))
            {
                return char.ConvertToUtf32((char)unit, (char)low);
            }

            _at = start;
        }

        return unit;
    }

    private int Hexadecimal(int digits)
    {
        if (_at + digits > _pattern.Length
            || !int.TryParse(_pattern.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
        {
            throw Error($"an escape needs {digits} hexadecimal digits");
        }

        _at += digits;
        return value;
    }

    /// <summary>The set between <c>[</c>, which is read, and <c>]</c>.</summary>
    private CodePointSet Class()
    {
        var isNegated = Take('^');
        var ranges = new List<(int First, int Last)>();
        while (!Take(']'))
        {
            var first = ClassAtom(ranges);
            if (_at + 1 >= _pattern.Length || _pattern[_at] != '-' || _pattern[_at + 1] == ']')
            {
                AddAtom(ranges, first);
                continue;
            }

            _at++;
            var last = ClassAtom(ranges);
            if (first is { } from && last is { } to)
            {
                ranges.Add(from <= to ? (from, to) : throw Error("a range of a class is out of order"));
            }
            else
            {
                AddAtom(ranges, first);
                AddAtom(ranges, '-');
                AddAtom(ranges, last);
            }
        }

        var set = CodePointSet.Of(ranges.ToArray());
        if (isNegated)
        {
            set = (_ignoreCase ? set.WithBothCases() : set).Complement();
        }

        return set;
    }

    /// <summary>One character of a class; null where it was a set, whose ranges are added at once.</summary>
    private int? ClassAtom(List<(int First, int Last)> ranges)
    {
        if (_at >= _pattern.Length)
        {
            throw Error("a class does not end");
        }

        if (!Take('\\'))
        {
            return Rune();
        }

        if (_at == _pattern.Length)
        {
            throw Error("a class does not end");
        }

        if (Take('b'))
        {
            return 8;
        }

        if (ClassEscape() is { } set)
        {
            ranges.AddRange(set.Ranges);
            return null;
        }

        return CharacterEscape();
    }

    private static void AddAtom(List<(int First, int Last)> ranges, int? atom)
    {
        if (atom is { } codePoint)
        {
            ranges.Add((codePoint, codePoint));
        }
    }

    private int Rune()
    {
        _ = System.Text.Rune.DecodeFromUtf16(_pattern.AsSpan(_at), out var rune, out var length);
        _at += length;
        return rune.Value;
    }

    private bool Take(char expected)
    {
        if (_at < _pattern.Length && _pattern[_at] == expected)
        {
            _at++;
            return true;
        }

        return false;
    }

    private bool Take(string expected)
    {
        if (Peek(expected))
        {
            _at += expected.Length;
            return true;
        }

        return false;
    }

    private bool Peek(string expected) => _pattern.AsSpan(_at).StartsWith(expected, StringComparison.Ordinal);

    private GrammarException Error(string message)
    {
        var shown = _pattern.Length <= 80 ? _pattern : string.Concat(_pattern.AsSpan(0, 80), "…");
        return new GrammarException($"regular expression '{shown}', character {_at + 1}: {message}");
    }
}
