namespace Hadal.Inference.Engine;

/// <summary>Room that choosing a token needs; one for all sequences of an engine, since its thread chooses one token at a time.</summary>
internal sealed class SamplerScratch(int vocabSize)
{
    /// <summary>[vocab_size] logits with bias and penalties.</summary>
    public float[] Logits { get; } = new float[vocabSize];

    /// <summary>[vocab_size] unnormalised probabilities.</summary>
    public float[] Weights { get; } = new float[vocabSize];

    /// <summary>[vocab_size] how often a token was seen; zero between calls.</summary>
    public int[] Counts { get; } = new int[vocabSize];
}

/// <summary>Chooses the next token of one sequence.</summary>
internal sealed class Sampler(SamplingOptions options, ulong seed)
{
    /// <summary>Chooses a token, or −1 if no logit is finite.</summary>
    /// <param name="logits">[vocab_size].</param>
    /// <param name="tokenIds">Prompt and answer so far.</param>
    /// <param name="promptLength">How many of them are the prompt.</param>
    /// <param name="scratch">Room to work in.</param>
    public int Next(ReadOnlySpan<float> logits, ReadOnlySpan<int> tokenIds, int promptLength, SamplerScratch scratch)
    {
        var best = -1;
        for (var i = 0; i < logits.Length; i++)
            if (float.IsFinite(logits[i]) && (best < 0 || logits[i] > logits[best])) best = i;
        if (best < 0 || options.Temperature < 1e-5) return best;
        var total = 0.0;
        for (var i = 0; i < logits.Length; i++)
        {
            scratch.Weights[i] = float.IsFinite(logits[i]) ? MathF.Exp((logits[i] - logits[best]) / (float)options.Temperature) : 0;
            total += scratch.Weights[i];
        }

        var left = total * RandomSequence.At(seed, tokenIds.Length - promptLength) / ulong.MaxValue;
        for (var i = 0; i < logits.Length; i++)
        {
            if (scratch.Weights[i] > left) return i;
            left -= scratch.Weights[i];
        }

        return best;
    }
}
