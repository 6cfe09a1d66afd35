using System.Runtime.InteropServices;

namespace Hadal.Inference.Grammars;

/// <summary>What a term is.</summary>
internal enum TermKind : byte
{
    Nothing,
    Empty,

    /// <summary>A: index of the byte set.</summary>
    Set,

    /// <summary>A: head, never a concatenation itself; B: tail.</summary>
    Concat,

    /// <summary>A: first of its children; B: their number, two or more, sorted.</summary>
    Or,

    /// <summary>As for <see cref="Or"/>.</summary>
    And,

    /// <summary>A: inner term.</summary>
    Not,

    /// <summary>A: inner term; B: least number; C: largest number or <see cref="RegexPool.Unbounded"/>.</summary>
    Repeat,

    /// <summary>A: index of a <see cref="ByteAutomaton"/>; B: its state, from which some byte leads on.</summary>
    Automaton,
}

/// <summary>A regular expression.</summary>
internal struct Term
{
    public TermKind Kind;

    /// <summary>Matches the empty string.</summary>
    public bool Nullable;

    /// <summary>Holds an intersection or a complement, so that it may match nothing without being <see cref="TermKind.Nothing"/>.</summary>
    public bool Intersects;

    /// <summary>Matches finitely many strings, as far as its form shows.</summary>
    public bool Finite;

    /// <summary>Recursion depth of a derivative.</summary>
    public int Depth;

    public int A;
    public int B;
    public int C;
    public int Hash;

    /// <summary>All bytes that a match may begin with, possibly more.</summary>
    public ByteSet First;
}

public sealed partial class RegexPool
{
    internal const int NothingId = 0;
    internal const int EmptyId = 1;
    internal const int AnyByteId = 2;
    internal const int AnythingId = 3;

    /// <summary>Stands for "no largest number" in a repeat.</summary>
    internal const int Unbounded = -1;

    private readonly List<ByteSet> _sets = [];
    private readonly Dictionary<ByteSet, int> _setIndexes = [];
    private readonly List<int> _children = [];
    private Term[] _terms = new Term[64];
    private int[] _slots = NewSlots(256);
    private int _count;

    private RegexPool(RegexPool source, int count)
    {
        _limits = source._limits;
        Steps = new StepBudget(_limits);
        _sets = [.. source._sets];
        _setIndexes = new Dictionary<ByteSet, int>(source._setIndexes);
        _children = [.. source._children];
        _automata = [.. source._automata];
        _terms = source._terms[..Math.Max(count, 64)];
        _slots = NewSlots(source._slots.Length);
        _count = count;
        Rehash(_slots.Length);
    }

    /// <summary>What may still be spent on the grammar or on the mask under way.</summary>
    internal StepBudget Steps { get; }

    /// <summary>Number of terms.</summary>
    internal int Count => _count;

    /// <summary>Bytes the pool takes, roughly.</summary>
    internal long Bytes64 => _terms.Length * 64L + _slots.Length * 4L + _children.Capacity * 4L + _derivatives.Bytes;

    /// <summary>A pool of its own with the first terms under the same numbers.</summary>
    internal RegexPool Copy(int count) => new(this, count);

    internal ref readonly Term this[int id] => ref _terms[id];

    internal ReadOnlySpan<int> ChildrenOf(in Term term) => CollectionsMarshal.AsSpan(_children).Slice(term.A, term.B);

    internal ByteSet SetOf(in Term term) => _sets[term.A];

    internal int SetTerm(ByteSet set)
    {
        if (set.IsEmpty) return NothingId;
        if (!_setIndexes.TryGetValue(set, out var index))
        {
            index = _sets.Count;
            _sets.Add(set);
            _setIndexes.Add(set, index);
        }
        return Intern(TermKind.Set, index, 0, 0);
    }

    internal int NotTerm(int inner) => inner switch
    {
        NothingId => AnythingId,
        AnythingId => NothingId,
        _ => _terms[inner].Kind == TermKind.Not ? _terms[inner].A : Intern(TermKind.Not, inner, 0, 0),
    };

    internal int ConcatTerm(int first, int second)
    {
        if (first == NothingId || second == NothingId) return NothingId;
        if (first == EmptyId) return second;
        if (second == EmptyId) return first;
        if (_terms[first].Kind != TermKind.Concat) return ConcatHead(first, second);

        var heads = new List<int>();
        for (; _terms[first].Kind == TermKind.Concat; first = _terms[first].B) heads.Add(_terms[first].A);
        Steps.Spend(heads.Count * StepBudget.Part);
        second = ConcatHead(first, second);
        for (var index = heads.Count - 1; index >= 0; index--) second = ConcatHead(heads[index], second);
        return second;
    }

    /// <summary>r{min,max} in its normal form.</summary>
    internal int RepeatTerm(int inner, int min, int max)
    {
        if (max == 0 || inner == EmptyId) return EmptyId;
        if (inner == NothingId) return min == 0 ? EmptyId : NothingId;
        if (min == 1 && max == 1) return inner;
        if (_terms[inner].Nullable) min = 0;
        var term = _terms[inner];
        if (term.Kind == TermKind.Repeat && term.C == Unbounded && (term.B == 0 || (term.B == 1 && min <= 1)))
            return RepeatTerm(term.A, Math.Min(min, term.B), Unbounded);
        if (min == 0 && max == 1) return OrTerm([EmptyId, inner]);
        return Intern(TermKind.Repeat, inner, min, max);
    }

    internal int Intern(TermKind kind, int a, int b, int c)
    {
        var hash = HashCode.Combine(kind, a, b, c);
        var slot = hash & (_slots.Length - 1);
        for (; _slots[slot] >= 0; slot = (slot + 1) & (_slots.Length - 1))
        {
            ref readonly var term = ref _terms[_slots[slot]];
            if (term.Hash == hash && term.Kind == kind && term.A == a && term.B == b && term.C == c) return _slots[slot];
        }
        return Add(slot, new Term { Kind = kind, A = a, B = b, C = c, Hash = hash });
    }

    /// <summary>An alternative or intersection of sorted, distinct children.</summary>
    internal int InternChildren(TermKind kind, ReadOnlySpan<int> children)
    {
        var code = new HashCode();
        code.Add(kind);
        foreach (var child in children) code.Add(child);
        var hash = code.ToHashCode();
        var slot = hash & (_slots.Length - 1);
        for (; _slots[slot] >= 0; slot = (slot + 1) & (_slots.Length - 1))
        {
            ref readonly var term = ref _terms[_slots[slot]];
            if (term.Hash == hash && term.Kind == kind && ChildrenOf(term).SequenceEqual(children)) return _slots[slot];
        }
        var first = _children.Count;
        _children.AddRange(children);
        return Add(slot, new Term { Kind = kind, A = first, B = children.Length, Hash = hash });
    }

    private int ConcatHead(int head, int tail)
    {
        var term = _terms[head];
        if (term.Kind == TermKind.Repeat)
        {
            var next = _terms[tail];
            var (follower, rest) = next.Kind == TermKind.Concat ? (next.A, next.B) : (tail, EmptyId);
            var repeat = _terms[follower];
            if (repeat.Kind == TermKind.Repeat && repeat.A == term.A)
                return ConcatTerm(RepeatTerm(term.A, Sum(term.B, repeat.B), Sum(term.C, repeat.C)), rest);
        }
        return Intern(TermKind.Concat, head, tail, 0);
    }

    private static int Sum(int a, int b)
    {
        if (a == Unbounded || b == Unbounded) return Unbounded;
        var sum = (long)a + b;
        return sum <= int.MaxValue ? (int)sum : throw new GrammarException($"a repeat with a bound of {sum} is too large; bounds go up to {int.MaxValue}");
    }

    private int Add(int slot, Term term)
    {
        if (_count >= _limits.MaxRegexTerms) throw GrammarException.Full("regular expressions", _limits.MaxRegexTerms, nameof(GrammarLimits.MaxRegexTerms));
        Steps.Spend(StepBudget.Term);
        Describe(ref term);
        if (term.Depth > _limits.MaxDepth) throw GrammarException.Limit("levels of nested expressions", _limits.MaxDepth, nameof(GrammarLimits.MaxDepth));
        if (_count == _terms.Length) Array.Resize(ref _terms, _count * 2);
        _terms[_count] = term;
        _slots[slot] = _count;
        _count++;
        if (_count * 2 > _slots.Length) Rehash(_slots.Length * 2);
        return _count - 1;
    }

    private void Describe(ref Term term)
    {
        term.Finite = term.Kind switch
        {
            TermKind.Concat => _terms[term.A].Finite && _terms[term.B].Finite,
            TermKind.Not => false,
            TermKind.Repeat => term.C != Unbounded && _terms[term.A].Finite,
            _ => true,
        };
        switch (term.Kind)
        {
            case TermKind.Automaton:
                DescribeAutomaton(ref term);
                break;
            case TermKind.Empty:
                term.Nullable = true;
                break;
            case TermKind.Set:
                term.First = _sets[term.A];
                break;
            case TermKind.Concat:
                ref readonly var head = ref _terms[term.A];
                ref readonly var tail = ref _terms[term.B];
                term.Nullable = head.Nullable && tail.Nullable;
                term.Intersects = head.Intersects || tail.Intersects;
                term.First = head.Nullable ? head.First | tail.First : head.First;
                term.Depth = Math.Max(head.Depth + 1, head.Nullable ? tail.Depth : 0);
                break;
            case TermKind.Or:
            case TermKind.And:
                DescribeChildren(ref term);
                break;
            case TermKind.Not:
                term.Nullable = !_terms[term.A].Nullable;
                term.Intersects = true;
                term.First = ByteSet.All;
                term.Depth = _terms[term.A].Depth + 1;
                break;
            case TermKind.Repeat:
                term.Nullable = term.B == 0;
                term.Intersects = _terms[term.A].Intersects;
                term.First = _terms[term.A].First;
                term.Depth = _terms[term.A].Depth + 1;
                break;
        }
    }

    private void DescribeChildren(ref Term term)
    {
        var isOr = term.Kind == TermKind.Or;
        term.Nullable = !isOr;
        term.Intersects = !isOr;
        term.First = isOr ? ByteSet.None : ByteSet.All;
        term.Finite = isOr;
        foreach (var id in ChildrenOf(term))
        {
            ref readonly var child = ref _terms[id];
            term.Finite = isOr ? term.Finite && child.Finite : term.Finite || child.Finite;
            term.Nullable = isOr ? term.Nullable || child.Nullable : term.Nullable && child.Nullable;
            term.Intersects |= child.Intersects;
            term.First = isOr ? term.First | child.First : term.First & child.First;
            term.Depth = Math.Max(term.Depth, child.Depth + 1);
        }
    }

    private void Rehash(int slotCount)
    {
        _slots = NewSlots(slotCount);
        for (var id = 0; id < _count; id++)
        {
            var slot = _terms[id].Hash & (_slots.Length - 1);
            while (_slots[slot] >= 0) slot = (slot + 1) & (_slots.Length - 1);
            _slots[slot] = id;
        }
    }

    private static int[] NewSlots(int length)
    {
        var slots = new int[length];
        Array.Fill(slots, -1);
        return slots;
    }
}
