using System.Numerics;

namespace Hadal.Inference.Grammars;

/// <summary>A set of byte values, 256 bits.</summary>
public readonly record struct ByteSet
{
    private readonly ulong _bits0;
    private readonly ulong _bits1;
    private readonly ulong _bits2;
    private readonly ulong _bits3;

    private ByteSet(ulong bits0, ulong bits1, ulong bits2, ulong bits3) =>
        (_bits0, _bits1, _bits2, _bits3) = (bits0, bits1, bits2, bits3);

    /// <summary>The set without members.</summary>
    public static ByteSet None => default;

    /// <summary>The set of all 256 values.</summary>
    public static ByteSet All => new(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue);

    /// <summary>True if the set has no member.</summary>
    public bool IsEmpty => (_bits0 | _bits1 | _bits2 | _bits3) == 0;

    /// <summary>Number of members.</summary>
    public int Count => BitOperations.PopCount(_bits0) + BitOperations.PopCount(_bits1) + BitOperations.PopCount(_bits2) + BitOperations.PopCount(_bits3);

    /// <summary>The smallest member; 256 for the empty set.</summary>
    public int Smallest =>
        _bits0 != 0 ? BitOperations.TrailingZeroCount(_bits0)
        : _bits1 != 0 ? 64 + BitOperations.TrailingZeroCount(_bits1)
        : _bits2 != 0 ? 128 + BitOperations.TrailingZeroCount(_bits2)
        : 192 + BitOperations.TrailingZeroCount(_bits3);

    /// <summary>The set of one value.</summary>
    /// <param name="value">The member.</param>
    public static ByteSet Of(byte value) => Range(value, value);

    /// <summary>The set of some values.</summary>
    /// <param name="values">The members, in any order.</param>
    public static ByteSet Of(ReadOnlySpan<byte> values)
    {
        var set = default(ByteSet);
        foreach (var value in values) set |= Of(value);
        return set;
    }

    /// <summary>The values from <paramref name="first"/> to <paramref name="last"/>, both included; empty where the first is the larger.</summary>
    /// <param name="first">Smallest member.</param>
    /// <param name="last">Largest member.</param>
    public static ByteSet Range(byte first, byte last) => first > last ? default : new(Word(0, first, last), Word(1, first, last), Word(2, first, last), Word(3, first, last));

    /// <summary>True if the value is a member.</summary>
    /// <param name="value">The value.</param>
    public bool Contains(byte value) => (Bits(value >> 6) >> (value & 63) & 1) != 0;

    /// <summary>True if every member of the other set is a member of this one.</summary>
    /// <param name="other">The other set.</param>
    public bool Contains(ByteSet other) => (other & ~this).IsEmpty;

    /// <summary>Members of either set.</summary>
    public static ByteSet operator |(ByteSet a, ByteSet b) => new(a._bits0 | b._bits0, a._bits1 | b._bits1, a._bits2 | b._bits2, a._bits3 | b._bits3);

    /// <summary>Members of both sets.</summary>
    public static ByteSet operator &(ByteSet a, ByteSet b) => new(a._bits0 & b._bits0, a._bits1 & b._bits1, a._bits2 & b._bits2, a._bits3 & b._bits3);

    /// <summary>All values that are not members.</summary>
    public static ByteSet operator ~(ByteSet a) => new(~a._bits0, ~a._bits1, ~a._bits2, ~a._bits3);

    /// <summary>Members of either set.</summary>
    public static ByteSet BitwiseOr(ByteSet left, ByteSet right) => left | right;

    /// <summary>Members of both sets.</summary>
    public static ByteSet BitwiseAnd(ByteSet left, ByteSet right) => left & right;

    /// <summary>All values that are not members.</summary>
    public static ByteSet OnesComplement(ByteSet value) => ~value;

    /// <summary>The members in rising order.</summary>
    public Enumerator GetEnumerator() => new(this);

    /// <summary>64 of the 256 bits; word 0 holds the values 0 to 63.</summary>
    internal ulong Bits(int word) => word switch { 0 => _bits0, 1 => _bits1, 2 => _bits2, _ => _bits3 };

    private static ulong Word(int word, byte first, byte last)
    {
        var low = Math.Max(first - 64 * word, 0);
        var high = Math.Min(last - 64 * word, 63);
        return low > high ? 0 : ulong.MaxValue >> (63 - (high - low)) << low;
    }

    /// <summary>Walks the members of a set in rising order.</summary>
    public struct Enumerator
    {
        private readonly ByteSet _set;
        private ulong _rest;
        private int _word;

        internal Enumerator(ByteSet set)
        {
            _set = set;
            _rest = set._bits0;
        }

        /// <summary>The member.</summary>
        public byte Current { get; private set; }

        /// <summary>Goes to the next member; false behind the last.</summary>
        public bool MoveNext()
        {
            while (_rest == 0)
            {
                if (_word == 3) return false;
                _rest = _set.Bits(++_word);
            }
            Current = (byte)(64 * _word + BitOperations.TrailingZeroCount(_rest));
            _rest &= _rest - 1;
            return true;
        }
    }
}
