using Hadal.Inference.Grammars;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Engine;

/// <summary>Room that choosing a token needs; one for all sequences of an engine, since its thread chooses one token at a time.</summary>
internal sealed class SamplerScratch(int vocabSize)
{
    /// <summary>[vocab_size] finite logits, with bias and penalties.</summary>
    public float[] Logits { get; } = new float[vocabSize];

    /// <summary>[vocab_size] how often a token was seen; all zero between calls.</summary>
    public int[] Counts { get; } = new int[vocabSize];

    /// <summary>Weights and what is cut off from them.</summary>
    public TokenDistribution Distribution { get; } = new(vocabSize);
}

/// <summary>Chooses the next token of one sequence.</summary>
/// <remarks>
/// <para>The order of operations is vLLM's (vllm/v1/sample/sampler.py): logit bias; repetition, frequency, presence penalty; then the most likely token if
/// the temperature is below 1e-5, otherwise temperature, min-p, top-k, top-p, each on what the one before left, and a draw. Ties go to the
/// lowest id, in the greedy choice and at the edge of top-k and top-p alike. Where a logit is NaN or infinite nothing is chosen: the others came from the
/// same broken numbers.</para>
/// <para>The choice is a function of logits, tokens, options and seed: the number drawn belongs to the seed and the length of the answer, and all sums are sums
/// of whole numbers (<see cref="TokenDistribution"/>), so it is the same at every vector width and on every machine. No allocation.</para>
/// </remarks>
internal sealed class Sampler
{
    private const int InPrompt = 1 << 30;

    private readonly SamplingOptions _options;
    private readonly ulong _seed;
    private readonly (int TokenId, float Bias)[] _biases;
    private readonly bool _hasPenalties;

    /// <param name="options">Checked options.</param>
    /// <param name="seed">Start of the random sequence.</param>
    public Sampler(SamplingOptions options, ulong seed)
    {
        _options = options;
        _seed = seed;
        _biases = options.LogitBias is null ? [] : [.. options.LogitBias.Select(entry => (entry.Key, (float)entry.Value))];
        _hasPenalties = options.RepetitionPenalty != 1 || options.FrequencyPenalty != 0 || options.PresencePenalty != 0;
    }

    /// <summary>Chooses a token, or −1 if a logit is NaN or infinite.</summary>
    /// <param name="logits">[vocab_size].</param>
    /// <param name="tokenIds">Prompt and answer so far.</param>
    /// <param name="promptLength">How many of them are the prompt.</param>
    /// <param name="scratch">Room to work in.</param>
    /// <param name="mask">The tokens to choose from, at least one of the vocabulary (see <see cref="TokenMask"/>); empty for all.</param>
    public int Next(ReadOnlySpan<float> logits, ReadOnlySpan<int> tokenIds, int promptLength, SamplerScratch scratch, ReadOnlySpan<ulong> mask = default)
    {
        if (!SamplingWeights.TryCopyFinite(logits, scratch.Logits)) return -1;
        foreach (var (tokenId, bias) in _biases) scratch.Logits[tokenId] += bias;
        if (_hasPenalties) Penalize(scratch.Logits, tokenIds, promptLength, scratch.Counts);
        if (!mask.IsEmpty) TokenMask.Apply(mask, scratch.Logits);

        var best = ArgMax.Find(scratch.Logits);
        if (_options.Temperature < 1e-5) return best;

        var distribution = scratch.Distribution;
        distribution.Set(scratch.Logits, best, _options.Temperature, _options.MinP);
        if (_options.TopK > 0) distribution.KeepCount(_options.TopK);
        if (_options.TopP < 1) distribution.KeepShare(_options.TopP);
        return distribution.Draw(RandomSequence.At(_seed, tokenIds.Length - promptLength));
    }

    /// <summary>Counts first, so that a token is penalised once however often it stands in prompt and answer.</summary>
    private void Penalize(Span<float> logits, ReadOnlySpan<int> tokenIds, int promptLength, Span<int> counts)
    {
        foreach (var tokenId in tokenIds[..promptLength]) counts[tokenId] = InPrompt;
        foreach (var tokenId in tokenIds[promptLength..]) counts[tokenId]++;
        foreach (var tokenId in tokenIds)
        {
            var seen = counts[tokenId];
            if (seen == 0) continue;
            counts[tokenId] = 0;
            logits[tokenId] = Penalized(logits[tokenId], seen & ~InPrompt);
        }
    }

    private float Penalized(float logit, int count)
    {
        var value = logit > 0 ? logit / _options.RepetitionPenalty : logit * _options.RepetitionPenalty;
        value -= count * _options.FrequencyPenalty;
        if (count > 0) value -= _options.PresencePenalty;

        // What the penalties carry beyond float32 stays finite.
        return (float)Math.Clamp(value, -float.MaxValue, float.MaxValue);
    }
}
