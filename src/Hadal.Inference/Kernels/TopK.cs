namespace Hadal.Inference.Kernels;

/// <summary>The k largest of n scores, ties by the lowest index. NaN counts as the smallest, −0 equals 0.</summary>
public static class TopK
{
    private const int BinBits = 11;
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
        var threshold = Threshold(scores, indices.Length, out var equalCount);
        var count = 0;
        for (var i = 0; i < scores.Length; i++)
        {
            var key = Key(scores[i]);
            if (key < threshold || (key == threshold && equalCount-- <= 0)) continue;
            indices[count++] = i;
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

    /// <summary>The k-th largest key, found by its leading, middle and last bits, and how many scores equal to it belong to the k.</summary>
    private static uint Threshold(ReadOnlySpan<float> scores, int k, out int equalCount)
    {
        Span<int> bins = stackalloc int[1 << BinBits];
        uint prefix = 0;
        var remaining = k;
        var fixedBits = 0;
        while (fixedBits < 32)
        {
            var bits = Math.Min(BinBits, 32 - fixedBits);
            var shift = 32 - fixedBits - bits;
            bins.Clear();
            foreach (var score in scores)
            {
                var key = Key(score);
                if (fixedBits == 0 || key >> (32 - fixedBits) == prefix) bins[(int)((key >> shift) & ((1u << bits) - 1))]++;
            }

            var bin = (1 << bits) - 1;
            for (; bins[bin] < remaining; bin--) remaining -= bins[bin];
            prefix = (prefix << bits) | (uint)bin;
            fixedBits += bits;
        }

        equalCount = remaining;
        return prefix;
    }

    /// <summary>An unsigned number that is ordered as the scores are.</summary>
    private static uint Key(float score)
    {
        if (float.IsNaN(score)) return 0;
        var bits = BitConverter.SingleToUInt32Bits(score + 0f);
        return (bits & 0x8000_0000) != 0 ? ~bits : bits | 0x8000_0000;
    }

    private static void CheckCount(ReadOnlySpan<float> scores, ReadOnlySpan<int> indices)
    {
        if (indices.Length > scores.Length)
            throw new ArgumentException($"{indices.Length} of {scores.Length} scores cannot be chosen", nameof(indices));
    }
}
