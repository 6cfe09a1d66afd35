using System.Globalization;
using System.Text;
using Node = Hadal.Checkpoints.Text.RunePattern.Node;
using NodeKind = Hadal.Checkpoints.Text.RunePattern.NodeKind;

namespace Hadal.Checkpoints.Text;

/// <summary>Reads the text of a <see cref="RunePattern"/>. Syntax: Oniguruma's, less back references, lookbehind, lazy repetition,
/// unbounded repetition of groups and the rarer escapes, which are refused by name.</summary>
internal sealed class RunePatternParser(string source)
{
    private const int MaxLength = 16_384, MaxNodes = 4096, MaxDepth = 32, MaxRepeat = 1024, Unbounded = int.MaxValue;

    private readonly List<Node> _nodes = [];
    private readonly List<int> _steps = [];
    private int _position;
    private int _depth;
    private int _emitted;
    private bool _ignoresCase;

    /// <summary>What one group, class or escape parsed to; emitted later, once per repetition, with its successor known.</summary>
    private delegate int Emit(int next);

    public (Node[] Nodes, int Start) Parse()
    {
        if (source.Length > MaxLength) throw Refused($"{source.Length} characters, at most {MaxLength}");
        if (source.Length == 0) throw Refused("it is empty");
        var emit = Alternatives();
        if (_position < source.Length) throw Refused("an unmatched ')'");
        var start = emit(Add(new Node(NodeKind.Accept), 1));
        return ([.. _nodes], start);
    }

    private Emit Alternatives()
    {
        if (++_depth > MaxDepth) throw Refused("groups nested too deep");
        var ignoresCase = _ignoresCase;
        var branches = new List<Emit> { Sequence() };
        while (_position < source.Length && source[_position] == '|')
        {
            _position++;
            branches.Add(Sequence());
        }

        _depth--;
        _ignoresCase = ignoresCase;
        if (branches.Count == 1) return branches[0];
        return next =>
        {
            int[] starts = [.. branches.Select(branch => branch(next))];
            return Add(new Node(NodeKind.Fork) { Branches = starts }, starts.Sum(start => _steps[start]));
        };
    }

    private Emit Sequence()
    {
        var items = new List<Emit>();
        while (_position < source.Length && source[_position] is not ('|' or ')'))
        {
            if (TryReadCaseOption()) continue;
            items.Add(Item());
        }

        return next =>
        {
            // Empty groups make no nodes, but repeating them takes time all the same.
            if (++_emitted > MaxNodes) throw Refused("it takes too many steps");
            for (var i = items.Count - 1; i >= 0; i--) next = items[i](next);
            return next;
        };
    }

    /// <summary>Reads <c>(?i)</c>, which holds to the end of the group.</summary>
    private bool TryReadCaseOption()
    {
        if (string.CompareOrdinal(source, _position, "(?i)", 0, 4) != 0) return false;
        _position += 4;
        return _ignoresCase = true;
    }

    private Emit Item()
    {
        var c = source[_position];
        switch (c)
        {
            case '(':
                return Group();
            case '$':
                _position++;
                return next => Add(new Node(NodeKind.LineEnd) { Next = next }, _steps[next]);
            case '^':
                _position++;
                return next => Add(new Node(NodeKind.TextBegin) { Next = next }, _steps[next]);
            case '[':
                return Repeated(CharacterClass());
            case '*' or '+' or '?':
                throw Refused($"nothing to repeat at {_position}");
            default:
                var builder = new RuneClass.Builder();
                if (c == '.')
                {
                    _position++;
                    builder.Ranges.Add(('\n', '\n'));
                    builder.IsNegated = true;
                }
                else if (ReadClassItem(builder, isInClass: false) is { } literal)
                {
                    builder.Ranges.Add((literal, literal));
                }

                return Repeated(Finish(builder));
        }
    }

    private Emit Group()
    {
        _position++;
        var ignoresCase = _ignoresCase;
        var look = '\0';
        if (Take("?:") || Take("?i:"))
        {
            if (source[_position - 2] == 'i') _ignoresCase = true;
        }
        else if (Take("?=")) look = '=';
        else if (Take("?!")) look = '!';
        else if (_position < source.Length && source[_position] == '?') throw Refused($"a group of the kind '({source.AsSpan(_position, Math.Min(3, source.Length - _position))}'");

        var body = Alternatives();
        _ignoresCase = ignoresCase;
        if (_position >= source.Length) throw Refused("an unclosed '('");
        _position++;
        if (look != '\0')
        {
            return next =>
            {
                var start = body(Add(new Node(NodeKind.Accept), 1));
                if (!IsBounded(start)) throw Refused("unbounded repetition inside a lookahead");
                return Add(new Node(NodeKind.Look) { Look = start, IsNegated = look == '!', Next = next }, checked(_steps[start] + _steps[next]));
            };
        }

        var (min, max, _) = Quantifier();
        if (max == Unbounded) throw Refused("unbounded repetition of a group");
        return next =>
        {
            for (var i = max; i > 0; i--)
            {
                var once = body(next);
                next = i > min ? Add(new Node(NodeKind.Fork) { Branches = [once, next] }, _steps[once] + _steps[next]) : once;
            }

            return next;
        };
    }

    private Emit Repeated(RuneClass set)
    {
        var (min, max, isPossessive) = Quantifier();
        return next => Add(
            new Node(NodeKind.Repeat) { Class = set, Min = min, Max = max, IsPossessive = isPossessive, Next = next },
            (max == Unbounded ? 1 : max) + (max == Unbounded || isPossessive ? _steps[next] : (long)_steps[next] * (max - min + 1)));
    }

    private (int Min, int Max, bool IsPossessive) Quantifier()
    {
        if (_position >= source.Length) return (1, 1, false);
        (int Min, int Max) range;
        var isInterval = false;
        switch (source[_position])
        {
            case '?': range = (0, 1); _position++; break;
            case '*': range = (0, Unbounded); _position++; break;
            case '+': range = (1, Unbounded); _position++; break;
            case '{' when TryReadInterval(out range): isInterval = true; break;
            default: return (1, 1, false);
        }

        if (_position >= source.Length) return (range.Min, range.Max, false);
        if (source[_position] is '?' or '*' || (isInterval && source[_position] == '+')) throw Refused($"a repetition of a repetition at {_position}");
        var isPossessive = source[_position] == '+';
        if (isPossessive) _position++;
        return (range.Min, range.Max, isPossessive);
    }

    /// <summary>Reads <c>{n}</c>, <c>{n,}</c> or <c>{n,m}</c>; another brace is an ordinary character.</summary>
    private bool TryReadInterval(out (int Min, int Max) range)
    {
        range = (1, 1);
        var close = source.IndexOf('}', _position);
        if (close < 0) return false;
        var parts = source[(_position + 1)..close].Split(',');
        if (parts.Length > 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out range.Min)) return false;
        range.Max = range.Min;
        if (parts.Length == 2 && parts[1].Length == 0) range.Max = Unbounded;
        else if (parts.Length == 2 && !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out range.Max)) return false;
        if (range.Min > MaxRepeat || (range.Max != Unbounded && (range.Max > MaxRepeat || range.Max < range.Min))) throw Refused($"the repetition {source[_position..(close + 1)]}");
        _position = close + 1;
        return true;
    }

    private RuneClass CharacterClass()
    {
        _position++;
        var builder = new RuneClass.Builder { IsNegated = Take("^") };
        var isFirst = true;
        while (true)
        {
            if (_position >= source.Length) throw Refused("an unclosed '['");
            if (source[_position] == ']' && !isFirst) break;
            if (source[_position] == '[' || string.CompareOrdinal(source, _position, "&&", 0, 2) == 0) throw Refused($"a class within a class at {_position}");
            isFirst = false;
            if (ReadClassItem(builder, isInClass: true) is not { } first) continue;
            if (_position + 1 < source.Length && source[_position] == '-' && source[_position + 1] != ']')
            {
                _position++;
                if (ReadClassItem(builder, isInClass: true) is not { } last || last < first) throw Refused($"a range without end before {_position}");
                builder.Ranges.Add((first, last));
            }
            else
            {
                builder.Ranges.Add((first, first));
            }
        }

        _position++;
        return Finish(builder);
    }

    private RuneClass Finish(RuneClass.Builder builder)
    {
        if (_ignoresCase) builder.AddOtherCases();
        return builder.Build();
    }

    /// <summary>Reads one character or escape: adds a set to the class and returns null, or returns a code point.</summary>
    private int? ReadClassItem(RuneClass.Builder builder, bool isInClass)
    {
        if (source[_position] != '\\')
        {
            if (Rune.DecodeFromUtf16(source.AsSpan(_position), out var rune, out var length) != System.Buffers.OperationStatus.Done) throw Refused("a lone surrogate");
            _position += length;
            return rune.Value;
        }

        if (++_position >= source.Length) throw Refused("a '\\' at the end");
        var c = source[_position++];
        switch (c)
        {
            case 'r': return '\r';
            case 'n': return '\n';
            case 't': return '\t';
            case 'f': return '\f';
            case 'v': return '\v';
            case 'u': return Hex(4);
            case 'x' when _position < source.Length && source[_position] != '{': return Hex(2);
            case 's' or 'S':
                builder.AddWhiteSpace(c == 'S');
                return null;
            case 'd' or 'D':
                builder.TryAddCategory("Nd", c == 'D');
                return null;
            case 'p' or 'P':
                AddProperty(builder, c == 'P');
                return null;
            default:
                if (char.IsAsciiLetterOrDigit(c) || c > '~') throw Refused($"the escape \\{c}{(isInClass ? " in a class" : "")}");
                return c;
        }
    }

    private void AddProperty(RuneClass.Builder builder, bool isNegated)
    {
        var close = source.IndexOf('}', _position);
        if (close < 0 || source[_position] != '{') throw Refused("a property without braces");
        var name = source[(_position + 1)..close];
        if (name.StartsWith('^'))
        {
            isNegated = !isNegated;
            name = name[1..];
        }

        if (!builder.TryAddCategory(name, isNegated)) throw Refused($"the property {name}");
        _position = close + 1;
    }

    private int Hex(int digits)
    {
        if (_position + digits > source.Length
            || !int.TryParse(source.AsSpan(_position, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            || !Rune.IsValid(value))
        {
            throw Refused($"a bad code point at {_position}");
        }

        _position += digits;
        return value;
    }

    private bool Take(string text)
    {
        if (string.CompareOrdinal(source, _position, text, 0, text.Length) != 0) return false;
        _position += text.Length;
        return true;
    }

    private bool IsBounded(int start)
    {
        var node = _nodes[start];
        return node.Kind switch
        {
            NodeKind.Accept => true,
            NodeKind.Fork => node.Branches.All(IsBounded),
            _ => node.Max != Unbounded && IsBounded(node.Next),
        };
    }

    private int Add(Node node, long steps)
    {
        if (_nodes.Count >= MaxNodes || steps > RunePattern.MaxSteps) throw Refused("it takes too many steps");
        _nodes.Add(node);
        _steps.Add((int)steps);
        return _nodes.Count - 1;
    }

    private CheckpointException Refused(string what) => new(
        $"pre-tokenizer pattern: unsupported: {what}; pattern: {(source.Length > 200 ? source[..200] + "…" : source)}");
}
