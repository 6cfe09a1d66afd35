using System.Text;
using Hadal.Inference.Grammars.Json;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Grammars.Formal;

/// <summary>Grammars in the notation of Lark: rules in lower case over terminals in upper case, texts and regular expressions; <c>start</c> is the whole.</summary>
/// <remarks>Understood besides: <c>%ignore</c> (between terminals and at both ends), <c>%import common.NAME</c>, <c>%json { schema }</c> as llguidance has
/// it. Priorities, aliases and the marks <c>?</c> and <c>!</c> do not change the language and are passed over. Refused by name: templates,
/// <c>%declare</c>, <c>%override</c>, <c>%extend</c>, imports from elsewhere, flags other than <c>i</c> and <c>s</c>.</remarks>
public static class LarkGrammar
{
    /// <summary>Makes the grammar.</summary>
    /// <param name="lark">The rules.</param>
    /// <param name="limits">What it may cost; the defaults where null.</param>
    /// <exception cref="GrammarException">The text is malformed or has what is not supported, a rule is missing, or a limit is passed.</exception>
    public static Grammar Compile(string lark, GrammarLimits? limits = null)
    {
        var builder = new GrammarBuilder(limits);
        return new LarkReader(new GrammarText(lark, "Lark grammar"), builder).Read();
    }
}

/// <summary>Reads one Lark grammar.</summary>
internal sealed class LarkReader(GrammarText text, GrammarBuilder builder)
{
    /// <summary>Lark's own <c>common.lark</c>.</summary>
    private static readonly Dictionary<string, string> Common = new(StringComparer.Ordinal)
    {
        ["DIGIT"] = "[0-9]", ["HEXDIGIT"] = "[a-fA-F0-9]", ["INT"] = "[0-9]+", ["SIGNED_INT"] = "[+\\-]?[0-9]+",
        ["DECIMAL"] = "[0-9]+\\.[0-9]*|\\.[0-9]+", ["FLOAT"] = "[0-9]+[eE][+\\-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+\\-]?[0-9]+)?",
        ["SIGNED_FLOAT"] = "[+\\-]?(?:[0-9]+[eE][+\\-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+\\-]?[0-9]+)?)",
        ["NUMBER"] = "(?:[0-9]+|[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+\\-]?[0-9]+)?", ["SIGNED_NUMBER"] = "[+\\-]?(?:[0-9]+|[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+\\-]?[0-9]+)?",
        ["ESCAPED_STRING"] = "\"(?:[^\"\\\\\\n]|\\\\[^\\n])*\"", ["LCASE_LETTER"] = "[a-z]", ["UCASE_LETTER"] = "[A-Z]", ["LETTER"] = "[A-Za-z]", ["WORD"] = "[A-Za-z]+",
        ["CNAME"] = "[_A-Za-z][_A-Za-z0-9]*", ["WS_INLINE"] = "[ \\t]+", ["WS"] = "[ \\t\\f\\r\\n]+", ["CR"] = "\\r", ["LF"] = "\\n", ["NEWLINE"] = "(?:\\r?\\n)+",
        ["SH_COMMENT"] = "#[^\\n]*", ["CPP_COMMENT"] = "//[^\\n]*",
    };

    private readonly TextWriting _writing = TextWriting.Utf8(builder.Regexes);
    private readonly Dictionary<string, RulePart> _terminals = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ByteRegex?> _regexes = new(StringComparer.Ordinal);
    private readonly List<(string Name, RulePart Body, int At)> _rules = [];
    private readonly List<RulePart> _ignored = [];
    private int _schemas;

    /// <summary>The grammar of the text.</summary>
    public Grammar Read()
    {
        for (Space(newlines: true); !text.IsAtEnd; Space(newlines: true))
        {
            Statement();
        }

        var ignored = builder.Regexes.Repeat(builder.Regexes.Or(_ignored.Select(i => Regular(i, 0)).ToArray()));
        var rules = new GrammarRules(text, builder);
        foreach (var (name, body, at) in _rules)
        {
            if (!rules.Add(name, Spaced(body, ignored)))
            {
                throw text.Error($"the rule '{name}' is defined twice", at);
            }
        }

        if (_terminals.ContainsKey("start") || !rules.Has("start"))
        {
            throw new GrammarException("Lark grammar: expected a rule 'start', which is the whole");
        }

        return rules.Build("start", ignored);
    }

    private void Statement()
    {
        if (text.Take("%ignore"))
        {
            Space(newlines: false);
            _ignored.Add(Alternatives());
            return;
        }

        if (text.Take("%import"))
        {
            Import();
            return;
        }

        if (text.Next == '%')
        {
            throw text.Error($"'{text.TakeWhile(c => !char.IsWhiteSpace(c))}' is not supported");
        }

        text.TakeWhile(c => c is '?' or '!');
        var start = text.At;
        var name = Name();
        if (text.Next == '{')
        {
            throw text.Error($"templates such as '{name}{{…}}' are not supported; write a rule for each use");
        }

        if (text.Take("."))
        {
            text.Take("-");
            text.TakeNumber();
        }

        Space(newlines: false);
        if (name.Length == 0 || !text.Take(":"))
        {
            throw text.Error("expected a rule: name: …");
        }

        var body = Alternatives();
        if (!IsTerminal(name))
        {
            _rules.Add((name, body, start));
        }
        else if (!_terminals.TryAdd(name, body))
        {
            throw text.Error($"the terminal '{name}' is defined twice");
        }
    }

    private void Import()
    {
        Space(newlines: false);
        if (!text.Take("common."))
        {
            throw text.Error("imports are supported from 'common' only");
        }

        var name = Name();
        Space(newlines: false);
        var alias = name;
        if (text.Take("->"))
        {
            Space(newlines: false);
            alias = Name();
        }

        var pattern = Common.GetValueOrDefault(name) ?? throw text.Error($"'common.{name}' is not known");
        _terminals.TryAdd(alias, new RulePart.Terminal(PatternCompiler.Whole(pattern, _writing)));
    }

    private RulePart Alternatives()
    {
        text.Enter();
        var options = new List<RulePart> { Sequence() };
        while (text.Take("|"))
        {
            options.Add(Sequence());
        }

        text.Leave();
        return options.Count == 1 ? options[0] : new RulePart.Choice(options);
    }

    private RulePart.Sequence Sequence()
    {
        var parts = new List<RulePart>();
        for (Space(newlines: false); ; Space(newlines: false))
        {
            if (text.Next == '\n')
            {
                // A rule goes on in the next line where that begins with an alternative.
                var start = text.At;
                Space(newlines: true);
                if (text.Next != '|')
                {
                    text.At = start;
                }

                return new RulePart.Sequence(parts);
            }

            if (text.IsAtEnd || text.Next is '|' or ')' or ']')
            {
                return new RulePart.Sequence(parts);
            }

            if (text.Take("->"))
            {
                Space(newlines: false);
                Name();
                continue;
            }

            parts.Add(Quantified(Part()));
        }
    }

    private RulePart Part()
    {
        switch (text.Next)
        {
            case '"':
                return Text();
            case '/':
                return Regex();
            case '(' or '[':
                var isOptional = text.TakeRune() == '[';
                Space(newlines: true);
                var group = Alternatives();
                Space(newlines: true);
                if (!text.Take(isOptional ? "]" : ")"))
                {
                    throw text.Error("a group does not end");
                }

                return isOptional ? new RulePart.Repetition(group, 0, 1) : group;
            case '%' when text.Take("%json"):
                return Schema();
            default:
                var name = Name();
                if (name.Length > 0 && text.Next == '{' && !char.IsAsciiDigit(text.Peek(1)) && text.Peek(1) is not (',' or ' '))
                {
                    throw text.Error($"templates such as '{name}{{…}}' are not supported; write a rule for each use");
                }

                return name.Length > 0 ? new RulePart.Reference(name, text.At - name.Length) : throw text.Error($"'{text.Next}' begins nothing that Lark knows");
        }
    }

    private RulePart Quantified(RulePart part)
    {
        for (; ; )
        {
            Space(newlines: false);
            if (text.TryTakeQuantifier() is { } times)
            {
                part = new RulePart.Repetition(part, times.Min, times.Max);
                continue;
            }

            if (!text.Take("~")) return part;
            Space(newlines: false);
            var low = text.TakeNumber() ?? throw text.Error("'~' needs a number");
            var high = text.Take("..") ? text.TakeNumber() ?? throw text.Error("'..' needs a number") : low;
            part = low <= high ? new RulePart.Repetition(part, low, high) : throw text.Error("a repetition whose maximum is below its minimum");
        }
    }

    /// <summary>A text, or the range of characters between two.</summary>
    private RulePart.Terminal Text()
    {
        var literal = Quoted();
        if (text.Looks("..") && text.Peek(2) == '"')
        {
            text.At += 2;
            var last = Quoted().EnumerateRunes().ToList();
            var first = literal.EnumerateRunes().ToList();
            return first.Count == 1 && last.Count == 1 && first[0] <= last[0]
                ? new RulePart.Terminal(_writing.Of(CodePointSet.Of((first[0].Value, last[0].Value))))
                : throw text.Error("a range needs two single characters in order");
        }

        if (text.Next != 'i' || char.IsAsciiLetterOrDigit(text.Peek(1)))
        {
            return new RulePart.Terminal(builder.Regexes.Literal(literal));
        }

        text.At++;
        var parts = literal.EnumerateRunes().Select(r => _writing.Of(CodePointSet.Of(r.Value).WithBothCases())).ToArray();
        return new RulePart.Terminal(builder.Regexes.Concat(parts));
    }

    private string Quoted()
    {
        text.At++;
        var literal = new StringBuilder();
        while (!text.Take("\""))
        {
            literal.Append(new Rune(Character()).ToString());
        }

        return literal.ToString();
    }

    private int Character()
    {
        if (!text.Take("\\"))
        {
            return text.Next == '\n' ? throw text.Error("a text does not end in its line") : text.TakeRune();
        }

        return text.TakeRune() switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\f',
            'x' => text.TakeHexadecimal(2),
            'u' => text.TakeHexadecimal(4),
            'U' => text.TakeHexadecimal(8),
            var other and ('"' or '\\' or '/' or '\'') => other,
            var other => throw text.Error($"'\\{new Rune(other)}' is no escape of a text"),
        };
    }

    private RulePart.Terminal Regex()
    {
        var start = ++text.At;
        while (text.Next != '/')
        {
            text.At += text.Next == '\\' ? 2 : 1;
            if (text.IsAtEnd || text.Next == '\n')
            {
                throw text.Error("a regular expression does not end in its line");
            }
        }

        var pattern = text.Slice(start, text.At);
        text.At++;
        var flags = text.TakeWhile(char.IsAsciiLetter);
        if (flags.AsSpan().ContainsAnyExcept('i', 's', 'u'))
        {
            throw text.Error($"the flags '{flags}' are not supported; expected i or s");
        }

        flags = flags.Replace("u", "", StringComparison.Ordinal);
        return Placed(start, () => new RulePart.Terminal(PatternCompiler.Whole(flags.Length == 0 ? pattern : $"(?{flags}){pattern}", _writing)));
    }

    /// <summary>A part whose faults get the place at which it stands.</summary>
    private T Placed<T>(int at, Func<T> make)
    {
        try
        {
            return make();
        }
        catch (GrammarException fault) when (!fault.TablesAreFull)
        {
            throw text.Error(fault.Message, at);
        }
    }

    /// <summary>A JSON Schema: the braces after <c>%json</c>.</summary>
    private RulePart.Built Schema()
    {
        Space(newlines: true);
        var start = text.At;
        var depth = 0;
        var isText = false;
        do
        {
            switch (text.TakeRune())
            {
                case '\\' when isText:
                    text.TakeRune();
                    break;
                case '"':
                    isText = !isText;
                    break;
                case '{' when !isText:
                    depth++;
                    break;
                case '}' when !isText:
                    depth--;
                    break;
            }
        }
        while (depth > 0);

        return Placed(start, () => new RulePart.Built(JsonSchemaGrammar.Node(text.Slice(start, text.At), builder, $"json {_schemas++} ")));
    }

    private string Name() => text.TakeWhile(c => char.IsAsciiLetterOrDigit(c) || c == '_');

    private static bool IsTerminal(string name) => name.TrimStart('_') is [>= 'A' and <= 'Z', ..];

    private void Space(bool newlines)
    {
        for (; ; )
        {
            text.TakeWhile(c => c is ' ' or '\t' or '\r' || (newlines && c == '\n'));
            if (text.Next != '#' && !text.Looks("//"))
            {
                return;
            }

            text.TakeWhile(c => c != '\n');
        }
    }

    /// <summary>The part with what is ignored in front of every terminal, and named terminals in their places.</summary>
    private RulePart Spaced(RulePart part, ByteRegex ignored)
    {
        switch (part)
        {
            case RulePart.Terminal or RulePart.Reference:
                return part is RulePart.Reference reference && !IsTerminal(reference.Name)
                    ? part
                    : new RulePart.Terminal(builder.Regexes.Concat(ignored, Regular(part, 0)));
            case RulePart.Sequence sequence:
                return new RulePart.Sequence(sequence.Parts.Select(p => Spaced(p, ignored)).ToList());
            case RulePart.Choice choice:
                return new RulePart.Choice(choice.Options.Select(o => Spaced(o, ignored)).ToList());
            case RulePart.Repetition repetition:
                return repetition with { Part = Spaced(repetition.Part, ignored) };
            default:
                return new RulePart.Sequence([new RulePart.Terminal(ignored), part]);
        }
    }

    /// <summary>The expression of a terminal.</summary>
    private ByteRegex Regular(RulePart part, int depth)
    {
        var regexes = builder.Regexes;
        if (depth > 300)
        {
            throw new GrammarException("Lark grammar: terminals are nested deeper than 300");
        }

        switch (part)
        {
            case RulePart.Terminal terminal:
                return terminal.Regex;
            case RulePart.Reference reference:
                return Named(reference, depth);
            case RulePart.Sequence sequence:
                return regexes.Concat(sequence.Parts.Select(p => Regular(p, depth + 1)).ToArray());
            case RulePart.Choice choice:
                return regexes.Or(choice.Options.Select(o => Regular(o, depth + 1)).ToArray());
            case RulePart.Repetition repetition:
                return regexes.Repeat(Regular(repetition.Part, depth + 1), repetition.Min, repetition.Max);
            default:
                throw new GrammarException("Lark grammar: a terminal cannot hold %json");
        }
    }

    private ByteRegex Named(RulePart.Reference reference, int depth)
    {
        var name = reference.Name;
        if (_regexes.TryGetValue(name, out var known))
        {
            return known ?? throw text.Error($"the terminal '{name}' refers to itself", reference.At);
        }

        if (!_terminals.TryGetValue(name, out var body))
        {
            throw text.Error($"uses the terminal '{name}', which the grammar does not define", reference.At);
        }

        _regexes[name] = null;
        var regex = Regular(body, depth + 1);
        _regexes[name] = regex;
        return regex;
    }
}
