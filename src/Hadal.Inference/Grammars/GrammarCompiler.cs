namespace Hadal.Inference.Grammars;

/// <summary>Turns the nodes of a builder into rules.</summary>
/// <remarks>What is used once becomes part of its user, so that a grammar without recursion is one automaton; what is used more often becomes a
/// rule of its own. A rule that ends by calling itself jumps to its start instead.</remarks>
internal sealed class GrammarCompiler
{
    /// <summary>Nodes of at most this size are copied into their users.</summary>
    private const int MaxCopiedSize = 6;

    /// <summary>What is nested deeper becomes a rule of its own.</summary>
    private const int MaxInlineDepth = 100;

    private readonly GrammarLimits _limits;
    private readonly RegexPool _regexes;
    private readonly List<NodeShape> _nodes;
    private readonly List<int> _children;
    private readonly List<(string Name, int Body)> _ruleBodies;
    private readonly List<MemberSet> _memberSets;
    private readonly List<MemberRule> _memberRules = [];
    private readonly List<Position> _positions = [];
    private readonly List<int> _targets = [];
    private readonly List<Bounds> _bounds = [];
    private readonly List<int> _lexemes = [];
    private readonly Dictionary<int, int> _lexemeOf = [];
    private readonly List<int> _ruleStarts = [];
    private readonly List<bool> _ruleNullable = [];
    private readonly Dictionary<(int Node, bool Counted), int> _ruleOf = [];
    private readonly Queue<(int Node, bool Counted, int Rule)> _pending = [];
    private readonly int[] _uses;
    private readonly int[] _sizes;
    private bool[] _productive = [];
    private bool[] _nullable = [];
    private int _rule;
    private int _end;

    public GrammarCompiler(GrammarLimits limits, RegexPool regexes, List<NodeShape> nodes, List<int> children, List<(string Name, int Body)> ruleBodies, List<MemberSet> memberSets)
    {
        (_limits, _regexes, _nodes, _children, _ruleBodies, _memberSets) = (limits, regexes, nodes, children, ruleBodies, memberSets);
        _uses = new int[nodes.Count];
        _sizes = new int[nodes.Count];
    }

    public Grammar Compile(int root)
    {
        CountUses(root);
        _productive = Fixpoint(node => _regexes.IsNothing(node.A) ? int.MaxValue : 0);
        if (!_productive[root]) throw GrammarException.Nothing();
        _nullable = Fixpoint(node => _regexes[node.A].Nullable ? 0 : int.MaxValue);

        Emit(new Position(PositionKind.Call, RuleFor(Resolve(root), counted: false), 1));
        Emit(new Position(PositionKind.Accept));
        while (_pending.TryDequeue(out var next)) CompileRule(next.Node, next.Counted, next.Rule);
        return new Grammar(_limits, _regexes, new GrammarProgram
        {
            Positions = [.. _positions],
            Targets = [.. _targets],
            Bounds = [.. _bounds],
            Members = [.. _memberRules],
            RuleStarts = [.. _ruleStarts],
            RuleNullable = [.. _ruleNullable],
            Lexemes = [.. _lexemes],
        });
    }

    /// <summary>Counts how often every node is used by nodes that the root reaches; a rule is its body.</summary>
    private void CountUses(int root)
    {
        var pending = new Stack<int>([Resolve(root)]);
        _uses[pending.Peek()] = 1;
        while (pending.TryPop(out var id))
            foreach (var child in _nodes[id].Kind == NodeKind.Members ? MembersOf(id) : ChildrenOf(id))
                if (Resolve(child) is var node && _uses[node]++ == 0) pending.Push(node);
        for (var id = 0; id < _nodes.Count; id++) _sizes[id] = SizeOf(id);
    }

    /// <summary>Children have smaller numbers than their parents; a rule counts as too large to copy.</summary>
    private int SizeOf(int id)
    {
        if (_nodes[id].Kind is NodeKind.Rule or NodeKind.Members) return MaxCopiedSize + 1;
        var size = 1;
        foreach (var child in ChildrenOf(id)) size = Math.Min(size + _sizes[child], MaxCopiedSize + 1);
        return size;
    }

    /// <summary>The members, and the node that stands for the whole.</summary>
    private int[] MembersOf(int id)
    {
        var set = _memberSets[_nodes[id].B];
        return [_nodes[id].A, .. set.Firsts, .. set.Nexts];
    }

    private ReadOnlySpan<int> ChildrenOf(int id)
    {
        var node = _nodes[id];
        return node.Kind switch
        {
            NodeKind.Sequence or NodeKind.Choice => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_children).Slice(node.A, node.B),
            NodeKind.Repeat or NodeKind.Members => new[] { node.A },
            NodeKind.Rule => new[] { _ruleBodies[node.A].Body },
            _ => [],
        };
    }

    /// <summary>The node behind names; a rule that is only another name of itself derives nothing.</summary>
    private int Resolve(int id)
    {
        for (var steps = 0; _nodes[id].Kind == NodeKind.Rule; steps++)
        {
            var (name, body) = _ruleBodies[_nodes[id].A];
            if (body < 0) throw new GrammarException($"rule '{name}' is used but not defined");
            if (steps > _ruleBodies.Count) return GrammarNode.Nothing.Id;
            id = body;
        }
        return id;
    }

    /// <summary>The least set of nodes that holds those lexemes whose need is 0, sequences whose parts it holds, choices of which it holds one.</summary>
    private bool[] Fixpoint(Func<NodeShape, int> needOfLexeme)
    {
        var holds = new bool[_nodes.Count];
        var needs = new int[_nodes.Count];
        var users = new List<int>[_nodes.Count];
        var pending = new Stack<int>();
        for (var id = 0; id < _nodes.Count; id++)
        {
            var node = _nodes[id];
            if (_uses[id] == 0 && node.Kind != NodeKind.Rule) continue;
            if (node.Kind == NodeKind.Rule && _ruleBodies[node.A].Body < 0) continue;
            needs[id] = node.Kind switch
            {
                NodeKind.Lexeme => needOfLexeme(node),
                NodeKind.Sequence => node.B,
                NodeKind.Repeat => node.B == 0 ? 0 : 1,
                _ => 1,
            };
            foreach (var child in ChildrenOf(id)) (users[child] ??= []).Add(id);
            if (needs[id] == 0) pending.Push(id);
        }
        while (pending.TryPop(out var id))
        {
            if (holds[id]) continue;
            holds[id] = true;
            if (users[id] is null) continue;
            foreach (var user in users[id])
                if (!holds[user] && --needs[user] <= 0) pending.Push(user);
        }
        return holds;
    }

    private int RuleFor(int node, bool counted)
    {
        if (_ruleOf.TryGetValue((node, counted), out var rule)) return rule;
        rule = _ruleStarts.Count;
        if (rule >= _limits.MaxRules) throw GrammarException.Limit("rules", _limits.MaxRules, nameof(GrammarLimits.MaxRules));
        _ruleStarts.Add(-1);
        _ruleNullable.Add(_nullable[node]);
        _ruleOf.Add((node, counted), rule);
        _pending.Enqueue((node, counted, rule));
        return rule;
    }

    private void CompileRule(int node, bool counted, int rule)
    {
        _rule = rule;
        if (counted && _nodes[node].Kind == NodeKind.Members)
        {
            CompileMembers(_memberSets[_nodes[node].B], rule);
            return;
        }
        if (counted)
        {
            var repeat = _nodes[node];
            var body = Resolve(repeat.A);
            _bounds.Add(new Bounds(_nullable[body] ? 0 : repeat.B, repeat.C));
            _ruleStarts[rule] = Emit(new Position(PositionKind.Counted, RuleFor(body, counted: false), _bounds.Count - 1, rule));
            return;
        }
        _end = Emit(new Position(PositionKind.End, rule));
        var start = Emit(new Position(PositionKind.Split, _targets.Count, 1));
        _targets.Add(-1);
        _ruleStarts[rule] = start;
        _targets[_positions[start].A] = EmitBody(node, _end, 0);
    }

    /// <summary>One position for what has been seen, and behind it one for each member; what can never end is left out.</summary>
    private void CompileMembers(MemberSet set, int rule)
    {
        var start = Emit(new Position(PositionKind.Members, _memberRules.Count, 0, rule));
        _ruleStarts[rule] = start;
        var (firsts, nexts) = (new int[set.Firsts.Length], new int[set.Firsts.Length]);
        for (var index = 0; index < firsts.Length; index++)
        {
            firsts[index] = EmitMember(set.Firsts[index], index);
            nexts[index] = EmitMember(set.Nexts[index], index);
        }
        _memberRules.Add(new MemberRule(start, firsts, nexts, set.Required, set.Min, set.Max));

        int EmitMember(int node, int index) => _productive[node] ? Emit(new Position(PositionKind.Member, RuleFor(Resolve(node), counted: false), _memberRules.Count, index)) : -1;
    }

    /// <summary>Emits a node that goes on at <paramref name="next"/>; gives the position it starts at.</summary>
    private int EmitNode(int id, int next, int depth)
    {
        var node = Resolve(id);
        var kind = _nodes[node].Kind;
        var copied = kind == NodeKind.Lexeme || (depth < MaxInlineDepth && (_uses[node] == 1 || _sizes[node] <= MaxCopiedSize));
        if (copied) return EmitBody(node, next, depth);
        var rule = RuleFor(node, counted: false);
        return rule == _rule && next == _end ? _ruleStarts[rule] : Emit(new Position(PositionKind.Call, rule, next));
    }

    private int EmitBody(int node, int next, int depth)
    {
        var shape = _nodes[node];
        switch (shape.Kind)
        {
            case NodeKind.Lexeme:
                var terminal = Emit(new Position(PositionKind.Terminal, LexemeOf(shape.A), next));
                return _regexes[shape.A].Nullable ? EmitSplit([terminal, next]) : terminal;
            case NodeKind.Sequence:
                for (var index = shape.B - 1; index >= 0; index--) next = EmitNode(_children[shape.A + index], next, depth + 1);
                return next;
            case NodeKind.Choice:
                return EmitChoice(shape, next, depth);
            case NodeKind.Members:
                return Emit(new Position(PositionKind.Call, RuleFor(node, counted: true), next));
            default:
                return EmitRepeat(node, shape, next, depth);
        }
    }

    private int EmitChoice(NodeShape shape, int next, int depth)
    {
        var entries = new List<int>(shape.B);
        for (var index = 0; index < shape.B; index++)
            if (_children[shape.A + index] is var child && _productive[child]) entries.Add(EmitNode(child, next, depth + 1));
        return entries.Count == 1 ? entries[0] : EmitSplit(entries);
    }

    private int EmitRepeat(int node, NodeShape shape, int next, int depth)
    {
        var (min, max) = (shape.B, shape.C);
        if (!_productive[shape.A]) return next;
        if (min == 0 && max == 1) return EmitSplit([EmitNode(shape.A, next, depth + 1), next]);
        if (max != RegexPool.Unbounded || min > 1) return Emit(new Position(PositionKind.Call, RuleFor(node, counted: true), next));

        var loop = Emit(new Position(PositionKind.Split, _targets.Count, 2));
        _targets.AddRange([-1, next]);
        var body = EmitNode(shape.A, loop, depth + 1);
        _targets[_positions[loop].A] = body;
        return min == 0 ? loop : body;
    }

    private int EmitSplit(List<int> targets)
    {
        _targets.AddRange(targets);
        return Emit(new Position(PositionKind.Split, _targets.Count - targets.Count, targets.Count));
    }

    private int LexemeOf(int term)
    {
        if (_lexemeOf.TryGetValue(term, out var lexeme)) return lexeme;
        lexeme = _lexemes.Count;
        _lexemes.Add(term);
        _lexemeOf.Add(term, lexeme);
        return lexeme;
    }

    private int Emit(Position position)
    {
        if (_positions.Count >= _limits.MaxNodes) throw GrammarException.Limit("nodes", _limits.MaxNodes, nameof(GrammarLimits.MaxNodes));
        _positions.Add(position);
        return _positions.Count - 1;
    }
}
