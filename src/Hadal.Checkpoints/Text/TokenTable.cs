using System.Numerics;

namespace Hadal.Checkpoints.Text;

/// <summary>Byte strings by token id, and ids by byte string. Compact and immutable: one block of bytes, offsets, a hash table.</summary>
internal sealed class TokenTable
{
    // Differs from process to process, so that no file can be made in which all tokens collide.
    private static readonly uint Seed = (uint)HashCode.Combine(2166136261u);

    private readonly byte[] _bytes;
    private readonly int[] _offsets;
    private readonly int[] _slots;
    private readonly int _shift;

    /// <summary>Builds the table.</summary>
    /// <param name="entries">Byte string per id; null for ids without one. Of equal strings, the lowest id is found.</param>
    public TokenTable(IReadOnlyList<byte[]?> entries)
    {
        _offsets = new int[entries.Count + 1];
        for (var id = 0; id < entries.Count; id++) _offsets[id + 1] = checked(_offsets[id] + (entries[id]?.Length ?? 0));
        _bytes = new byte[_offsets[^1]];
        var bits = BitOperations.Log2((uint)Math.Max(8, 2 * entries.Count)) + 1;
        _slots = new int[1 << bits];
        _shift = 32 - bits;
        for (var id = 0; id < entries.Count; id++)
        {
            if (entries[id] is not { Length: > 0 } entry) continue;
            entry.CopyTo(_bytes, _offsets[id]);
            MaxLength = Math.Max(MaxLength, entry.Length);
            var slot = SlotOf(entry);
            if (_slots[slot] == 0) _slots[slot] = id + 1;
        }
    }

    /// <summary>Number of ids.</summary>
    public int Count => _offsets.Length - 1;

    /// <summary>Bytes of the longest entry.</summary>
    public int MaxLength { get; }

    /// <summary>The bytes of an id; empty where it has none or does not exist.</summary>
    public ReadOnlySpan<byte> this[int id] => (uint)id < (uint)Count ? _bytes.AsSpan(_offsets[id].._offsets[id + 1]) : [];

    /// <summary>The id of a byte string, or -1.</summary>
    public int IdOf(ReadOnlySpan<byte> entry) => entry.Length == 0 || entry.Length > MaxLength ? -1 : _slots[SlotOf(entry)] - 1;

    /// <summary>A hash of bytes that spreads over the high bits: FNV-1a from a start that differs from process to process.</summary>
    public static uint Hash(ReadOnlySpan<byte> bytes)
    {
        var hash = Seed;
        foreach (var value in bytes) hash = (hash ^ value) * 16777619u;
        return (hash ^ (hash >> 15)) * 2654435769u;
    }

    private int SlotOf(ReadOnlySpan<byte> entry)
    {
        var slot = (int)(Hash(entry) >> _shift);
        while (_slots[slot] is var found and not 0 && !this[found - 1].SequenceEqual(entry)) slot = (slot + 1) & (_slots.Length - 1);
        return slot;
    }
}
