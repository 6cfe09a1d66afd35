namespace Hadal.Inference.Grammars;

/// <summary>The automaton that runs several lexemes at once, built as it is used. A state is a list of lexemes that are still possible, each with
/// what remains of it; state 0 has none.</summary>
internal sealed class LexerStates
{
    private readonly GrammarLimits _limits;
    private readonly RegexPool _pool;
    private readonly int[] _lexemes;
    private readonly IntLists _lists = new();
    private readonly ByteClasses _classes = new();
    private readonly List<int> _list = [];
    private int[]?[] _rows = new int[64][];
    private byte[] _flags = new byte[64];

    public LexerStates(GrammarLimits limits, RegexPool pool, int[] lexemes)
    {
        (_limits, _pool, _lexemes) = (limits, pool, lexemes);
        _lists.Intern([], out _);
    }

    public RegexPool Pool => _pool;

    public int Count => _lists.Count;

    public long Bytes => _lists.Bytes + _lists.Count * 16L + RowBytes + _pool.Bytes64;

    private long RowBytes { get; set; }

    /// <summary>The state in which some lexemes have not begun.</summary>
    /// <param name="lexemes">Distinct lexemes in rising order.</param>
    public int Start(ReadOnlySpan<int> lexemes)
    {
        _list.Clear();
        foreach (var lexeme in lexemes)
        {
            _list.Add(lexeme);
            _list.Add(_lexemes[lexeme]);
        }
        return Intern(_list);
    }

    /// <summary>Where every byte leads: twice the state, plus one where some lexeme may end there.</summary>
    public int[] Row(int state) => _rows[state] ?? BuildRow(state);

    /// <summary>True if no byte leads on from here.</summary>
    public bool IsFinal(int state) => (_flags[state] & 2) != 0;

    /// <summary>True if only finitely many strings can follow before all lexemes have ended.</summary>
    public bool IsFinite(int state) => (_flags[state] & 4) != 0;

    /// <summary>True if a state is one lexeme that goes on in an automaton, so that no row is needed to follow it.</summary>
    public bool IsAutomaton(int state) => (_flags[state] & 8) != 0;

    /// <summary>One entry of a row, without building the row: for states that are passed through.</summary>
    public int Entry(int state, byte value)
    {
        if (_rows[state] is { } row) return row[value];
        var list = _lists[state];
        var isDead = true;
        for (var index = 1; index < list.Length && isDead; index += 2) isDead = !_pool[list[index]].First.Contains(value);
        return isDead ? 0 : Step(state, list.Length, value);
    }

    /// <summary>The state of one lexeme of which something remains.</summary>
    public int Intern(int lexeme, int term)
    {
        _list.Clear();
        _list.Add(lexeme);
        _list.Add(term);
        return Intern(_list);
    }

    /// <summary>The lexemes and what remains of each, in turns.</summary>
    public ReadOnlySpan<int> this[int state] => _lists[state];

    /// <summary>Makes the state of these lexemes and remainders.</summary>
    public int Intern(List<int> list)
    {
        var span = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(list);
        if (!_lists.Intern(span, out var state)) return state;
        if (state >= _limits.MaxLexerStates) throw GrammarException.Full("states of its lexer", _limits.MaxLexerStates, nameof(GrammarLimits.MaxLexerStates));
        if (state == _flags.Length)
        {
            Array.Resize(ref _rows, state * 2);
            Array.Resize(ref _flags, state * 2);
        }
        var (accepts, final, finite) = (false, true, true);
        for (var index = 1; index < span.Length; index += 2)
        {
            accepts |= _pool[span[index]].Nullable;
            final &= span[index] == RegexPool.EmptyId;
            finite &= _pool[span[index]].Finite;
        }
        var isAutomaton = span is [_, var only] && _pool.HeadOf(only) is { Kind: TermKind.Automaton } head && (_pool[only].Kind == TermKind.Automaton || !head.Nullable);
        _flags[state] = (byte)((accepts ? 1 : 0) | (final ? 2 : 0) | (finite ? 4 : 0) | (isAutomaton ? 8 : 0));
        return state;
    }

    private int[] BuildRow(int state)
    {
        _pool.Steps.Spend(256);
        _classes.Clear();
        var count = _lists[state].Length;
        for (var index = 1; index < count; index += 2) _pool.Refine(_lists[state][index], _classes);
        Span<int> targets = stackalloc int[256];
        Span<byte> representatives = stackalloc byte[256];
        _classes.Representatives.CopyTo(representatives);
        for (var id = 0; id < _classes.Count; id++) targets[id] = Step(state, count, representatives[id]);

        var row = new int[256];
        var classOf = _classes.ClassOf;
        for (var value = 0; value < 256; value++) row[value] = targets[classOf[value]];
        _rows[state] = row;
        RowBytes += 1024;
        return row;
    }

    private int Step(int state, int count, byte value)
    {
        _pool.Steps.Spend(count);
        _list.Clear();
        for (var index = 0; index < count; index += 2)
        {
            var term = _lists[state][index + 1];
            if (!_pool[term].First.Contains(value)) continue;
            var next = _pool.Derivative(term, value);
            if (_pool.IsNothing(next)) continue;
            _list.Add(_lists[state][index]);
            _list.Add(next);
        }
        var target = _list.Count == 0 ? 0 : Intern(_list);
        return target << 1 | (_flags[target] & 1);
    }
}
