using System.Runtime.InteropServices;
using System.Text;

namespace Hadal.Checkpoints.Synthetic;

/// <summary>Random bytes of one tensor: what stands at an offset follows from the seed, the tensor's name and the offset alone.</summary>
/// <remarks>SplitMix64 (Steele, Lea and Flood 2014) at the index of each word, so any piece can be computed by any thread.</remarks>
internal readonly struct RandomWeights
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>Sums of four random bytes: 0 to 1020, close to normal around 510.</summary>
    private const int SumCount = 1021;

    private readonly ulong _seed;

    public RandomWeights(ulong seed, string name)
    {
        // FNV-1a: string.GetHashCode differs from process to process.
        var hash = 14695981039346656037UL;
        foreach (var unit in Encoding.UTF8.GetBytes(name)) hash = (hash ^ unit) * 1099511628211UL;
        _seed = Mix(seed ^ Mix(hash));
    }

    /// <summary>BF16 numbers, nearly normal, around 0.</summary>
    /// <param name="table">Of <see cref="NormalTable"/>.</param>
    /// <param name="byteOffset">A multiple of 4.</param>
    /// <param name="piece">Is filled.</param>
    public void Normal(ushort[] table, long byteOffset, Span<byte> piece)
    {
        var values = MemoryMarshal.Cast<byte, ushort>(piece);
        var word = (ulong)byteOffset / 4;
        for (var i = 0; i < values.Length; i += 2, word++)
        {
            // Pairs of bytes, then pairs of pairs: the sums of the lower and of the upper four bytes.
            var random = Word(word);
            var sums = (random & 0x00FF00FF00FF00FF) + ((random >> 8) & 0x00FF00FF00FF00FF);
            sums = (sums & 0x0000FFFF0000FFFF) + ((sums >> 16) & 0x0000FFFF0000FFFF);
            values[i] = table[(int)(sums & 0xFFFF)];
            if (i + 1 < values.Length) values[i + 1] = table[(int)(sums >> 32)];
        }
    }

    /// <summary>Random bits where <paramref name="mask"/> has ones, added to <paramref name="start"/>; both repeat every 8 bytes.</summary>
    /// <param name="mask">Which bits are random.</param>
    /// <param name="start">What the others are.</param>
    /// <param name="byteOffset">A multiple of 8.</param>
    /// <param name="piece">Is filled.</param>
    public void Bits(ulong mask, ulong start, long byteOffset, Span<byte> piece)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(piece);
        var word = (ulong)byteOffset / 8;
        for (var i = 0; i < words.Length; i++) words[i] = start + (Word(word + (ulong)i) & mask);
        var rest = piece[(words.Length * 8)..];
        if (rest.Length == 0) return;
        var last = start + (Word(word + (ulong)words.Length) & mask);
        MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in last))[..rest.Length].CopyTo(rest);
    }

    /// <summary>BF16 numbers for every sum of four random bytes, so that they have a standard deviation.</summary>
    public static ushort[] NormalTable(double standardDeviation)
    {
        // Each byte has the variance (256² − 1) / 12.
        var scale = standardDeviation / Math.Sqrt(4 * 65535 / 12.0);
        var table = new ushort[SumCount];
        for (var sum = 0; sum < SumCount; sum++) table[sum] = (ushort)(BitConverter.SingleToUInt32Bits((float)((sum - 510) * scale)) >> 16);
        return table;
    }

    private ulong Word(ulong index) => Mix(_seed + (index * Golden));

    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
