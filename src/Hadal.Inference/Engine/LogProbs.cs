using System.Globalization;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Engine;

/// <summary>Log-probabilities of the model's own distribution, <c>logit − ln Σ e^logit</c>, before temperature, penalties and truncation.</summary>
internal static class LogProbs
{
    /// <summary>The log-probability of one token, and the most likely tokens with theirs.</summary>
    /// <param name="logits">[vocab_size].</param>
    /// <param name="tokenId">The token.</param>
    /// <param name="top">The most likely tokens in falling order, ties by the lowest id; at most <see cref="GenerationOptions.MaxTopLogProbs"/>.</param>
    /// <param name="scratch">Room to work in.</param>
    /// <exception cref="GenerationException">A logit is NaN or infinite.</exception>
    public static double Measure(ReadOnlySpan<float> logits, int tokenId, Span<TokenLogProb> top, SamplerScratch scratch)
    {
        if (!SamplingWeights.TryCopyFinite(logits, scratch.Logits)) throw InvalidLogits(logits);
        var best = ArgMax.Find(scratch.Logits);
        scratch.Distribution.Set(scratch.Logits, best, temperature: 1, minP: 0);
        var logSum = scratch.Logits[best] + Math.Log(scratch.Distribution.KeptUnits / TokenDistribution.UnitsPerOne);

        Span<int> indices = stackalloc int[top.Length];
        TopK.Largest(scratch.Logits, indices);
        for (var i = 0; i < top.Length; i++) top[i] = new TokenLogProb(indices[i], (float)(scratch.Logits[indices[i]] - logSum));
        return scratch.Logits[tokenId] - logSum;
    }

    /// <summary>What is said when a logit is NaN or infinite.</summary>
    public static GenerationException InvalidLogits(ReadOnlySpan<float> logits)
    {
        var count = 0;
        foreach (var logit in logits) count += float.IsFinite(logit) ? 0 : 1;
        return new GenerationException(GenerationFault.InvalidLogits, string.Create(
            CultureInfo.InvariantCulture,
            $"logits: expected finite numbers, {count} of {logits.Length} are NaN or infinite; the weights are damaged: compare the files with their source, or fetch them again"));
    }
}
