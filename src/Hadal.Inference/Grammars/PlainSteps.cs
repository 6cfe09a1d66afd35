namespace Hadal.Inference.Grammars;

/// <summary>Where plain characters lead from a state of the lexer (see <see cref="PlainTokens"/>).</summary>
/// <param name="Target">The state most of them lead to, without a lexeme ending there; 0 where there is none.</param>
/// <param name="Exceptions">First bytes of plain characters that lead elsewhere.</param>
/// <param name="AllDead">No plain character leads anywhere.</param>
internal readonly record struct PlainStep(int Target, ByteSet Exceptions, bool AllDead);

/// <summary>Finds and keeps what plain characters do in the states of a lexer.</summary>
internal sealed class PlainSteps(LexerStates lexer)
{
    /// <summary>With more exceptions than this a walk over all tokens costs no more.</summary>
    private const int MaxExceptions = 48;

    /// <summary>Alternatives from which on a state is not worth a row of its own.</summary>
    private const int MinWide = 8;

    /// <summary>States looked at to find that every plain text can go on from one of them.</summary>
    private const int MaxSearch = 400;

    /// <summary>First bytes of plain characters.</summary>
    private static readonly ByteSet PlainFirst =
        (ByteSet.Range(0x20, 0x7E) & ~ByteSet.Of("\"\\"u8)) | ByteSet.Range(0xC2, 0xF4);

    private readonly Dictionary<int, bool> _takesPlain = [];
    private readonly List<PlainStep?> _steps = [];
    private sbyte[] _alive = new sbyte[64];
    private readonly List<int> _found = [];
    private readonly HashSet<(int State, int Left, byte Low, byte High)> _seen = [];
    private readonly Stack<(int State, int Left, byte Low, byte High)> _pending = [];

    public PlainStep Of(int state)
    {
        while (_steps.Count <= state) _steps.Add(null);
        return _steps[state] ??= Find(state);
    }

    /// <summary>True if every plain text can follow in a state, whatever states it passes through.</summary>
    public bool IsAlive(int state) => state < _alive.Length && _alive[state] != 0 ? _alive[state] > 0 : FindAlive(state);

    private bool FindAlive(int state)
    {
        var alive = SearchAlive(state);
        SetAlive(state, alive);
        return alive;
    }

    private void SetAlive(int state, bool alive)
    {
        if (state >= _alive.Length) Array.Resize(ref _alive, Math.Max(state + 1, _alive.Length * 2));
        _alive[state] = (sbyte)(alive ? 1 : -1);
    }

    private PlainStep Find(int state)
    {
        if (FindByForm(state) is var counted && counted.Target != 0) return counted;
        var row = lexer.Row(state);
        var target = MajorityTarget(row);
        if ((target & 1) != 0) return default;
        var exceptions = ByteSet.None;
        var exceptionCount = 0;
        for (var value = 0x20; value <= 0x7E; value++)
        {
            if (!PlainTokens.IsPlainAscii((byte)value) || row[value] == target) continue;
            if (++exceptionCount > MaxExceptions) return default;
            exceptions |= ByteSet.Of((byte)value);
        }
        if (target == 0) return new PlainStep(0, exceptions, exceptions.IsEmpty && AllLeadsDead(row));
        for (int lead = 0xC2, last = -1; lead <= 0xF4; lead++)
        {
            if (row[lead] == last && lead is not (0xE0 or 0xE1 or 0xED or 0xEE or 0xF0 or 0xF1 or 0xF4)) continue;
            last = LeadsTo(state, row[lead], (byte)lead, target) ? row[lead] : -1;
            if (last < 0) exceptions |= ByteSet.Of((byte)lead);
        }
        return new PlainStep(target >> 1, exceptions, false);
    }

    /// <summary>The step of a repeat over single characters, which takes no row: states of bounded strings are many.</summary>
    private PlainStep FindByForm(int state)
    {
        if (lexer[state] is not [var lexeme, var term]) return default;
        var pool = lexer.Pool;
        var concat = pool[term];
        if (concat.Kind != TermKind.Concat || pool[concat.A] is not { Kind: TermKind.Repeat } repeat || !TakesPlain(repeat.A)) return default;
        if (repeat.B == 0 && !(pool[concat.B].First & PlainFirst).IsEmpty) return default;
        var next = pool.ConcatTerm(pool.RepeatTerm(repeat.A, Math.Max(repeat.B - 1, 0), repeat.C == RegexPool.Unbounded ? RegexPool.Unbounded : repeat.C - 1), concat.B);
        return new PlainStep(next == term ? state : lexer.Intern(lexeme, next), ByteSet.None, false);
    }

    /// <summary>Takes the upper bound off a state that is nothing but a bounded repeat over single characters and what follows it. Texts of at most as
    /// many bytes as the bound allows repetitions go on from both states alike.</summary>
    /// <param name="state">The state.</param>
    /// <param name="relaxed">The state without the bound.</param>
    /// <param name="max">The bound.</param>
    public bool TryRelax(int state, out int relaxed, out int max)
    {
        (relaxed, max) = (state, 0);
        if (lexer[state] is not [var lexeme, var term]) return false;
        var pool = lexer.Pool;
        var concat = pool[term];
        if (concat.Kind != TermKind.Concat || pool[concat.A] is not { Kind: TermKind.Repeat, B: 0 } repeat || repeat.C == RegexPool.Unbounded) return false;
        if (!TakesPlain(repeat.A) || !(pool[concat.B].First & PlainFirst).IsEmpty) return false;
        max = repeat.C;
        relaxed = lexer.Intern(lexeme, pool.ConcatTerm(pool.RepeatTerm(repeat.A, 0, RegexPool.Unbounded), concat.B));
        return true;
    }

    /// <summary>True if an expression takes any plain character and is done.</summary>
    private bool TakesPlain(int term)
    {
        if (_takesPlain.TryGetValue(term, out var known)) return known;
        return _takesPlain[term] = TakesAllPlain(term);
    }

    private bool TakesAllPlain(int term)
    {
        foreach (var value in PlainFirst)
        {
            var next = lexer.Pool.Derivative(term, value);
            if (value < 0x80 ? next != RegexPool.EmptyId : !Utf8Lead.TryGet(value, out var length, out var low, out var high) || !(ReadsOn(next, length - 1, low, high, RegexPool.EmptyId) || ReadsEach(next, length - 1, low, high))) return false;
        }
        return true;
    }

    /// <summary>True if a term takes so many continuation bytes, the first of them from a range, and is done: byte by byte, where sets differ.</summary>
    private bool ReadsEach(int term, int count, byte low, byte high)
    {
        var last = -1;
        for (int value = low; value <= high; value++)
        {
            var next = lexer.Pool.Derivative(term, (byte)value);
            if (next == last) continue;
            last = next;
            if (count == 1 ? next != RegexPool.EmptyId : !ReadsEach(next, count - 1, 0x80, 0xBF)) return false;
        }
        return true;
    }

    /// <summary>The entry that more than half of the plain bytes share, if there is one (Boyer and Moore).</summary>
    private static int MajorityTarget(int[] row)
    {
        var (candidate, votes) = (0, 0);
        for (var value = 0x20; value <= 0x7E; value++)
        {
            if (!PlainTokens.IsPlainAscii((byte)value)) continue;
            if (votes == 0) candidate = row[value];
            votes += row[value] == candidate ? 1 : -1;
        }
        return candidate;
    }

    private static bool AllLeadsDead(int[] row)
    {
        for (var lead = 0xC2; lead <= 0xF4; lead++)
            if (row[lead] != 0) return false;
        return true;
    }

    /// <summary>True if all characters of a first byte, whose entry is given, lead to a target.</summary>
    private bool LeadsTo(int state, int entry, byte lead, int target)
    {
        if (entry == 0 || (entry & 1) != 0) return false;
        Utf8Lead.TryGet(lead, out var length, out var low, out var high);
        return LeadsByForm(entry >> 1, length - 1, low, high, target >> 1) || Continues(entry >> 1, length - 1, low, high, target);
    }

    /// <summary>True if a state's only lexeme reads as continuation bytes and then as the target's; saves the rows of the states between.</summary>
    private bool LeadsByForm(int state, int count, byte low, byte high, int target)
    {
        if (lexer[state] is not [var lexeme, var term] || lexer[target] is not [var targetLexeme, var targetTerm] || lexeme != targetLexeme) return false;
        return ReadsOn(term, count, low, high, targetTerm);
    }

    /// <summary>True if a term is so many continuation bytes, the first of them from a range, and then the target.</summary>
    private bool ReadsOn(int term, int count, byte low, byte high, int target)
    {
        var pool = lexer.Pool;
        for (; count > 0; count--)
        {
            var read = pool[term];
            var (head, tail) = read.Kind == TermKind.Concat ? (pool[read.A], read.B) : (read, RegexPool.EmptyId);
            if (head.Kind != TermKind.Set || !pool.SetOf(head).Contains(ByteSet.Range(low, high))) return false;
            (term, low, high) = (tail, 0x80, 0xBF);
        }
        return term == target;
    }

    private bool Continues(int state, int count, byte low, byte high, int target)
    {
        var row = lexer.Row(state);
        var last = -1;
        for (int value = low; value <= high; value++)
        {
            var entry = row[value];
            if (entry == last) continue;
            last = entry;
            if (count == 1 ? entry != target : entry == 0 || (entry & 1) != 0 || !Continues(entry >> 1, count - 1, 0x80, 0xBF, target)) return false;
        }
        return true;
    }

    /// <summary>Follows all plain characters until no new state turns up. If none is dead, all states between characters that were met are alive.</summary>
    private bool SearchAlive(int start)
    {
        if (LoopsOverPlain(start)) return true;
        if (lexer.IsFinite(start) || lexer.Row(start) is var row && (row[' '] == 0 || row['a'] == 0 || row[0xE1] == 0)) return false;
        if (Of(start) is { Exceptions.IsEmpty: true } step && step.Target == start) return true;
        _seen.Clear();
        _pending.Clear();
        _found.Clear();
        Visit((start, 0, 0, 0));
        while (_pending.TryPop(out var next))
        {
            if (_seen.Count > MaxSearch) return false;
            if (next.Left == 0)
            {
                if (next.State < _alive.Length && _alive[next.State] < 0) return false;
                if (next.State < _alive.Length && _alive[next.State] > 0) continue;
                if (Of(next.State) is { Exceptions.IsEmpty: true, Target: > 0 } uniform)
                {
                    _found.Add(next.State);
                    Visit((uniform.Target, 0, 0, 0));
                    continue;
                }
            }
            if (!VisitTargets(next)) return false;
        }
        foreach (var state in _found) SetAlive(state, alive: true);
        return true;
    }

    /// <summary>True if some lexeme begins with a loop over all plain characters: whatever comes, it is still there. Patterns that search, as <c>.*a.{40}b</c> does,
    /// have too many states to follow them all.</summary>
    private bool LoopsOverPlain(int state)
    {
        var list = lexer[state];
        for (var index = 1; index < list.Length; index += 2)
            if (BeginsWithLoop(list[index])) return true;
        return false;
    }

    /// <summary>True if what remains of the only lexeme are many alternatives beside a loop over all plain characters: rarely two texts lead to the same state.</summary>
    public bool IsWide(int state)
    {
        if (lexer[state] is not [_, var term]) return false;
        var head = lexer.Pool.HeadOf(term);
        return head.Kind == TermKind.Or && head.B >= MinWide && BeginsWithLoop(term);
    }

    private bool BeginsWithLoop(int term)
    {
        var pool = lexer.Pool;
        var read = pool[term];
        switch (read.Kind)
        {
            case TermKind.Repeat:
                return read.C == RegexPool.Unbounded && TakesPlain(read.A);
            case TermKind.Concat:
                return BeginsWithLoop(read.A) && !pool.IsNothing(read.B);
            case TermKind.Or:
                for (var index = 0; index < read.B; index++)
                    if (BeginsWithLoop(pool.ChildrenOf(read)[index])) return true;
                return false;
            default:
                return false;
        }
    }

    private bool VisitTargets((int State, int Left, byte Low, byte High) from)
    {
        var row = lexer.Row(from.State);
        if (from.Left > 0)
        {
            for (int value = from.Low, last = -1; value <= from.High; last = row[value++])
                if (row[value] != last && !VisitEntry(row[value], from.Left - 1, 0x80, 0xBF)) return false;
            return true;
        }
        _found.Add(from.State);
        for (int value = 0x20, last = -1; value <= 0x7E; value++)
        {
            if (!PlainTokens.IsPlainAscii((byte)value) || row[value] == last) continue;
            last = row[value];
            if (!VisitEntry(last, 0, 0, 0)) return false;
        }
        for (var lead = 0xC2; lead <= 0xF4; lead++)
        {
            Utf8Lead.TryGet((byte)lead, out var length, out var low, out var high);
            if (!VisitEntry(row[lead], length - 1, low, high)) return false;
        }
        return true;
    }

    /// <summary>Notes where an entry leads; false where it is dead. A lexeme may end on the way as long as it may go on as well.</summary>
    private bool VisitEntry(int entry, int left, byte low, byte high)
    {
        if (entry == 0 || lexer.IsFinal(entry >> 1)) return false;
        Visit((entry >> 1, left, low, high));
        return true;
    }

    private void Visit((int State, int Left, byte Low, byte High) next)
    {
        if (_seen.Add(next)) _pending.Push(next);
    }
}
