namespace Hadal.Training.Data;

/// <summary>Numbers and shuffles that depend on a seed only, the same on every machine and in every version.</summary>
/// <remarks>SplitMix64: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"; shuffle: Fisher and Yates.</remarks>
public struct SeededOrder
{
    private ulong _state;

    /// <summary>Starts a sequence; different <paramref name="stream"/>s of one seed are independent.</summary>
    public SeededOrder(long seed, long stream = 0)
    {
        _state = (ulong)seed;
        _state = Next() ^ (ulong)stream;
        _ = Next();
    }

    /// <summary>64 random bits.</summary>
    public ulong Next()
    {
        var z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number in [0, 1).</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>A number in [0, <paramref name="limit"/>).</summary>
    public int Next(int limit) => (int)Math.BigMul(Next(), (ulong)limit, out _);

    /// <summary>Brings <paramref name="items"/> into random order.</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }
}
