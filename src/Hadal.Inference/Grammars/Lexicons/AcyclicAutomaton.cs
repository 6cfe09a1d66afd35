namespace Hadal.Inference.Grammars.Lexicons;

/// <summary>A minimal automaton of a finite set of byte strings, built from them in order.</summary>
internal sealed class AcyclicAutomaton
{
    private sealed class State
    {
        public List<(byte Label, State Target)> Edges { get; } = [];

        public bool IsFinal { get; set; }

        /// <summary>Number among the states that are kept; -1 while the state may still change.</summary>
        public int Number { get; set; } = -1;

        /// <summary>Strings that lead from here to a final state.</summary>
        public int Count { get; set; }
    }

    /// <summary>States are equal if they are final or not alike and have the same edges to the same kept states.</summary>
    private sealed class Equivalence : IEqualityComparer<State>
    {
        public bool Equals(State? x, State? y)
        {
            if (x!.IsFinal != y!.IsFinal || x.Edges.Count != y.Edges.Count)
            {
                return false;
            }

            for (var i = 0; i < x.Edges.Count; i++)
            {
                if (x.Edges[i].Label != y.Edges[i].Label || x.Edges[i].Target != y.Edges[i].Target)
                {
                    return false;
                }
            }

            return true;
        }

        public int GetHashCode(State state)
        {
            var hash = new HashCode();
            hash.Add(state.IsFinal);
            foreach (var (label, target) in state.Edges)
            {
                hash.Add(label);
                hash.Add(target.Number);
            }

            return hash.ToHashCode();
        }
    }

    private readonly State _root = new();
    private readonly Dictionary<State, State> _kept = new(new Equivalence());
    private readonly List<State> _order = [];
    private byte[] _last = [];

    /// <summary>Number of states.</summary>
    public int StateCount => _order.Count;

    /// <summary>Adds a string that comes after all before it.</summary>
    public void Add(byte[] text)
    {
        var common = text.AsSpan().CommonPrefixLength(_last);
        var path = new List<State> { _root };
        for (var i = 0; i < _last.Length; i++)
        {
            path.Add(path[i].Edges[^1].Target);
        }

        Keep(path, common);
        var state = path[common];
        foreach (var label in text.AsSpan(common))
        {
            var next = new State();
            state.Edges.Add((label, next));
            state = next;
        }

        state.IsFinal = true;
        _last = text;
    }

    /// <summary>Ends the building.</summary>
    public void Finish()
    {
        var path = new List<State> { _root };
        for (var i = 0; i < _last.Length; i++)
        {
            path.Add(path[i].Edges[^1].Target);
        }

        Keep(path, 0);
        Number(_root);
    }

    /// <summary>The place of a string among all, in order; -1 where it is none of them.</summary>
    public int IndexOf(ReadOnlySpan<byte> text)
    {
        var state = _root;
        var index = 0;
        foreach (var label in text)
        {
            index += state.IsFinal ? 1 : 0;
            State? next = null;
            foreach (var (edge, target) in state.Edges)
            {
                if (edge == label)
                {
                    next = target;
                    break;
                }

                index += target.Count;
            }

            if (next is null)
            {
                return -1;
            }

            state = next;
        }

        return state.IsFinal ? index : -1;
    }

    /// <summary>The strings as an expression; every state becomes one, so that what they share is written once.</summary>
    public ByteRegex ToRegex(RegexPool regexes, bool inJsonString)
    {
        var made = new ByteRegex[_order.Count];
        foreach (var state in _order)
        {
            var options = new ByteRegex[state.Edges.Count + (state.IsFinal ? 1 : 0)];
            for (var i = 0; i < state.Edges.Count; i++)
            {
                var (label, target) = state.Edges[i];
                var symbol = inJsonString && label is (byte)'"' or (byte)'\\' ? regexes.Literal([(byte)'\\', label]) : regexes.Bytes(ByteSet.Of(label));
                options[i] = regexes.Concat(symbol, made[target.Number]);
            }

            if (state.IsFinal)
            {
                options[^1] = ByteRegex.Empty;
            }

            made[state.Number] = regexes.Or(options);
        }

        return made[_root.Number];
    }

    /// <summary>Replaces the states of a path behind an index, from its end on, by those that are kept and equal.</summary>
    private void Keep(List<State> path, int from)
    {
        for (var i = path.Count - 1; i > from; i--)
        {
            var state = path[i];
            if (_kept.TryGetValue(state, out var equal))
            {
                var edges = path[i - 1].Edges;
                edges[^1] = (edges[^1].Label, equal);
            }
            else
            {
                Number(state);
                _kept.Add(state, state);
            }
        }
    }

    /// <summary>Numbers a state whose targets are numbered.</summary>
    private void Number(State state)
    {
        state.Number = _order.Count;
        state.Count = (state.IsFinal ? 1 : 0) + state.Edges.Sum(e => e.Target.Count);
        _order.Add(state);
    }
}
