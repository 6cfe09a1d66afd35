using System.Runtime.InteropServices;

namespace Hadal.Inference.Grammars;

/// <content>Normal forms of alternatives and intersections.</content>
public sealed partial class RegexPool
{
    /// <summary>Common beginnings longer than this are shared by derivatives only, not by terms.</summary>
    private const int MaxSharedPrefix = 256;

    private readonly Dictionary<int, bool> _isPrefixFree = [];
    private int _prefixDepth;

    /// <summary>The union: flat, sorted, without repetitions, beginnings shared, touching bounds joined.</summary>
    internal int OrTerm(List<int> parts)
    {
        var set = ByteSet.None;
        var hasEmpty = false;
        var others = new List<int>(parts.Count);
        foreach (var part in parts)
        {
            ref readonly var term = ref _terms[part];
            if (part == AnythingId) return AnythingId;
            if (term.Kind == TermKind.Or)
                foreach (var child in ChildrenOf(term)) Sort(child, ref set, ref hasEmpty, others);
            else
                Sort(part, ref set, ref hasEmpty, others);
        }
        Steps.Spend((parts.Count + others.Count) * StepBudget.Part);
        SortDistinct(others);
        ShareBeginnings(others, ref set);
        JoinBounds(others);
        return OrOf(others, set, hasEmpty);
    }

    /// <summary>The intersection: flat, sorted, without repetitions.</summary>
    internal int AndTerm(List<int> parts)
    {
        var others = new List<int>(parts.Count);
        foreach (var part in parts)
            if (_terms[part].Kind == TermKind.And) others.AddRange(ChildrenOf(_terms[part]));
            else others.Add(part);
        Steps.Spend(others.Count * StepBudget.Part);
        SortDistinct(others);
        others.Remove(AnythingId);
        if (others.Count == 0) return AnythingId;
        if (others.Count == 1) return others[0];

        var first = ByteSet.All;
        var nullable = true;
        foreach (var id in others)
        {
            ref readonly var term = ref _terms[id];
            first &= term.First;
            nullable &= term.Nullable;
            if (term.Kind == TermKind.Not && others.BinarySearch(term.A) >= 0) return NothingId;
        }
        if (first.IsEmpty || others.Contains(EmptyId)) return nullable ? EmptyId : NothingId;
        JoinSets(others);
        IntersectBounds(others);
        if (others[0] == NothingId) return NothingId;
        return others.Count == 1 ? others[0] : InternChildren(TermKind.And, CollectionsMarshal.AsSpan(others));
    }

    private void Sort(int id, ref ByteSet set, ref bool hasEmpty, List<int> others)
    {
        if (id == NothingId) return;
        if (id == EmptyId) hasEmpty = true;
        else if (_terms[id].Kind == TermKind.Set) set |= SetOf(_terms[id]);
        else others.Add(id);
    }

    private int OrOf(List<int> others, ByteSet set, bool hasEmpty)
    {
        if (!set.IsEmpty) others.Add(SetTerm(set));
        if (hasEmpty && !others.Exists(id => _terms[id].Nullable)) others.Add(EmptyId);
        SortDistinct(others);
        return others.Count switch
        {
            0 => NothingId,
            1 => others[0],
            _ => others.Contains(AnythingId) ? AnythingId : InternChildren(TermKind.Or, CollectionsMarshal.AsSpan(others)),
        };
    }

    /// <summary>[ab]t | [c]t becomes [abc]t, and at | au becomes a(t|u).</summary>
    private void ShareBeginnings(List<int> others, ref ByteSet set)
    {
        var headed = new List<(int Head, int Tail)>();
        foreach (var id in others)
            if (HasSetHead(id)) headed.Add((_terms[id].A, _terms[id].B));
        if (headed.Count + (set.IsEmpty ? 0 : 1) < 2) return;

        if (!set.IsEmpty) headed.Add((SetTerm(set), EmptyId));
        others.RemoveAll(HasSetHead);
        headed.Sort((x, y) => x.Tail != y.Tail ? x.Tail.CompareTo(y.Tail) : x.Head.CompareTo(y.Head));
        JoinHeads(headed);
        headed.Sort((x, y) => x.Head != y.Head ? x.Head.CompareTo(y.Head) : x.Tail.CompareTo(y.Tail));
        set = ByteSet.None;
        for (var start = 0; start < headed.Count;)
        {
            var end = start + 1;
            while (end < headed.Count && headed[end].Head == headed[start].Head) end++;
            AddShared(headed, start, end, others, ref set);
            start = end;
        }
        SortDistinct(others);
    }

    private void AddShared(List<(int Head, int Tail)> headed, int start, int end, List<int> others, ref ByteSet set)
    {
        if (end - start > 1 && _prefixDepth < MaxSharedPrefix)
        {
            var tails = new List<int>(end - start);
            for (var index = start; index < end; index++) tails.Add(headed[index].Tail);
            headed[start] = (headed[start].Head, SharedTail(tails));
            end = start + 1;
        }
        for (var index = start; index < end; index++)
            if (headed[index].Tail == EmptyId) set |= SetOf(_terms[headed[index].Head]);
            else others.Add(ConcatTerm(headed[index].Head, headed[index].Tail));
    }

    private int SharedTail(List<int> tails)
    {
        _prefixDepth++;
        try
        {
            return OrTerm(tails);
        }
        finally
        {
            _prefixDepth--;
        }
    }

    /// <summary>Joins the sets of neighbours with the same tail.</summary>
    private void JoinHeads(List<(int Head, int Tail)> headed)
    {
        var kept = 0;
        for (var start = 0; start < headed.Count;)
        {
            var union = SetOf(_terms[headed[start].Head]);
            var end = start + 1;
            for (; end < headed.Count && headed[end].Tail == headed[start].Tail; end++) union |= SetOf(_terms[headed[end].Head]);
            headed[kept++] = (end == start + 1 ? headed[start].Head : SetTerm(union), headed[start].Tail);
            start = end;
        }
        headed.RemoveRange(kept, headed.Count - kept);
    }

    /// <summary>r{a,b}t | r{c,d}t becomes one repeat where the bounds touch.</summary>
    private void JoinBounds(List<int> others)
    {
        List<(int Inner, int Tail, int Min, int Max)>? repeats = null;
        foreach (var id in others)
            if (RepeatHead(id) is { } repeat) (repeats ??= []).Add(repeat);
        if (repeats is null || repeats.Count < 2) return;

        repeats.Sort();
        others.RemoveAll(id => RepeatHead(id) is not null);
        for (var start = 0; start < repeats.Count;)
        {
            var (inner, tail, min, max) = repeats[start];
            var end = start + 1;
            for (; end < repeats.Count; end++)
            {
                var next = repeats[end];
                if (next.Inner != inner || next.Tail != tail || (max != Unbounded && next.Min > max + 1L)) break;
                max = max == Unbounded || next.Max == Unbounded ? Unbounded : Math.Max(max, next.Max);
            }
            others.Add(ConcatTerm(RepeatTerm(inner, min, max), tail));
            start = end;
        }
        SortDistinct(others);
    }

    private void JoinSets(List<int> others)
    {
        var set = ByteSet.All;
        var sets = 0;
        foreach (var id in others)
            if (_terms[id].Kind == TermKind.Set)
            {
                set &= SetOf(_terms[id]);
                sets++;
            }
        if (sets < 2) return;
        others.RemoveAll(id => _terms[id].Kind == TermKind.Set);
        others.Add(SetTerm(set));
        SortDistinct(others);
    }

    /// <summary>r* and r{a,b} is r{a,b}; r{a,b} and r{c,d} is the repeat within both bounds where a text tells how often it repeats r.</summary>
    private void IntersectBounds(List<int> others)
    {
        for (var index = 0; index < others.Count; index++)
        {
            var term = _terms[others[index]];
            for (var other = 0; other < others.Count && term.Kind == TermKind.Repeat; other++)
            {
                Steps.Spend(1);
                var second = _terms[others[other]];
                if (other == index || second.Kind != TermKind.Repeat || second.A != term.A) continue;
                if (!(second.B == 0 && second.C == Unbounded) && !IsPrefixFree(term.A)) continue;
                var max = term.C == Unbounded ? second.C : second.C == Unbounded ? term.C : Math.Min(term.C, second.C);
                var min = Math.Max(term.B, second.B);
                others[index] = max != Unbounded && min > max ? NothingId : RepeatTerm(term.A, min, max);
                others.RemoveAt(other);
                SortDistinct(others);
                (index, other) = (-1, others.Count);
            }
        }
    }

    /// <summary>True if no match of a term begins another one, so that a text is a repetition of it in one way only.</summary>
    private bool IsPrefixFree(int id)
    {
        if (_isPrefixFree.TryGetValue(id, out var known)) return known;
        _isPrefixFree[id] = false;
        if (_terms[id].Nullable || _terms[id].Intersects || !_terms[id].Finite) return false;
        return _isPrefixFree[id] = IsNothing(AndTerm([id, ConcatTerm(id, ConcatTerm(AnyByteId, AnythingId))]));
    }

    private bool HasSetHead(int id) => _terms[id].Kind == TermKind.Concat && _terms[_terms[id].A].Kind == TermKind.Set;

    private (int Inner, int Tail, int Min, int Max)? RepeatHead(int id)
    {
        ref readonly var term = ref _terms[id];
        var tail = EmptyId;
        if (term.Kind == TermKind.Concat)
        {
            tail = term.B;
            term = ref _terms[term.A];
        }
        return term.Kind == TermKind.Repeat ? (term.A, tail, term.B, term.C) : null;
    }

    private static void SortDistinct(List<int> ids)
    {
        ids.Sort();
        var kept = 0;
        for (var index = 0; index < ids.Count; index++)
            if (index == 0 || ids[index] != ids[kept - 1]) ids[kept++] = ids[index];
        ids.RemoveRange(kept, ids.Count - kept);
    }
}
