namespace Hadal.Inference.Grammars;

/// <summary>A part of a grammar under construction: a number that means something to the <see cref="GrammarBuilder"/> it came from. The default
/// value is <see cref="Nothing"/>.</summary>
public readonly record struct GrammarNode
{
    internal GrammarNode(int id) => Id = id;

    /// <summary>Derives nothing, not even the empty string.</summary>
    public static GrammarNode Nothing => new(0);

    /// <summary>Derives the empty string.</summary>
    public static GrammarNode Empty => new(1);

    internal int Id { get; }
}

/// <summary>Builds a context-free grammar whose terminals are regular expressions over bytes.</summary>
/// <remarks>
/// <para>A grammar is the exact set of byte strings it derives. There is no longest match and no hidden white space: where a lexeme may end or go on,
/// both are followed.</para>
/// <para>What makes masks fast: a lexeme whose end can be seen from its own bytes (a closing quotation mark, a bracket) costs least. White space
/// therefore belongs to the front of the lexeme that follows it (<c>\s*,</c>), never to its back. Short fixed pieces that follow each other
/// (a bracket, a key, its colon) are best joined into one lexeme; large expressions used in many places (a JSON string) are best lexemes of
/// their own, since equal lexemes are one.</para>
/// <para>A node may be used many times; what it derives is then compiled once. A builder is for one thread.</para>
/// </remarks>
public sealed class GrammarBuilder
{
    private readonly GrammarLimits _limits;
    private readonly List<NodeShape> _nodes = [];
    private readonly List<int> _children = [];
    private readonly Dictionary<int, int> _lexemeNodes = [];
    private readonly Dictionary<string, int> _ruleNodes = [];
    private readonly List<(string Name, int Body)> _rules = [];
    private readonly List<MemberSet> _memberSets = [];

    /// <summary>Starts a grammar.</summary>
    /// <param name="limits">What the grammar may cost, while it is built and later; the defaults where null.</param>
    public GrammarBuilder(GrammarLimits? limits = null)
    {
        _limits = limits ?? GrammarLimits.Default;
        Regexes = new RegexPool(_limits);
        Add(new NodeShape(NodeKind.Choice, 0, 0, 0));
        Add(new NodeShape(NodeKind.Sequence, 0, 0, 0));
    }

    /// <summary>Makes the regular expressions of this grammar's lexemes.</summary>
    public RegexPool Regexes { get; }

    /// <summary>Derives what a regular expression matches.</summary>
    /// <param name="regex">An expression of <see cref="Regexes"/>.</param>
    public GrammarNode Lexeme(ByteRegex regex)
    {
        if (regex.Id == RegexPool.NothingId) return GrammarNode.Nothing;
        if (regex.Id == RegexPool.EmptyId) return GrammarNode.Empty;
        if (!_lexemeNodes.TryGetValue(regex.Id, out var node))
        {
            Regexes.IsNullable(regex);
            node = Add(new NodeShape(NodeKind.Lexeme, regex.Id, 0, 0)).Id;
            _lexemeNodes.Add(regex.Id, node);
        }
        return new GrammarNode(node);
    }

    /// <summary>Derives exactly this text in UTF-8.</summary>
    /// <param name="text">The text.</param>
    public GrammarNode Literal(string text) => Lexeme(Regexes.Literal(text));

    /// <summary>Derives the parts one after the other.</summary>
    /// <param name="parts">The parts; none give <see cref="GrammarNode.Empty"/>.</param>
    public GrammarNode Sequence(params ReadOnlySpan<GrammarNode> parts) => parts.Length == 1 ? Check(parts[0]) : AddParent(NodeKind.Sequence, parts);

    /// <summary>Derives what any of the alternatives derives.</summary>
    /// <param name="alternatives">The alternatives; none give <see cref="GrammarNode.Nothing"/>.</param>
    public GrammarNode Choice(params ReadOnlySpan<GrammarNode> alternatives) =>
        alternatives.Length == 1 ? Check(alternatives[0]) : AddParent(NodeKind.Choice, alternatives);

    /// <summary>Derives what the node derives, some number of times. Bounds are counters; they are never written out.</summary>
    /// <param name="node">The node.</param>
    /// <param name="min">Least number.</param>
    /// <param name="max">Largest number; null for any.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="min"/> is negative or above <paramref name="max"/>.</exception>
    public GrammarNode Repeat(GrammarNode node, int min = 0, int? max = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(min);
        if (max is { } bound) ArgumentOutOfRangeException.ThrowIfGreaterThan(min, bound);
        Check(node);
        if (max == 0) return GrammarNode.Empty;
        return min == 1 && max == 1 ? node : Add(new NodeShape(NodeKind.Repeat, node.Id, min, max ?? RegexPool.Unbounded));
    }

    /// <summary>Derives what the node derives, or the empty string.</summary>
    /// <param name="node">The node.</param>
    public GrammarNode Optional(GrammarNode node) => Repeat(node, 0, 1);

    /// <summary>Derives members in any order: each of some at most once, and others any number of times.</summary>
    /// <param name="members">Members that stand at most once: as the first of all, behind others, and whether it must be there.</param>
    /// <param name="others">Members that may stand any number of times: as the first of all, and behind others.</param>
    /// <param name="min">Least number of all together.</param>
    /// <param name="max">Largest number; null for any.</param>
    /// <remarks>What was seen is a part of the parser's items, so that only sets that texts have led to cost anything. No member may derive the empty
    /// string, and where <paramref name="min"/> asks for two members or more that are not required, each must derive something.</remarks>
    internal GrammarNode Members(
        IReadOnlyList<(GrammarNode First, GrammarNode Next, bool IsRequired)> members, IReadOnlyList<(GrammarNode First, GrammarNode Next)> others, int min, int? max)
    {
        var firsts = members.Select(member => Check(member.First).Id).Concat(others.Select(other => Check(other.First).Id)).ToArray();
        var nexts = members.Select(member => Check(member.Next).Id).Concat(others.Select(other => Check(other.Next).Id)).ToArray();
        var required = members.Where(member => member.IsRequired).Select(member => member.Next).ToArray();
        if (max < Math.Max(min, required.Length)) return GrammarNode.Nothing;
        if (others.Count == 0 && members.Count < min) return GrammarNode.Nothing;
        if (firsts.Length == 0) return GrammarNode.Empty;

        // Stands for the whole where it is asked whether it derives anything, and whether it derives the empty string.
        var more = Choice([.. members.Where(member => !member.IsRequired).Select(member => member.Next), .. others.Select(other => other.Next)]);
        var shortest = min > required.Length ? Sequence([.. required, more]) : Sequence(required);
        _memberSets.Add(new MemberSet(firsts, nexts, [.. members.Select(member => member.IsRequired)], min, max ?? RegexPool.Unbounded));
        return Add(new NodeShape(NodeKind.Members, shortest.Id, _memberSets.Count - 1, 0));
    }

    /// <summary>The rule of a name, which may be used before it is defined, and in its own definition.</summary>
    /// <param name="name">Name, as error messages show it.</param>
    public GrammarNode Rule(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!_ruleNodes.TryGetValue(name, out var node))
        {
            if (_rules.Count >= _limits.MaxRules) throw GrammarException.Limit("rules", _limits.MaxRules, nameof(GrammarLimits.MaxRules));
            node = Add(new NodeShape(NodeKind.Rule, _rules.Count, 0, 0)).Id;
            _rules.Add((name, -1));
            _ruleNodes.Add(name, node);
        }
        return new GrammarNode(node);
    }

    /// <summary>True if the rule has been defined.</summary>
    /// <param name="name">Name of the rule.</param>
    public bool IsDefined(string name) => _ruleNodes.TryGetValue(name, out var node) && _rules[_nodes[node].A].Body >= 0;

    /// <summary>Defines a rule.</summary>
    /// <param name="rule">A node that <see cref="Rule"/> gave.</param>
    /// <param name="body">What it derives.</param>
    /// <exception cref="ArgumentException"><paramref name="rule"/> is no rule, or has been defined before.</exception>
    public void Define(GrammarNode rule, GrammarNode body)
    {
        Check(body);
        var shape = _nodes[Check(rule).Id];
        if (shape.Kind != NodeKind.Rule) throw new ArgumentException("only a rule can be defined", nameof(rule));
        var (name, old) = _rules[shape.A];
        if (old >= 0) throw new ArgumentException($"rule '{name}' is defined twice", nameof(rule));
        _rules[shape.A] = (name, body.Id);
    }

    /// <summary>Makes the grammar, which takes over the expressions: the builder is not to be used afterwards.</summary>
    /// <param name="root">What it derives.</param>
    /// <exception cref="GrammarException">A rule that is used is not defined, the grammar derives nothing at all, or a limit was passed.</exception>
    public Grammar Build(GrammarNode root) => new GrammarCompiler(_limits, Regexes, _nodes, _children, _rules, _memberSets).Compile(Check(root).Id);

    private GrammarNode AddParent(NodeKind kind, ReadOnlySpan<GrammarNode> children)
    {
        if (children.Length == 0) return kind == NodeKind.Choice ? GrammarNode.Nothing : GrammarNode.Empty;
        foreach (var child in children) Check(child);
        var first = _children.Count;
        foreach (var child in children) _children.Add(child.Id);
        return Add(new NodeShape(kind, first, children.Length, 0));
    }

    private GrammarNode Add(NodeShape shape)
    {
        if (_nodes.Count + _children.Count >= _limits.MaxNodes) throw GrammarException.Limit("nodes", _limits.MaxNodes, nameof(GrammarLimits.MaxNodes));
        _nodes.Add(shape);
        return new GrammarNode(_nodes.Count - 1);
    }

    private GrammarNode Check(GrammarNode node) =>
        (uint)node.Id < (uint)_nodes.Count ? node : throw new ArgumentException($"node {node.Id} is not of this builder, which has {_nodes.Count}", nameof(node));
}

/// <summary>What a node is.</summary>
internal enum NodeKind : byte
{
    /// <summary>A: regular expression.</summary>
    Lexeme,

    /// <summary>A: first child; B: number of children.</summary>
    Sequence,

    /// <summary>As for <see cref="Sequence"/>.</summary>
    Choice,

    /// <summary>A: node; B: least number; C: largest, or <see cref="RegexPool.Unbounded"/>.</summary>
    Repeat,

    /// <summary>A: rule.</summary>
    Rule,

    /// <summary>A: node that stands for the shortest derivations; B: index of the <see cref="MemberSet"/>.</summary>
    Members,
}

/// <summary>A node.</summary>
internal readonly record struct NodeShape(NodeKind Kind, int A, int B, int C);

/// <summary>Members in any order, as nodes: those that stand at most once, then those that may stand any number of times.</summary>
/// <param name="Firsts">Each as the first of all.</param>
/// <param name="Nexts">Each behind others.</param>
/// <param name="Required">For those that stand at most once: whether they must be there.</param>
/// <param name="Min">Least number of all together.</param>
/// <param name="Max">Largest number, or <see cref="RegexPool.Unbounded"/>.</param>
internal sealed record MemberSet(int[] Firsts, int[] Nexts, bool[] Required, int Min, int Max);
