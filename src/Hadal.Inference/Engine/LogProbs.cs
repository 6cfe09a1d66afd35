using Hadal.Inference.Kernels;

namespace Hadal.Inference.Engine;

/// <summary>Log-probabilities of the model's own distribution, <c>logit − ln Σ e^logit</c>, before temperature, penalties and truncation.</summary>
internal static class LogProbs
{
    /// <summary>The log-probability of one token, and the most likely tokens with theirs.</summary>
    /// <param name="logits">[vocab_size]; what is not finite counts as −∞.</param>
    /// <param name="tokenId">The token.</param>
    /// <param name="top">The most likely tokens in falling order, ties by the lowest id; at most <see cref="GenerationOptions.MaxTopLogProbs"/>.</param>
    /// <param name="scratch">Room to work in.</param>
    /// <exception cref="GenerationException">No logit is finite.</exception>
    public static double Measure(ReadOnlySpan<float> logits, int tokenId, Span<TokenLogProb> top, SamplerScratch scratch)
    {
        SamplingWeights.Clean(logits, scratch.Logits);
        var best = ArgMax.Find(scratch.Logits);
        if (float.IsNegativeInfinity(scratch.Logits[best])) throw InvalidLogits();
        scratch.Distribution.Set(scratch.Logits, best, temperature: 1, minP: 0);
        var logSum = scratch.Logits[best] + Math.Log(scratch.Distribution.KeptUnits / TokenDistribution.UnitsPerOne);

        Span<int> indices = stackalloc int[top.Length];
        TopK.Largest(scratch.Logits, indices);
        for (var i = 0; i < top.Length; i++) top[i] = new TokenLogProb(indices[i], (float)(scratch.Logits[indices[i]] - logSum));
        return scratch.Logits[tokenId] - logSum;
    }

    /// <summary>What is said when no logit is finite.</summary>
    public static GenerationException InvalidLogits() =>
        new(GenerationFault.InvalidLogits, "the model's logits are not numbers: its weights may be damaged");
}
