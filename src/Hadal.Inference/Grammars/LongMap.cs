using System.Runtime.CompilerServices;

namespace Hadal.Inference.Grammars;

/// <summary>A hash table from 64-bit keys to numbers that are not negative, made for lookups that allocate nothing.</summary>
internal sealed class LongMap
{
    private long[] _keys;
    private int[] _values;
    private int _shift;

    public LongMap(int capacityLog2 = 6)
    {
        _keys = new long[1 << capacityLog2];
        _values = new int[1 << capacityLog2];
        _shift = 64 - capacityLog2;
        Array.Fill(_values, -1);
    }

    public int Count { get; private set; }

    public long Bytes => _keys.Length * 12L;

    /// <summary>The value of a key, or −1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Find(long key)
    {
        var keys = _keys;
        var values = _values;
        var mask = keys.Length - 1;
        for (var slot = Slot(key); ; slot = (slot + 1) & mask)
        {
            var value = values[slot];
            if (value < 0 || keys[slot] == key) return value;
        }
    }

    /// <summary>Adds a key that is not in the table.</summary>
    public void Add(long key, int value)
    {
        if (Count * 2 >= _keys.Length) Grow();
        Put(key, value);
        Count++;
    }

    private void Put(long key, int value)
    {
        var mask = _keys.Length - 1;
        var slot = Slot(key);
        while (_values[slot] >= 0) slot = (slot + 1) & mask;
        _keys[slot] = key;
        _values[slot] = value;
    }

    private void Grow()
    {
        var (keys, values) = (_keys, _values);
        _keys = new long[keys.Length * 2];
        _values = new int[keys.Length * 2];
        Array.Fill(_values, -1);
        _shift--;
        for (var slot = 0; slot < keys.Length; slot++)
            if (values[slot] >= 0) Put(keys[slot], values[slot]);
    }

    private int Slot(long key) => (int)((ulong)key * 0x9E3779B97F4A7C15UL >> _shift);
}
