using System.Text;
using Hadal.Inference.Grammars.Patterns;

namespace Hadal.Inference.Grammars.Formal;

/// <summary>Grammars in GBNF, the notation of llama.cpp: rules <c>name ::= …</c> over texts, character classes and rules; <c>root</c> is the whole.</summary>
public static class GbnfGrammar
{
    /// <summary>Makes the grammar.</summary>
    /// <param name="gbnf">The rules.</param>
    /// <param name="limits">What it may cost; the defaults where null.</param>
    /// <exception cref="GrammarException">The text is malformed, a rule is missing, or a limit is passed.</exception>
    public static Grammar Compile(string gbnf, GrammarLimits? limits = null)
    {
        var builder = new GrammarBuilder(limits);
        var text = new GrammarText(gbnf, "GBNF");
        var rules = new GrammarRules(text, builder);
        new Reader(text, TextWriting.Utf8(builder.Regexes), rules).Read();
        return rules.Build("root", ByteRegex.Empty);
    }

    private sealed class Reader(GrammarText text, TextWriting writing, GrammarRules rules)
    {
        public void Read()
        {
            for (Space(); !text.IsAtEnd; Space())
            {
                var name = Name();
                Space();
                if (name.Length == 0 || !text.Take("::="))
                {
                    throw text.Error("expected a rule: name ::= …");
                }

                Space();
                if (!rules.Add(name, Alternatives()))
                {
                    throw text.Error($"the rule '{name}' is defined twice");
                }
            }
        }

        private string Name() => text.TakeWhile(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

        private void Space()
        {
            for (; ; )
            {
                text.TakeWhile(char.IsWhiteSpace);
                if (text.Next != '#')
                {
                    return;
                }

                text.TakeWhile(c => c != '\n');
            }
        }

        private RulePart Alternatives()
        {
            text.Enter();
            var options = new List<RulePart> { Sequence() };
            while (text.Take("|"))
            {
                Space();
                options.Add(Sequence());
            }

            text.Leave();
            return options.Count == 1 ? options[0] : new RulePart.Choice(options);
        }

        private RulePart.Sequence Sequence()
        {
            var parts = new List<RulePart>();
            while (!text.IsAtEnd && text.Next is not ('|' or ')') && !IsAtRule())
            {
                parts.Add(Quantified(Part()));
                Space();
            }

            return new RulePart.Sequence(parts);
        }

        /// <summary>Whether a new rule begins here.</summary>
        private bool IsAtRule()
        {
            var start = text.At;
            var isName = Name().Length > 0;
            Space();
            var isRule = isName && text.Looks("::=");
            text.At = start;
            return isRule;
        }

        private RulePart Part()
        {
            switch (text.Next)
            {
                case '"':
                    text.At++;
                    return Text();
                case '[':
                    text.At++;
                    return Class();
                case '.':
                    text.At++;
                    return new RulePart.Terminal(writing.AnyCharacter);
                case '(':
                    text.At++;
                    Space();
                    var group = Alternatives();
                    return text.Take(")") ? group : throw text.Error("a group does not end");
                default:
                    var name = Name();
                    return name.Length > 0 ? new RulePart.Reference(name, text.At - name.Length) : throw text.Error($"'{text.Next}' begins nothing that GBNF knows");
            }
        }

        private RulePart Quantified(RulePart part)
        {
            while (text.TryTakeQuantifier() is { } times) part = new RulePart.Repetition(part, times.Min, times.Max);
            return part;
        }

        private RulePart.Terminal Text()
        {
            var literal = new StringBuilder();
            while (!text.Take("\""))
            {
                literal.Append(new Rune(Character()).ToString());
            }

            return new RulePart.Terminal(writing.Pool.Literal(literal.ToString()));
        }

        private RulePart.Terminal Class()
        {
            var isNegated = text.Take("^");
            var ranges = new List<(int First, int Last)>();
            while (!text.Take("]"))
            {
                var first = Character();
                var last = first;
                if (text.Next == '-' && text.Peek(1) != ']')
                {
                    text.At++;
                    last = Character();
                }

                ranges.Add(first <= last ? (first, last) : throw text.Error("a range of a class is out of order"));
            }

            var set = CodePointSet.Of(ranges.ToArray());
            return new RulePart.Terminal(writing.Of(isNegated ? set.Complement() : set));
        }

        private int Character()
        {
            if (!text.Take("\\"))
            {
                return text.TakeRune();
            }

            return text.TakeRune() switch
            {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'x' => text.TakeHexadecimal(2),
                'u' => text.TakeHexadecimal(4),
                'U' => text.TakeHexadecimal(8),
                var other and ('"' or '\\' or '[' or ']' or '-' or '^' or '/' or '.') => other,
                var other => throw text.Error($"'\\{new Rune(other)}' is no escape of GBNF"),
            };
        }
    }
}
