using Hadal.Inference.Kernels;

namespace Hadal.Inference.Engine;

/// <summary>Log-probabilities of the model's own distribution, <c>logit − ln Σ e^logit</c>, before temperature, penalties and truncation.</summary>
internal static class LogProbs
{
    /// <summary>The log-probability of one token, and the most likely tokens with theirs.</summary>
    /// <param name="logits">[vocab_size]; NaN and +∞ count as −∞.</param>
    /// <param name="tokenId">The token.</param>
    /// <param name="top">The most likely tokens in falling order, ties by the lowest id.</param>
    /// <param name="scratch">Room to work in.</param>
    public static float Measure(ReadOnlySpan<float> logits, int tokenId, Span<TokenLogProb> top, SamplerScratch scratch)
    {
        var max = float.NegativeInfinity;
        foreach (var logit in logits)
            if (float.IsFinite(logit) && logit > max) max = logit;
        var sum = 0.0;
        foreach (var logit in logits)
            if (float.IsFinite(logit)) sum += Math.Exp(logit - max);
        var logSum = max + Math.Log(sum);

        Span<int> indices = stackalloc int[top.Length];
        TopK.Largest(logits, indices);
        for (var i = 0; i < top.Length; i++) top[i] = new TokenLogProb(indices[i], (float)(logits[indices[i]] - logSum));
        return (float)(logits[tokenId] - logSum);
    }
}
