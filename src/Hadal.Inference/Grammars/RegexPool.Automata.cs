namespace Hadal.Inference.Grammars;

/// <content>Automata as terms: one for each of their states that is looked at.</content>
public sealed partial class RegexPool
{
    private readonly List<ByteAutomaton> _automata = [];

    /// <summary>Matches what an automaton matches.</summary>
    internal ByteRegex Automaton(ByteAutomaton automaton)
    {
        var index = _automata.IndexOf(automaton);
        if (index < 0)
        {
            index = _automata.Count;
            _automata.Add(automaton);
        }
        return new ByteRegex(AutomatonTerm(index, automaton.Start));
    }

    /// <summary>The automaton of a term and the state it is in.</summary>
    internal ByteAutomaton AutomatonOf(in Term term) => _automata[term.A];

    /// <summary>The term, or the first part of a concatenation.</summary>
    internal ref readonly Term HeadOf(int id) => ref _terms[_terms[id].Kind == TermKind.Concat ? _terms[id].A : id];

    /// <summary>What an automaton matches from a state on.</summary>
    internal int AutomatonTerm(int index, int state)
    {
        if (state == ByteAutomaton.Dead) return NothingId;
        return _automata[index].First(state).IsEmpty ? EmptyId : Intern(TermKind.Automaton, index, state, 0);
    }

    private void DescribeAutomaton(ref Term term)
    {
        var automaton = _automata[term.A];
        term.Nullable = automaton.Accepts(term.B);
        term.First = automaton.First(term.B);
        term.Finite = automaton.IsFinite;
    }

    /// <summary>Every byte that leads on is told apart from all others.</summary>
    private void RefineAutomaton(in Term term, ByteClasses classes)
    {
        var first = term.First;
        Steps.Spend(first.Count);
        foreach (var value in first)
        {
            var set = SetTerm(ByteSet.Of(value));
            classes.Refine(_terms[set].A, ByteSet.Of(value));
        }
    }
}
