namespace Hadal.Inference.Grammars;

/// <summary>An item of an Earley parser: a position, how often a counted repeat has been passed, and the state in which its rule began.</summary>
internal readonly record struct Item(int Position, int Count, int Origin) : IComparable<Item>
{
    /// <summary>The rule began in the state that holds the item.</summary>
    public const int Here = -1;

    public int CompareTo(Item other) =>
        Position != other.Position ? Position.CompareTo(other.Position)
        : Count != other.Count ? Count.CompareTo(other.Count)
        : Origin.CompareTo(other.Origin);
}

/// <summary>Distinct items in the order they came in.</summary>
internal sealed class ItemSet
{
    private Item[] _items = new Item[64];
    private int[] _slots = new int[256];

    public int Count { get; private set; }

    public ref readonly Item this[int index] => ref _items[index];

    public void Clear()
    {
        if (Count * 8 > _slots.Length) Array.Clear(_slots);
        else
            for (var index = 0; index < Count; index++) Remove(_items[index]);
        Count = 0;
    }

    public void Add(Item item)
    {
        var slot = Slot(item);
        for (; _slots[slot] != 0; slot = (slot + 1) & (_slots.Length - 1))
            if (_items[_slots[slot] - 1] == item) return;
        if (Count == _items.Length) Array.Resize(ref _items, Count * 2);
        _items[Count++] = item;
        _slots[slot] = Count;
        if (Count * 2 > _slots.Length) Grow();
    }

    /// <summary>Frees the slots from where an item belongs on; since all items go, order does not matter.</summary>
    private void Remove(Item item)
    {
        for (var slot = Slot(item); _slots[slot] != 0; slot = (slot + 1) & (_slots.Length - 1)) _slots[slot] = 0;
    }

    private void Grow()
    {
        _slots = new int[_slots.Length * 2];
        for (var index = 0; index < Count; index++)
        {
            var slot = Slot(_items[index]);
            while (_slots[slot] != 0) slot = (slot + 1) & (_slots.Length - 1);
            _slots[slot] = index + 1;
        }
    }

    private int Slot(Item item)
    {
        var hash = ((ulong)(uint)item.Position << 32 | (uint)item.Origin) * 0x9E3779B97F4A7C15UL + (uint)item.Count * 0xFF51AFD7ED558CCDUL;
        return (int)(hash >> 40) & (_slots.Length - 1);
    }
}
