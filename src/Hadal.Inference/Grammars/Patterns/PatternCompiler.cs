namespace Hadal.Inference.Grammars.Patterns;

/// <summary>Turns a parsed pattern into an expression over bytes, in either of two readings: the whole text matches, or a match lies somewhere in it.</summary>
/// <remarks>What follows a node is known when the node is compiled (continuations), so that anchors and lookaheads become intersections with it.
/// What comes before is known as far as assertions need it: whether it is the start, a word character, or neither.</remarks>
internal sealed class PatternCompiler
{
    private const int StepsMax = 20_000;

    private enum Before
    {
        Start,
        Word,
        NonWord,
        Unknown,
    }

    private readonly TextWriting _writing;
    private readonly RegexPool _pool;
    private readonly string _pattern;
    private int _steps;

    private PatternCompiler(TextWriting writing, string pattern)
    {
        _writing = writing;
        _pool = writing.Pool;
        _pattern = pattern;
    }

    /// <summary>Texts that match as a whole.</summary>
    /// <exception cref="GrammarException">The pattern is malformed or uses what is not supported.</exception>
    public static ByteRegex Whole(string pattern, TextWriting writing)
    {
        var compiler = new PatternCompiler(writing, pattern);
        return compiler.Compile(PatternParser.Parse(pattern), ByteRegex.Empty, Before.Start);
    }

    /// <summary>Texts in which a match lies somewhere, as <c>pattern</c> of JSON Schema asks.</summary>
    /// <exception cref="GrammarException">The pattern is malformed or uses what is not supported.</exception>
    public static ByteRegex Search(string pattern, TextWriting writing)
    {
        var node = PatternParser.Parse(pattern);
        var compiler = new PatternCompiler(writing, pattern);
        if (!node.HasAssertion)
        {
            return compiler._pool.Concat(writing.AnyText, compiler._pool.Concat(compiler.Plain(node), writing.AnyText));
        }

        return compiler.SearchWithAssertions(node);
    }

    private ByteRegex SearchWithAssertions(PatternNode node)
    {
        if (!NeedsStart(node))
        {
            return _pool.Concat(_writing.AnyText, Compile(node, _writing.AnyText, Before.Unknown));
        }

        var atStart = Compile(node, _writing.AnyText, Before.Start);
        if (node is PatternNode.Start || (node is PatternNode.Sequence { Items: [PatternNode.Start, ..] }))
        {
            return atStart;
        }

        if (!HasWordBoundary(node))
        {
            var some = _pool.Concat(_writing.AnyText, _writing.AnyCharacter);
            return _pool.Or(atStart, _pool.Concat(some, Compile(node, _writing.AnyText, Before.Unknown)));
        }

        var afterWord = _pool.Concat(_pool.Concat(_writing.AnyText, Word), Compile(node, _writing.AnyText, Before.Word));
        var afterOther = _pool.Concat(_pool.Concat(_writing.AnyText, NonWord), Compile(node, _writing.AnyText, Before.NonWord));
        return _pool.Or(atStart, _pool.Or(afterWord, afterOther));
    }

    private ByteRegex Word => _writing.Of(CodePointSet.WordCharacters);

    private ByteRegex NonWord => _writing.Of(CodePointSet.WordCharacters.Complement());

    /// <summary>Texts of which the first part matches the node and the rest is in <paramref name="rest"/>.</summary>
    private ByteRegex Compile(PatternNode node, ByteRegex rest, Before before)
    {
        if (++_steps > StepsMax)
        {
            throw Error("its assertions lead to too many cases");
        }

        if (!node.HasAssertion)
        {
            return _pool.Concat(Plain(node), rest);
        }

        return node switch
        {
            PatternNode.Start => before == Before.Start ? rest : ByteRegex.Nothing,
            PatternNode.End => _pool.And(rest, ByteRegex.Empty),
            PatternNode.Lookahead look => Look(look, rest, before),
            PatternNode.WordBoundary boundary => Boundary(boundary.IsNegated, rest, before),
            PatternNode.Alternation choice => _pool.Or(choice.Options.Select(option => Compile(option, rest, before)).ToArray()),
            PatternNode.Sequence sequence => CompileSequence(sequence.Items, 0, rest, before),
            PatternNode.Repetition repetition => CompileRepetition(repetition, rest, before),
            _ => throw Error("an assertion that is not supported"),
        };
    }

    private ByteRegex Look(PatternNode.Lookahead look, ByteRegex rest, Before before)
    {
        var ahead = Compile(look.Item, _writing.AnyText, before);
        return _pool.And(rest, look.IsNegated ? _pool.Not(ahead) : ahead);
    }

    private ByteRegex Boundary(bool isNegated, ByteRegex rest, Before before)
    {
        if (before == Before.Unknown)
        {
            throw Error("a word boundary whose left side is not known cannot be enforced");
        }

        var wordAhead = _pool.Concat(Word, _writing.AnyText);
        return (before == Before.Word) == isNegated ? _pool.And(rest, wordAhead) : _pool.And(rest, _writing.Complement(wordAhead));
    }

    private ByteRegex CompileSequence(IReadOnlyList<PatternNode> items, int index, ByteRegex rest, Before before)
    {
        if (index == items.Count)
        {
            return rest;
        }

        var item = items[index];
        if (item.HasAssertion || !HasAssertionFrom(items, index + 1))
        {
            if (item.HasAssertion && item is not (PatternNode.Start or PatternNode.End or PatternNode.Lookahead or PatternNode.WordBoundary))
            {
                return Compile(item, CompileSequence(items, index + 1, rest, AfterComplex(items, index, before)), before);
            }

            return Compile(item, CompileSequence(items, index + 1, rest, before), before);
        }

        var plain = Plain(item);
        if (!item.IsNullable)
        {
            return _pool.Concat(plain, CompileSequence(items, index + 1, rest, Last(item)));
        }

        var some = _pool.And(plain, _pool.Not(ByteRegex.Empty));
        return _pool.Or(
            CompileSequence(items, index + 1, rest, before),
            _pool.Concat(some, CompileSequence(items, index + 1, rest, Last(item))));
    }

    /// <summary>What is known behind a group with assertions inside: nothing, which is refused where a later <c>^</c> or word boundary would need it.</summary>
    private Before AfterComplex(IReadOnlyList<PatternNode> items, int index, Before before)
    {
        if (items[index].IsNullable && before == Before.Start && items.Skip(index + 1).Any(NeedsStart))
        {
            throw Error("an anchor behind an optional group with assertions cannot be enforced");
        }

        return items[index].IsNullable && before != Before.Start ? Before.Unknown : Last(items[index]);
    }

    private ByteRegex CompileRepetition(PatternNode.Repetition repetition, ByteRegex rest, Before before)
    {
        if (repetition.Max is not (>= 0 and <= 1))
        {
            throw Error("a repeated group with assertions inside cannot be enforced");
        }

        if (repetition.Max == 0)
        {
            return rest;
        }

        var once = Compile(repetition.Item, rest, before);
        return repetition.Min == 0 ? _pool.Or(rest, once) : once;
    }

    /// <summary>The language of a node without assertions.</summary>
    private ByteRegex Plain(PatternNode node)
    {
        switch (node)
        {
            case PatternNode.Character character:
                return _writing.Of(character.Set);
            case PatternNode.Alternation choice:
                return _pool.Or(choice.Options.Select(Plain).ToArray());
            case PatternNode.Repetition repetition:
                return _pool.Repeat(Plain(repetition.Item), repetition.Min, repetition.Max);
            default:
                var items = ((PatternNode.Sequence)node).Items;
                var all = ByteRegex.Empty;
                for (var i = items.Count - 1; i >= 0; i--)
                {
                    all = _pool.Concat(Plain(items[i]), all);
                }

                return all;
        }
    }

    /// <summary>The kind of the last character of any non-empty text of the node, where it is always the same.</summary>
    private static Before Last(PatternNode node)
    {
        switch (node)
        {
            case PatternNode.Character character:
                return character.Set.Except(CodePointSet.WordCharacters).IsEmpty ? Before.Word
                    : character.Set.Intersect(CodePointSet.WordCharacters).IsEmpty ? Before.NonWord
                    : Before.Unknown;
            case PatternNode.Repetition repetition:
                return Last(repetition.Item);
            case PatternNode.Alternation choice:
                return Same(choice.Options.Select(Last));
            case PatternNode.Sequence sequence:
                var ends = new List<Before>();
                for (var i = sequence.Items.Count - 1; i >= 0; i--)
                {
                    if (sequence.Items[i] is PatternNode.Start or PatternNode.End or PatternNode.Lookahead or PatternNode.WordBoundary)
                    {
                        continue;
                    }

                    ends.Add(Last(sequence.Items[i]));
                    if (!sequence.Items[i].IsNullable)
                    {
                        break;
                    }
                }

                return Same(ends);
            default:
                return Before.Unknown;
        }
    }

    private static Before Same(IEnumerable<Before> kinds)
    {
        var distinct = kinds.Distinct().ToList();
        return distinct.Count == 1 ? distinct[0] : Before.Unknown;
    }

    private static bool HasAssertionFrom(IReadOnlyList<PatternNode> items, int index)
    {
        for (; index < items.Count; index++)
        {
            if (items[index].HasAssertion)
            {
                return true;
            }
        }

        return false;
    }

    private static bool HasWordBoundary(PatternNode node) => Any(node, n => n is PatternNode.WordBoundary);

    private static bool NeedsStart(PatternNode node) => Any(node, n => n is PatternNode.WordBoundary or PatternNode.Start);

    private static bool Any(PatternNode node, Func<PatternNode, bool> isSought) => node.HasAssertion && (isSought(node) || node switch
    {
        PatternNode.Sequence sequence => sequence.Items.Any(i => Any(i, isSought)),
        PatternNode.Alternation choice => choice.Options.Any(o => Any(o, isSought)),
        PatternNode.Repetition repetition => Any(repetition.Item, isSought),
        PatternNode.Lookahead look => Any(look.Item, isSought),
        _ => false,
    });

    private GrammarException Error(string message)
    {
        var shown = _pattern.Length <= 80 ? _pattern : string.Concat(_pattern.AsSpan(0, 80), "…");
        return new GrammarException($"regular expression '{shown}': {message}");
    }
}
