namespace Hadal.Inference.Engine;

/// <summary>A queue of values written and read in stretches by two threads; it grows to what lies unread at most and then allocates nothing.</summary>
internal sealed class SpanQueue<T>
    where T : struct
{
    private readonly Lock _gate = new();
    private T[] _items = new T[16];
    private int _head;
    private int _count;

    /// <summary>Appends values.</summary>
    public void Write(ReadOnlySpan<T> items)
    {
        if (items.IsEmpty) return;
        lock (_gate)
        {
            if (_items.Length - _count < items.Length) Grow(_count + items.Length);
            var begin = (_head + _count) & (_items.Length - 1);
            var first = Math.Min(items.Length, _items.Length - begin);
            items[..first].CopyTo(_items.AsSpan(begin));
            items[first..].CopyTo(_items);
            _count += items.Length;
        }
    }

    /// <summary>Takes the oldest values, as many as <paramref name="items"/> has room for; so many must be there.</summary>
    public void Read(Span<T> items)
    {
        if (items.IsEmpty) return;
        lock (_gate)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(items.Length, _count);
            CopyTo(items);
            _head = (_head + items.Length) & (_items.Length - 1);
            _count -= items.Length;
        }
    }

    private void Grow(int count)
    {
        var grown = new T[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)count)];
        CopyTo(grown.AsSpan(0, _count));
        (_items, _head) = (grown, 0);
    }

    private void CopyTo(Span<T> items)
    {
        var first = Math.Min(items.Length, _items.Length - _head);
        _items.AsSpan(_head, first).CopyTo(items);
        _items.AsSpan(0, items.Length - first).CopyTo(items[first..]);
    }
}
