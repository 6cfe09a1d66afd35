using CsCheck;
using Hadal.Inference.Grammars;

namespace Hadal.Inference.Tests.Grammars;

/// <summary>A grammar as a tree with named rules, with its meaning by definition: the strings it derives, shortest first.</summary>
internal sealed record GrammarShape(GrammarShape.Node[] Rules)
{
    public abstract record Node;

    public sealed record Terminal(RegexShape Regex) : Node;

    public sealed record Joined(Node First, Node Second) : Node;

    public sealed record Either(Node First, Node Second) : Node;

    public sealed record Times(Node Inner, int Min, int? Max) : Node;

    public sealed record Use(int Rule) : Node;

    /// <summary>Grammars of three rules over a, b and c; rule 0 is the root.</summary>
    public static Gen<GrammarShape> Any { get; } = Nodes(3).Array[3].Select(rules => new GrammarShape(rules));

    public override string ToString() => string.Join("; ", Rules.Select((rule, index) => $"r{index}: {rule}"));

    public Grammar Build(GrammarLimits? limits = null)
    {
        var builder = new GrammarBuilder(limits);
        var rules = Enumerable.Range(0, Rules.Length).Select(i => builder.Rule($"r{i}")).ToArray();
        for (var i = 0; i < rules.Length; i++) builder.Define(rules[i], Add(builder, rules, Rules[i]));
        return builder.Build(rules[0]);
    }

    /// <summary>The derived strings up to a length.</summary>
    public HashSet<string> Language(int length)
    {
        var all = RegexShape.Strings(length).ToArray();
        var rules = Rules.Select(_ => new HashSet<string>()).ToArray();
        for (var changed = true; changed;)
        {
            changed = false;
            for (var i = 0; i < Rules.Length; i++)
            {
                var found = Derive(Rules[i], rules, all, length);
                changed |= found.Count > rules[i].Count;
                rules[i] = found;
            }
        }
        return rules[0];
    }

    private static Gen<Node> Nodes(int depth)
    {
        var use = Gen.Int[0, 2].Select(rule => (Node)new Use(rule));
        var terminal = RegexShape.Plain(1).Select(regex => (Node)new Terminal(regex));
        if (depth == 0) return Gen.OneOf(terminal, terminal, use);
        var inner = Nodes(depth - 1);
        var pair = Gen.Select(inner, inner);
        var joined = pair.Select((first, second) => (Node)new Joined(first, second));
        var either = pair.Select((first, second) => (Node)new Either(first, second));
        var times = Gen.Select(inner, Gen.Int[0, 3], Gen.Int[0, 3]).Select((of, min, more) => (Node)new Times(of, min, more == 3 ? null : min + more));
        return Gen.OneOf(terminal, use, joined, joined, either, either, times);
    }

    private static GrammarNode Add(GrammarBuilder builder, GrammarNode[] rules, Node node) => node switch
    {
        Terminal terminal => builder.Lexeme(terminal.Regex.In(builder.Regexes)),
        Joined joined => builder.Sequence(Add(builder, rules, joined.First), Add(builder, rules, joined.Second)),
        Either either => builder.Choice(Add(builder, rules, either.First), Add(builder, rules, either.Second)),
        Times times => builder.Repeat(Add(builder, rules, times.Inner), times.Min, times.Max),
        Use use => rules[use.Rule],
        _ => throw new InvalidOperationException(),
    };

    private static HashSet<string> Derive(Node node, HashSet<string>[] rules, string[] all, int length) => node switch
    {
        Terminal terminal => [.. all.Where(terminal.Regex.Matches)],
        Joined joined => Join(Derive(joined.First, rules, all, length), Derive(joined.Second, rules, all, length), length),
        Either either => [.. Derive(either.First, rules, all, length), .. Derive(either.Second, rules, all, length)],
        Times times => Repeat(Derive(times.Inner, rules, all, length), times, length),
        Use use => rules[use.Rule],
        _ => throw new InvalidOperationException(),
    };

    private static HashSet<string> Repeat(HashSet<string> inner, Times times, int length)
    {
        HashSet<string> power = [""];
        for (var count = 0; count < times.Min; count++) power = Join(power, inner, length);
        var result = new HashSet<string>(power);
        for (var count = times.Min; count < (times.Max ?? times.Min + length + 1); count++)
        {
            power = Join(power, inner, length);
            result.UnionWith(power);
        }
        return result;
    }

    private static HashSet<string> Join(HashSet<string> first, HashSet<string> second, int length) =>
        [.. first.SelectMany(a => second.Where(b => a.Length + b.Length <= length).Select(b => a + b))];
}
