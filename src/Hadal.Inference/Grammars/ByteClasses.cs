namespace Hadal.Inference.Grammars;

/// <summary>A partition of the 256 byte values that is refined by sets until bytes of one class are in the same sets.</summary>
internal sealed class ByteClasses
{
    private readonly byte[] _class = new byte[256];
    private readonly int[] _sizes = new int[256];
    private readonly short[] _moved = new short[256];
    private readonly int[] _members = new int[256];
    private readonly byte[] _representatives = new byte[256];
    private int[] _seenIn = new int[64];
    private int _round;
    private int _count;

    public ByteClasses() => Clear();

    /// <summary>Number of classes.</summary>
    public int Count => _count;

    /// <summary>Class of every byte.</summary>
    public ReadOnlySpan<byte> ClassOf => _class;

    /// <summary>One byte of each class, in the order of the classes; valid until the partition changes.</summary>
    public ReadOnlySpan<byte> Representatives
    {
        get
        {
            for (var value = 255; value >= 0; value--) _representatives[_class[value]] = (byte)value;
            return _representatives.AsSpan(0, _count);
        }
    }

    /// <summary>Back to one class of all bytes.</summary>
    public void Clear()
    {
        Array.Clear(_class);
        _sizes[0] = 256;
        _count = 1;
        _round++;
    }

    /// <summary>Tells the members of a set apart from the others.</summary>
    /// <param name="index">Number of the set; a set that was here before costs nothing.</param>
    /// <param name="set">The set.</param>
    public void Refine(int index, ByteSet set)
    {
        if (index >= _seenIn.Length) Array.Resize(ref _seenIn, Math.Max(index + 1, _seenIn.Length * 2));
        if (_seenIn[index] == _round) return;
        _seenIn[index] = _round;
        if (set.Count > 128) set = ~set;
        Array.Clear(_members, 0, _count);
        foreach (var value in set) _members[_class[value]]++;
        var before = _count;
        for (var id = 0; id < before; id++)
        {
            _moved[id] = -1;
            if (_members[id] == 0 || _members[id] == _sizes[id]) continue;
            _moved[id] = (short)_count;
            _sizes[id] -= _members[id];
            _sizes[_count++] = _members[id];
        }
        if (before == _count) return;
        foreach (var value in set)
            if (_moved[_class[value]] is var target and >= 0) _class[value] = (byte)target;
    }
}
