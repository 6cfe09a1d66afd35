using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Hadal.Inference.Grammars;

/// <summary>Sets of tokens as bits: bit <c>i &amp; 63</c> of word <c>i / 64</c> belongs to token <c>i</c>.</summary>
public static class TokenMask
{
    /// <summary>Words needed for a vocabulary.</summary>
    /// <param name="vocabSize">Number of tokens.</param>
    public static int LengthFor(int vocabSize) => (vocabSize + 63) / 64;

    /// <summary>True if a token is in the mask; ids beyond its end are not.</summary>
    /// <param name="mask">The mask.</param>
    /// <param name="tokenId">Token id.</param>
    public static bool Contains(ReadOnlySpan<ulong> mask, int tokenId) =>
        (uint)tokenId >> 6 < (uint)mask.Length && (mask[tokenId >> 6] >> (tokenId & 63) & 1) != 0;

    /// <summary>Number of tokens in the mask.</summary>
    /// <param name="mask">The mask.</param>
    public static int Count(ReadOnlySpan<ulong> mask)
    {
        var count = 0;
        foreach (var word in mask) count += BitOperations.PopCount(word);
        return count;
    }

    /// <summary>Gives every token that is not in the mask the logit −∞, which no sampler chooses.</summary>
    /// <param name="mask">The mask.</param>
    /// <param name="logits">One logit per token; tokens beyond the mask's end are not in it.</param>
    public static void Apply(ReadOnlySpan<ulong> mask, Span<float> logits)
    {
        for (var word = 0; word * 64 < logits.Length; word++)
        {
            var bits = word < mask.Length ? mask[word] : 0;
            if (bits == ulong.MaxValue) continue;
            var slice = logits.Slice(word * 64, Math.Min(64, logits.Length - word * 64));
            if (bits == 0) slice.Fill(float.NegativeInfinity);
            else Apply(bits, slice);
        }
    }

    /// <summary>One word, four logits at a time: lane <c>i</c> keeps its logit where bit <c>i</c> is set.</summary>
    private static void Apply(ulong bits, Span<float> logits)
    {
        var lanes = Vector128.Create(1, 2, 4, 8);
        var excluded = Vector128.Create(float.NegativeInfinity);
        var bit = 0;
        for (; bit + 4 <= logits.Length; bit += 4, bits >>= 4)
        {
            var isAllowed = Vector128.Equals(Vector128.Create((int)bits) & lanes, lanes);
            ref var first = ref logits[bit];
            Vector128.ConditionalSelect(isAllowed.AsSingle(), Vector128.LoadUnsafe(ref first), excluded).StoreUnsafe(ref first);
        }
        for (; bit < logits.Length; bit++, bits >>= 1)
            if ((bits & 1) == 0) logits[bit] = float.NegativeInfinity;
    }

    /// <summary>Adds a set to another of the same length.</summary>
    internal static void Or(Span<ulong> mask, ReadOnlySpan<ulong> other)
    {
        var done = 0;
        var vectors = MemoryMarshal.Cast<ulong, Vector<ulong>>(mask);
        var others = MemoryMarshal.Cast<ulong, Vector<ulong>>(other);
        for (var index = 0; index < vectors.Length; index++) vectors[index] |= others[index];
        for (done = vectors.Length * Vector<ulong>.Count; done < mask.Length; done++) mask[done] |= other[done];
    }

    /// <summary>Takes a set of the same length out of another.</summary>
    internal static void Except(Span<ulong> mask, ReadOnlySpan<ulong> other)
    {
        var vectors = MemoryMarshal.Cast<ulong, Vector<ulong>>(mask);
        var others = MemoryMarshal.Cast<ulong, Vector<ulong>>(other);
        for (var index = 0; index < vectors.Length; index++) vectors[index] = Vector.AndNot(vectors[index], others[index]);
        for (var done = vectors.Length * Vector<ulong>.Count; done < mask.Length; done++) mask[done] &= ~other[done];
    }
}
