using System.Numerics;

namespace Hadal.Inference.Grammars;

/// <summary>Computes and keeps the masks of one grammar's configurations for one vocabulary.</summary>
/// <remarks>For one thread at a time, as the tables are.</remarks>
internal sealed class MaskTable
{
    /// <summary>Below this, a string's bound is followed state by state.</summary>
    private const int SmallBound = 12;

    private readonly GrammarLimits _limits;
    private readonly GrammarTables _tables;
    private readonly LexerStates _lexer;
    private readonly TokenTrie _trie;
    private readonly PlainSteps _plain;
    private readonly StepBudget _steps;
    private readonly List<Array?> _known = [];
    private readonly List<int> _chain = [];
    private readonly ulong[] _mask;
    private readonly int[]?[] _rows;
    private readonly bool[] _alive;
    private readonly int[] _configurations;
    private readonly int[] _states;
    private ByteSet _left;
    private bool _isPassing;
    private bool _hasLeft;

    public MaskTable(GrammarLimits limits, GrammarTables tables, TokenTrie trie)
    {
        (_limits, _tables, _lexer, _trie, _steps) = (limits, tables, tables.Lexer, trie, tables.Lexer.Pool.Steps);
        _plain = new PlainSteps(_lexer);
        _mask = new ulong[trie.MaskLength];
        _rows = new int[trie.MaxTokenBytes + 2][];
        _states = new int[trie.MaxTokenBytes + 2];
        _alive = new bool[trie.MaxTokenBytes + 2];
        _configurations = new int[trie.MaxTokenBytes + 2];
    }

    /// <summary>Writes the tokens that may follow a configuration; tokens that end the text are among them where it is complete.</summary>
    public void Fill(int configuration, Span<ulong> mask)
    {
        while (_known.Count <= configuration) _known.Add(null);
        if (TryFillKnown(configuration, mask) || TryRelaxed(configuration, mask)) return;
        Compute(configuration);
        Copy(Keep(configuration), mask);
    }

    /// <summary>Writes the mask of a configuration if it is kept.</summary>
    public bool TryFillKnown(int configuration, Span<ulong> mask)
    {
        if (configuration >= _known.Count || _known[configuration] is not { } known) return false;
        Copy(known, mask);
        return true;
    }

    private static void Copy(Array known, Span<ulong> mask)
    {
        if (known is ulong[] words) words.CopyTo(mask);
        else
        {
            mask.Clear();
            foreach (var id in (int[])known) mask[id >> 6] |= 1UL << id;
        }
    }

    /// <summary>Within a string of bounded length, what is left of the bound matters to the longest tokens only: the others are those of a string without
    /// bound, whose mask is computed once.</summary>
    private bool TryRelaxed(int configuration, Span<ulong> mask)
    {
        if (_tables.ScanCount(configuration) != 1 || _tables.IsComplete(configuration)) return false;
        var scan = _tables.ScanAt(configuration, 0);
        if (!_plain.TryRelax(scan.Lexer, out var relaxed, out var max) || max < SmallBound) return false;
        Fill(_tables.Of(scan with { Lexer = relaxed }), mask);
        var plain = _trie.Plain;
        var longer = plain.LongerThan(max);
        if (longer.IsEmpty) return true;

        var whole = plain.WholeUpTo(max);
        for (var word = 0; word < mask.Length; word++) mask[word] = (mask[word] & ~longer[word]) | (whole[word] & longer[word]);
        foreach (var id in plain.WithRest)
        {
            if (_trie.TokenBytes(id).Length <= max) break;
            if (IsAllowed(id, scan)) mask[id >> 6] |= 1UL << id;
        }
        return true;
    }

    /// <summary>Follows one token from a bounded string.</summary>
    private bool IsAllowed(int id, Scan scan)
    {
        var (characters, bytes) = _trie.Plain.Prefixes[id];
        var state = scan.Lexer;
        for (; characters > 0; characters--)
            if ((state = _plain.Of(state).Target) == 0) return false;
        var token = _trie.TokenBytes(id);
        for (; bytes < token.Length; bytes++)
        {
            var target = _lexer.Entry(state, token[bytes]);
            if (target == 0) return false;
            state = target >> 1;
            if ((target & 1) == 0) continue;
            var configuration = _tables.Border(state, scan.Parser);
            for (bytes++; bytes < token.Length; bytes++)
                if ((configuration = _tables.Step(configuration, token[bytes])) == GrammarTables.Dead) return false;
        }
        return true;
    }

    private void Compute(int configuration)
    {
        Array.Clear(_mask);
        (_hasLeft, _isPassing) = (false, false);
        if (_tables.IsComplete(configuration))
            foreach (var id in _trie.EndTokenIds) _mask[id >> 6] |= 1UL << id;
        if (_tables.ScanCount(configuration) != 1 || _lexer.IsAutomaton(_tables.ScanAt(configuration, 0).Lexer) || !TryPlain(_tables.ScanAt(configuration, 0)))
            Walk(_trie.Whole, 0, _trie.Whole.Count, configuration);
    }

    /// <summary>Keeps a copy of the mask just computed, as words or, where that is shorter, as ids.</summary>
    private Array Keep(int configuration)
    {
        var count = TokenMask.Count(_mask);
        Array kept = _mask;
        if (count < _mask.Length)
        {
            var ids = new int[count];
            var next = 0;
            for (var word = 0; word < _mask.Length; word++)
                for (var bits = _mask[word]; bits != 0; bits &= bits - 1) ids[next++] = word * 64 + BitOperations.TrailingZeroCount(bits);
            kept = ids;
        }
        var bytes = count < _mask.Length ? count * 4L : _mask.Length * 8L;
        if (_tables.Bytes + bytes > _limits.MaxMemoryBytes / 2) return kept;
        _tables.MaskBytes += bytes;
        return _known[configuration] = kept == _mask ? _mask[..] : kept;
    }

    /// <summary>Where most plain characters lead to one state, and from there on to one each: whole plain tokens by a copy, the others by their
    /// rests, and those that begin with an exception by a walk. False where the scan is not of this kind.</summary>
    private bool TryPlain(Scan scan)
    {
        var first = _plain.Of(scan.Lexer);
        if (first.Target == 0 || !TryChain(scan.Lexer, first, out var loops)) return false;

        var plain = _trie.Plain;
        var last = _chain.Count - 1;
        TokenMask.Or(_mask, plain.WholeUpTo(loops ? plain.MaxPrefix : last));
        foreach (var value in first.Exceptions)
            if (plain.WholeFrom(value) is { IsEmpty: false } whole) TokenMask.Except(_mask, whole);
        if (last == 0)
        {
            Rests(plain.RestsAfterAny, 0, scan);
            return true;
        }
        Rests(plain.RestsAfter(0), 0, scan);
        _left = first.Exceptions;
        _hasLeft = !_left.IsEmpty;
        if (loops && last == 1) Rests(plain.RestsAfterSome, 1, scan);
        else
            for (var count = 1; count <= (loops ? plain.MaxPrefix : last); count++) Rests(plain.RestsAfter(count), Math.Min(count, last), scan);
        _hasLeft = false;
        foreach (var value in first.Exceptions)
            if (_trie.Whole.ChildOfRoot(value) is var child && child >= 0) WalkScan(_trie.Whole, child, _trie.Whole.Nodes[child].End, scan);
        return true;
    }

    /// <summary>Collects the states that 0, 1, 2 … plain characters lead to, up to one that they do not leave, or that none leaves.</summary>
    private bool TryChain(int state, PlainStep step, out bool loops)
    {
        _chain.Clear();
        _chain.Add(state);
        loops = step.Target == state && step.Exceptions.IsEmpty;
        while (!loops && _chain.Count <= _trie.Plain.MaxPrefix)
        {
            state = step.Target;
            _chain.Add(state);
            step = _plain.Of(state);
            if (step.AllDead) break;
            if (step.Target == 0 || !step.Exceptions.IsEmpty) return false;
            loops = step.Target == state;
        }
        return true;
    }

    private void Rests(TrieNodes? trie, int count, Scan scan)
    {
        if (trie is null) return;
        _isPassing = _chain.Count > 2;
        WalkScan(trie, 0, trie.Count, scan with { Lexer = _chain[count] });
        _isPassing = false;
    }

    /// <summary>Walks nodes with the same parent from a configuration.</summary>
    private void Walk(TrieNodes trie, int index, int end, int configuration)
    {
        if (index >= end) return;
        if (_tables.ScanCount(configuration) == 1)
        {
            WalkScan(trie, index, end, _tables.ScanAt(configuration, 0));
            return;
        }
        var nodes = trie.Nodes;
        _configurations[nodes[index].Depth] = configuration;
        while (index < end)
        {
            ref readonly var node = ref nodes[index];
            var from = _configurations[node.Depth];
            _steps.Spend(1);
            var next = _tables.Live(from).Contains(node.Value) ? _tables.Step(from, node.Value) : GrammarTables.Dead;
            var below = index + 1;
            index = node.End;
            if (next == GrammarTables.Dead) continue;
            Allow(trie, node.FirstToken, nodes[below].FirstToken);
            if (below == node.End) continue;
            if (_tables.ScanCount(next) < 2) Walk(trie, below, node.End, next);
            else
            {
                _configurations[node.Depth + 1] = next;
                index = below;
            }
        }
    }

    /// <summary>Walks nodes with the same parent from a single scan; the parser is asked only where a lexeme may end.</summary>
    private void WalkScan(TrieNodes trie, int index, int end, Scan scan)
    {
        if (index >= end) return;
        if (_lexer.IsAutomaton(scan.Lexer))
        {
            WalkAutomaton(trie, index, end, scan);
            return;
        }
        var nodes = trie.Nodes;
        var rows = _rows;
        var alive = _alive;
        Enter(nodes[index].Depth, scan.Lexer);
        for (var visited = 0; index < end; visited++)
        {
            if ((visited & 63) == 63) _steps.Spend(64);
            ref readonly var node = ref nodes[index];
            int depth = node.Depth;
            if (node.IsPlain && alive[depth])
            {
                Allow(trie, node.FirstToken, nodes[node.End].FirstToken);
                index = node.End;
                continue;
            }
            var target = rows[depth] is { } row ? row[node.Value] : _lexer.Entry(_states[depth], node.Value);
            if (target == 0)
            {
                index = node.End;
                continue;
            }
            ref readonly var below = ref nodes[++index];
            if (below.FirstToken != node.FirstToken) Allow(trie, node.FirstToken, below.FirstToken);
            if (index == node.End) continue;
            if ((target & 1) == 0)
            {
                if (_lexer.IsAutomaton(target >> 1))
                {
                    WalkAutomaton(trie, index, node.End, scan with { Lexer = target >> 1 });
                    index = node.End;
                }
                else Enter(depth + 1, target >> 1);
                continue;
            }
            Walk(trie, index, node.End, _tables.Border(target >> 1, scan.Parser));
            index = node.End;
            _steps.Spend(1);
        }
    }

    /// <summary>Walks nodes with the same parent from a scan within an automaton, state by state of its own: a lexicon has too many to make one of the lexer's for
    /// each. Where a match may end, the lexer goes on.</summary>
    private void WalkAutomaton(TrieNodes trie, int index, int end, Scan scan)
    {
        var nodes = trie.Nodes;
        var pool = _lexer.Pool;
        var (lexeme, term) = (_lexer[scan.Lexer][0], _lexer[scan.Lexer][1]);
        var (head, tail) = (pool.HeadOf(term), pool[term].Kind == TermKind.Concat ? pool[term].B : RegexPool.EmptyId);
        var automaton = pool.AutomatonOf(head);
        _states[nodes[index].Depth] = head.B;
        for (var visited = 0; index < end; visited++)
        {
            if ((visited & 63) == 63) _steps.Spend(64);
            ref readonly var node = ref nodes[index];
            int depth = node.Depth;
            var next = automaton.Next(_states[depth], node.Value);
            if (next == ByteAutomaton.Dead)
            {
                index = node.End;
                continue;
            }
            ref readonly var below = ref nodes[++index];
            if (below.FirstToken != node.FirstToken) Allow(trie, node.FirstToken, below.FirstToken);
            if (index == node.End) continue;
            if (!automaton.Accepts(next))
            {
                _states[depth + 1] = next;
                continue;
            }
            var rest = pool.ConcatTerm(pool.AutomatonTerm(head.A, next), tail);
            var state = _lexer.Intern(lexeme, rest);
            if (pool[rest].Nullable) Walk(trie, index, node.End, _tables.Border(state, scan.Parser));
            else WalkScan(trie, index, node.End, scan with { Lexer = state });
            index = node.End;
        }
    }

    private void Enter(int depth, int state)
    {
        _alive[depth] = !_isPassing && _plain.IsAlive(state);
        _rows[depth] = _isPassing || (_alive[depth] && _plain.IsWide(state)) ? null : _lexer.Row(state);
        _states[depth] = state;
    }

    private void Allow(TrieNodes trie, int from, int to)
    {
        var tokens = trie.Tokens.AsSpan(from, to - from);
        var mask = _mask;
        if (_hasLeft)
        {
            foreach (var id in tokens)
                if (!_left.Contains(_trie.Plain.FirstBytes[id])) mask[id >> 6] |= 1UL << id;
            return;
        }
        foreach (var id in tokens) mask[id >> 6] |= 1UL << id;
    }
}
