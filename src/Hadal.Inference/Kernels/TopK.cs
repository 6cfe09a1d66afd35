using System.Numerics;
using System.Runtime.Intrinsics;

namespace Hadal.Inference.Kernels;

/// <summary>The k largest of n scores, ties by the lowest index. NaN counts as the smallest, −0 equals 0.</summary>
public static class TopK
{
    private const int BlockLength = 64;

    /// <summary>The k largest in falling order of score; for small k, such as routed experts.</summary>
    /// <param name="scores">[n].</param>
    /// <param name="indices">[k], k ≤ n: the indices of the largest, the first is the largest of all.</param>
    /// <exception cref="ArgumentException">k is larger than n.</exception>
    public static void Largest(ReadOnlySpan<float> scores, Span<int> indices)
    {
        CheckCount(scores, indices);
        if (indices.IsEmpty) return;
        var count = 0;
        for (var begin = 0; begin < scores.Length; begin += BlockLength)
        {
            var block = scores.Slice(begin, Math.Min(BlockLength, scores.Length - begin));
            if (count == indices.Length && ArgMax.Max(block) <= scores[indices[count - 1]]) continue;
            for (var i = begin; i < begin + block.Length; i++)
            {
                var key = Key(scores[i]);
                if (count == indices.Length && Key(scores[indices[count - 1]]) >= key) continue;
                var place = count < indices.Length ? count++ : count - 1;
                for (; place > 0 && Key(scores[indices[place - 1]]) < key; place--) indices[place] = indices[place - 1];
                indices[place] = i;
            }
        }
    }

    /// <summary>The k largest in rising order of index, in time proportional to n for any k; for the positions an indexer selects.</summary>
    /// <param name="scores">[n].</param>
    /// <param name="indices">[k], k ≤ n.</param>
    /// <exception cref="ArgumentException">k is larger than n.</exception>
    public static void Select(ReadOnlySpan<float> scores, Span<int> indices)
    {
        CheckCount(scores, indices);
        if (indices.IsEmpty) return;
        var threshold = Threshold(scores, indices.Length);
        // Comparisons of numbers are those of keys, except that no comparison finds a NaN.
        if (threshold < Key(float.NegativeInfinity))
        {
            SelectNumbersFirst(scores, indices);
            return;
        }

        var bound = Score(threshold);
        var equalCount = indices.Length - CountFrom(scores, Score(threshold + 1));
        int count = 0, i = 0;
        for (; i <= scores.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            var found = Vector512.GreaterThanOrEqual(Vector512.Create(scores[i..]), Vector512.Create(bound)).ExtractMostSignificantBits();
            for (; found != 0; found &= found - 1) Take(scores, i + BitOperations.TrailingZeroCount(found), indices);
        }

        for (; i < scores.Length; i++)
        {
            if (scores[i] >= bound) Take(scores, i, indices);
        }

        void Take(ReadOnlySpan<float> scores, int index, Span<int> indices)
        {
            if (scores[index] > bound || equalCount-- > 0) indices[count++] = index;
        }
    }

    /// <summary>The definition of <see cref="Largest"/>: k times the first largest of what is left.</summary>
    internal static void Scalar(ReadOnlySpan<float> scores, Span<int> indices)
    {
        var taken = new bool[scores.Length];
        for (var place = 0; place < indices.Length; place++)
        {
            var best = -1;
            for (var i = 0; i < scores.Length; i++)
            {
                if (!taken[i] && (best < 0 || scores[i] > scores[best] || (float.IsNaN(scores[best]) && !float.IsNaN(scores[i])))) best = i;
            }

            taken[best] = true;
            indices[place] = best;
        }
    }

    /// <summary>The k-th largest key, bit by bit: a bit is set where k scores or more are at least as large as what it makes.</summary>
    private static uint Threshold(ReadOnlySpan<float> scores, int k)
    {
        uint threshold = 0, smallest = Key(float.NegativeInfinity);
        if (CountFrom(scores, float.NegativeInfinity) < k) return 0;
        for (var bit = 1u << 31; bit != 0; bit >>= 1)
        {
            var candidate = threshold | bit;
            if (candidate <= smallest || CountFrom(scores, Score(candidate)) >= k) threshold = candidate;
        }

        return threshold;
    }

    /// <summary>How many scores are at least as large; NaN never is.</summary>
    private static int CountFrom(ReadOnlySpan<float> scores, float bound)
    {
        var counts = Vector512<int>.Zero;
        var i = 0;
        for (; i <= scores.Length - Vector512<float>.Count; i += Vector512<float>.Count)
            counts -= Vector512.GreaterThanOrEqual(Vector512.Create(scores[i..]), Vector512.Create(bound)).AsInt32();
        var count = Vector512.Sum(counts);
        for (; i < scores.Length; i++) count += scores[i] >= bound ? 1 : 0;
        return count;
    }

    /// <summary>Where numbers are fewer than k: all of them and the first of the rest.</summary>
    private static void SelectNumbersFirst(ReadOnlySpan<float> scores, Span<int> indices)
    {
        var others = indices.Length - CountFrom(scores, float.NegativeInfinity);
        var count = 0;
        for (var i = 0; i < scores.Length; i++)
        {
            if (!float.IsNaN(scores[i]) || others-- > 0) indices[count++] = i;
        }
    }

    /// <summary>An unsigned number that is ordered as the scores are.</summary>
    private static uint Key(float score)
    {
        if (float.IsNaN(score)) return 0;
        var bits = BitConverter.SingleToUInt32Bits(score + 0f);
        return (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
    }

    /// <summary>The score of a key; NaN where no number has it.</summary>
    private static float Score(uint key) => BitConverter.UInt32BitsToSingle((key & 0x8000_0000) != 0 ? key & 0x7FFF_FFFF : ~key);

    private static void CheckCount(ReadOnlySpan<float> scores, ReadOnlySpan<int> indices)
    {
        if (indices.Length > scores.Length)
            throw new ArgumentException($"{indices.Length} of {scores.Length} scores cannot be chosen", nameof(indices));
    }
}
