using System.Runtime.InteropServices;

namespace Hadal.Inference.Grammars;

/// <summary>Lists of numbers, each kept once and known by its number.</summary>
internal sealed class IntLists
{
    private readonly List<int> _values = [];
    private readonly List<int> _ends = [0];
    private readonly List<int> _hashes = [];
    private int[] _slots = NewSlots(64);

    public int Count => _hashes.Count;

    public long Bytes => _values.Capacity * 4L + _ends.Capacity * 8L + _slots.Length * 4L;

    public ReadOnlySpan<int> this[int id] => CollectionsMarshal.AsSpan(_values)[_ends[id].._ends[id + 1]];

    /// <summary>Number of a list; true if it was not known before.</summary>
    public bool Intern(ReadOnlySpan<int> list, out int id)
    {
        var hash = HashOf(list);
        var slot = hash & (_slots.Length - 1);
        for (; (id = _slots[slot]) >= 0; slot = (slot + 1) & (_slots.Length - 1))
            if (_hashes[id] == hash && this[id].SequenceEqual(list)) return false;
        id = _hashes.Count;
        _values.AddRange(list);
        _ends.Add(_values.Count);
        _hashes.Add(hash);
        _slots[slot] = id;
        if (_hashes.Count * 2 > _slots.Length) Rehash();
        return true;
    }

    private static int HashOf(ReadOnlySpan<int> list)
    {
        var hash = 0x9E3779B97F4A7C15UL;
        foreach (var value in list)
        {
            hash = (hash ^ (uint)value) * 0xFF51AFD7ED558CCDUL;
            hash ^= hash >> 32;
        }
        return (int)hash & int.MaxValue;
    }

    private void Rehash()
    {
        _slots = NewSlots(_slots.Length * 2);
        for (var id = 0; id < _hashes.Count; id++)
        {
            var slot = _hashes[id] & (_slots.Length - 1);
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
