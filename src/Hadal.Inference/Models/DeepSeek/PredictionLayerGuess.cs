using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models.DeepSeek;

/// <summary>The multi-token-prediction layer over one sequence.</summary>
/// <param name="layer">The layer.</param>
/// <param name="logits">[vocab_size] room, shared by all sequences of a model.</param>
internal sealed class PredictionLayerGuess(MultiTokenPrediction layer, float[] logits) : TokenPredictor
{
    private readonly PagedKvCache _cache = layer.CreateCache();

    /// <inheritdoc/>
    public override int Predict(ReadOnlySpan<int> nextTokenIds, ReadOnlySpan<float> hidden)
    {
        if (!layer.HasRoom(_cache, nextTokenIds.Length)) return -1;
        layer.Forward(_cache, nextTokenIds, hidden, logits);
        return SamplingWeights.TryCopyFinite(logits, logits) ? ArgMax.Find(logits) : -1;
    }

    /// <inheritdoc/>
    public override void Reset() => _cache.Truncate(0);

    /// <inheritdoc/>
    public override void Dispose() => _cache.Dispose();
}
