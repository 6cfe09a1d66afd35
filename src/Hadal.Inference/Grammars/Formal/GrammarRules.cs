namespace Hadal.Inference.Grammars.Formal;

/// <summary>A part of a rule, as a grammar file has it.</summary>
internal abstract record RulePart
{
    /// <summary>What an expression matches.</summary>
    public sealed record Terminal(ByteRegex Regex) : RulePart;

    /// <summary>Another rule, and the index in the text at which it is named.</summary>
    public sealed record Reference(string Name, int At) : RulePart;

    /// <summary>One after the other.</summary>
    public sealed record Sequence(IReadOnlyList<RulePart> Parts) : RulePart;

    /// <summary>Any of them.</summary>
    public sealed record Choice(IReadOnlyList<RulePart> Options) : RulePart;

    /// <summary>Some number of times.</summary>
    public sealed record Repetition(RulePart Part, int Min, int? Max) : RulePart;

    /// <summary>A node that was built elsewhere.</summary>
    public sealed record Built(GrammarNode Node) : RulePart;
}

/// <summary>Puts the rules of a grammar file together. Terminals that stand together become one lexeme.</summary>
internal sealed class GrammarRules(GrammarText text, GrammarBuilder builder)
{
    private readonly Dictionary<string, RulePart> _rules = new(StringComparer.Ordinal);

    /// <summary>Adds a rule; false if its name is taken.</summary>
    public bool Add(string name, RulePart body) => _rules.TryAdd(name, body);

    /// <summary>Whether a rule has that name.</summary>
    public bool Has(string name) => _rules.ContainsKey(name);

    /// <summary>Makes the grammar.</summary>
    /// <param name="start">Name of the rule that is the whole.</param>
    /// <param name="behind">What may follow it.</param>
    /// <exception cref="GrammarException">A rule is missing.</exception>
    public Grammar Build(string start, ByteRegex behind)
    {
        if (!Has(start))
        {
            throw new GrammarException($"grammar has no rule '{start}', which has to be the whole");
        }

        foreach (var (name, body) in _rules)
        {
            builder.Define(builder.Rule(name), Node(Joined(body)));
        }

        return builder.Build(builder.Sequence(builder.Rule(start), builder.Lexeme(behind)));
    }

    private GrammarNode Node(RulePart part)
    {
        switch (part)
        {
            case RulePart.Terminal terminal:
                return builder.Lexeme(terminal.Regex);
            case RulePart.Reference reference:
                return Has(reference.Name) ? builder.Rule(reference.Name) : throw text.Error($"uses the rule '{reference.Name}', which the grammar does not define", reference.At);
            case RulePart.Sequence sequence:
                return builder.Sequence(sequence.Parts.Select(Node).ToArray());
            case RulePart.Choice choice:
                return builder.Choice(choice.Options.Select(Node).ToArray());
            case RulePart.Built built:
                return built.Node;
            default:
                var repetition = (RulePart.Repetition)part;
                return builder.Repeat(Node(repetition.Part), repetition.Min, repetition.Max);
        }
    }

    /// <summary>The part with terminals joined as far as no rule stands between them.</summary>
    private RulePart Joined(RulePart part)
    {
        var regexes = builder.Regexes;
        switch (part)
        {
            case RulePart.Sequence sequence:
                var parts = new List<RulePart>();
                foreach (var item in sequence.Parts.Select(Joined))
                {
                    if (item is RulePart.Terminal next && parts.Count > 0 && parts[^1] is RulePart.Terminal last)
                    {
                        parts[^1] = new RulePart.Terminal(regexes.Concat(last.Regex, next.Regex));
                    }
                    else
                    {
                        parts.Add(item);
                    }
                }

                return parts.Count == 1 ? parts[0] : parts.Count == 0 ? new RulePart.Terminal(ByteRegex.Empty) : new RulePart.Sequence(parts);
            case RulePart.Choice choice:
                var options = choice.Options.Select(Joined).ToList();
                return options.TrueForAll(o => o is RulePart.Terminal)
                    ? new RulePart.Terminal(regexes.Or(options.Select(o => ((RulePart.Terminal)o).Regex).ToArray()))
                    : new RulePart.Choice(options);
            case RulePart.Repetition repetition:
                var inner = Joined(repetition.Part);
                return inner is RulePart.Terminal repeated
                    ? new RulePart.Terminal(regexes.Repeat(repeated.Regex, repetition.Min, repetition.Max))
                    : new RulePart.Repetition(inner, repetition.Min, repetition.Max);
            default:
                return part;
        }
    }
}
