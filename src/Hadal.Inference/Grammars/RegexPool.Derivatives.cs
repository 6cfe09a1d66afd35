namespace Hadal.Inference.Grammars;

/// <content>Derivatives, emptiness, and the bytes that a term tells apart.</content>
public sealed partial class RegexPool
{
    private readonly LongMap _derivatives = new();
    private readonly Dictionary<int, bool> _isNothing = [];
    private readonly ByteClasses _searchClasses = new();

    /// <summary>What may follow the byte.</summary>
    internal int Derivative(int id, byte value)
    {
        if (!_terms[id].First.Contains(value)) return NothingId;
        var kind = _terms[id].Kind;
        if (kind == TermKind.Set) return EmptyId;
        if (kind == TermKind.Concat && _terms[_terms[id].A].Kind == TermKind.Set) return _terms[id].B;

        var key = (long)id << 8 | value;
        var known = _derivatives.Find(key);
        if (known >= 0) return known;
        Steps.Spend(StepBudget.Term);
        var derivative = kind switch
        {
            TermKind.Concat => ConcatDerivative(id, value),
            TermKind.Or or TermKind.And => ChildrenDerivative(id, value),
            TermKind.Not => NotTerm(Derivative(_terms[id].A, value)),
            TermKind.Automaton => AutomatonTerm(_terms[id].A, _automata[_terms[id].A].Next(_terms[id].B, value)),
            _ => RepeatDerivative(_terms[id], value),
        };
        _derivatives.Add(key, derivative);
        return derivative;
    }

    /// <summary>True if a term matches no string.</summary>
    internal bool IsNothing(int id)
    {
        for (; ; id = _terms[id].B)
        {
            ref readonly var term = ref _terms[id];
            if (id == NothingId) return true;
            if (term.Nullable || !term.Intersects) return false;
            if (term.Kind != TermKind.Concat) return IsNothingOf(id);
            if (IsNothing(term.A)) return true;
        }
    }

    /// <summary>Splits the bytes of a partition by what the derivatives of a term tell apart.</summary>
    internal void Refine(int id, ByteClasses classes)
    {
        for (; ; )
        {
            Steps.Spend(1);
            var term = _terms[id];
            switch (term.Kind)
            {
                case TermKind.Set:
                    classes.Refine(term.A, _sets[term.A]);
                    return;
                case TermKind.Or or TermKind.And:
                    for (var index = 0; index < term.B; index++) Refine(_children[term.A + index], classes);
                    return;
                case TermKind.Concat when _terms[term.A].Nullable:
                    Refine(term.A, classes);
                    id = term.B;
                    break;
                case TermKind.Concat or TermKind.Not or TermKind.Repeat:
                    id = term.A;
                    break;
                case TermKind.Automaton:
                    RefineAutomaton(term, classes);
                    return;
                default:
                    return;
            }
        }
    }

    private int ConcatDerivative(int id, byte value)
    {
        var parts = new List<int>(2);
        for (; ; )
        {
            var term = _terms[id];
            if (term.Kind != TermKind.Concat)
            {
                parts.Add(Derivative(id, value));
                break;
            }
            parts.Add(ConcatTerm(Derivative(term.A, value), term.B));
            if (!_terms[term.A].Nullable) break;
            id = term.B;
        }
        return parts.Count == 1 ? parts[0] : OrTerm(parts);
    }

    private int ChildrenDerivative(int id, byte value)
    {
        var term = _terms[id];
        Steps.Spend(term.B);
        var parts = new List<int>();
        for (var index = 0; index < term.B; index++)
        {
            var child = _children[term.A + index];
            if (term.Kind == TermKind.And || _terms[child].First.Contains(value)) parts.Add(Derivative(child, value));
        }
        if (term.Kind == TermKind.And) return parts.Contains(NothingId) ? NothingId : AndTerm(parts);
        return parts.Count == 1 ? parts[0] : OrTerm(parts);
    }

    private int RepeatDerivative(Term term, byte value)
    {
        var rest = RepeatTerm(term.A, Math.Max(term.B - 1, 0), term.C == Unbounded ? Unbounded : term.C - 1);
        return ConcatTerm(Derivative(term.A, value), rest);
    }

    private bool IsNothingOf(int id)
    {
        if (_isNothing.TryGetValue(id, out var known)) return known;
        ref readonly var term = ref _terms[id];
        var nothing = term.Kind switch
        {
            TermKind.Repeat => IsNothing(term.A),
            TermKind.Or => AllNothing(term),
            TermKind.And when LeavesMost(term) => false,
            _ => !LeadsToMatch(id),
        };
        _isNothing[id] = nothing;
        return nothing;
    }

    /// <summary>True for an infinite set from which only finite sets are taken away, which leaves something.</summary>
    private bool LeavesMost(in Term and)
    {
        var infinite = 0;
        foreach (var id in ChildrenOf(and))
        {
            ref readonly var child = ref _terms[id];
            if (child.Kind == TermKind.Not && _terms[child.A].Finite) continue;
            if (child.Finite || child.Intersects || ++infinite > 1) return false;
        }
        return infinite == 1;
    }

    private bool AllNothing(Term term)
    {
        for (var index = 0; index < term.B; index++)
            if (!IsNothing(_children[term.A + index])) return false;
        return true;
    }

    /// <summary>Searches for the shortest match. All terms on the way there match something; where there is none, no term that was reached does.</summary>
    private bool LeadsToMatch(int start)
    {
        var reached = new List<(int Term, int From)> { (start, -1) };
        var seen = new HashSet<int> { start };
        for (var index = 0; index < reached.Count; index++)
        {
            Steps.Spend(StepBudget.Term);
            var term = reached[index].Term;
            var first = _terms[term].First;
            _searchClasses.Clear();
            Refine(term, _searchClasses);
            foreach (var value in _searchClasses.Representatives)
            {
                if (!first.Contains(value) || Derivative(term, value) is not (var next and not NothingId) || !seen.Add(next)) continue;
                if (!Settled(next, out var matches)) reached.Add((next, index));
                else if (matches)
                {
                    for (var on = index; on >= 0; on = reached[on].From) _isNothing[reached[on].Term] = false;
                    return true;
                }
            }
        }
        foreach (var id in seen) _isNothing[id] = true;
        return false;
    }

    private bool Settled(int id, out bool matches)
    {
        ref readonly var term = ref _terms[id];
        matches = term.Nullable || !term.Intersects;
        if (matches) return true;
        if (!_isNothing.TryGetValue(id, out var nothing)) return false;
        matches = !nothing;
        return true;
    }
}
