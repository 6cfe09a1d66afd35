namespace Hadal.Inference.Grammars;

/// <summary>The bytes of UTF-8 that encode some code points, as an expression of at most one term per partly covered prefix.</summary>
internal readonly ref struct Utf8Ranges
{
    private readonly RegexPool _pool;
    private readonly List<CodePointRange> _ranges = [];

    public Utf8Ranges(RegexPool pool, ReadOnlySpan<CodePointRange> ranges)
    {
        _pool = pool;
        var sorted = ranges.ToArray();
        Array.Sort(sorted, (x, y) => x.First.CompareTo(y.First));
        foreach (var range in sorted) Add(range);
    }

    public int Term()
    {
        var set = ByteSet.None;
        foreach (var range in _ranges)
            if (range.First < 0x80) set |= ByteSet.Range((byte)range.First, (byte)Math.Min(range.Last, 0x7F));
        return _pool.OrTerm(
        [
            _pool.SetTerm(set),
            Continued(0x80, 0x7FF, 0, 6, 0xC0),
            Continued(0x800, 0xFFFF, 0, 12, 0xE0),
            Continued(0x10000, 0x10FFFF, 0, 18, 0xF0),
        ]);
    }

    /// <summary>Code points from <paramref name="low"/> to <paramref name="high"/> whose next byte holds the bits above
    /// <paramref name="shift"/>, marked with <paramref name="marker"/>; <paramref name="first"/> is where counting of that byte starts.</summary>
    private int Continued(int low, int high, int first, int shift, int marker)
    {
        var terms = new List<int>();
        var whole = ByteSet.None;
        for (var value = low >> shift; value <= high >> shift; value++)
        {
            var from = Math.Max(low, value << shift);
            var to = Math.Min(high, ((value + 1) << shift) - 1);
            if (!Touches(from, to)) continue;
            var head = ByteSet.Of((byte)(marker + value - first));
            if (to - from == (1 << shift) - 1 && Covers(from, to)) whole |= head;
            else terms.Add(_pool.ConcatTerm(_pool.SetTerm(head), Continued(from, to, value << 6, shift - 6, 0x80)));
        }
        terms.Add(_pool.ConcatTerm(_pool.SetTerm(whole), AnyContinuation(shift)));
        return _pool.OrTerm(terms);
    }

    private void Add(CodePointRange range)
    {
        if (range.First <= 0xDFFF && range.Last >= 0xD800)
        {
            if (range.First < 0xD800) Add(range with { Last = 0xD7FF });
            if (range.Last > 0xDFFF) Add(range with { First = 0xE000 });
        }
        else if (_ranges.Count > 0 && range.First <= _ranges[^1].Last + 1)
            _ranges[^1] = _ranges[^1] with { Last = Math.Max(_ranges[^1].Last, range.Last) };
        else
            _ranges.Add(range);
    }

    /// <summary>One continuation byte of any value for every six bits.</summary>
    private int AnyContinuation(int bits)
    {
        var term = RegexPool.EmptyId;
        for (; bits > 0; bits -= 6) term = _pool.ConcatTerm(_pool.SetTerm(ByteSet.Range(0x80, 0xBF)), term);
        return term;
    }

    private bool Touches(int from, int to) => Find(from) is var index && index < _ranges.Count && _ranges[index].First <= to;

    private bool Covers(int from, int to) => Find(from) is var index && index < _ranges.Count && _ranges[index].First <= from && _ranges[index].Last >= to;

    /// <summary>Index of the first range that ends at or behind a code point.</summary>
    private int Find(int from)
    {
        var (low, high) = (0, _ranges.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_ranges[middle].Last < from) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
