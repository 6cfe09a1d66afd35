using System.Globalization;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models.DeepSeek;

/// <summary>A multi-token-prediction layer: <c>layer(eh_proj([enorm(Emb(t_{i+1})), hnorm(h_i)]))</c>, whose output predicts <c>t_{i+2}</c>.</summary>
/// <remarks>Embedding first, as in the published weights; h_i is the main model's hidden state after its final norm. Embedding and head are the
/// layer's own copies where the checkpoint has them. It keeps a cache of its own and leaves that of the main model alone.
/// Adapters of the embedding, the head and the layers are no part of it: what it gives are guesses, which the adapted model accepts or does not.
/// DeepSeek-V3, arXiv:2412.19437, section 2.2.</remarks>
internal sealed unsafe class MultiTokenPrediction : IDisposable
{
    private readonly DeepSeekConfig _config;
    private readonly float[] _embeddingNorm;
    private readonly float[] _hiddenNorm;
    private readonly WeightMatrix _combine;
    private readonly DecoderLayer _layer;
    private readonly float[] _headNorm;
    private readonly WeightMatrix _embedding;
    private readonly WeightMatrix _head;
    private readonly DeepSeekState _state;
    private readonly ThreadCrew _crew;
    private readonly BlockPool _pool;
    private readonly Scratch _scratch;
    private readonly Pass _pass;
    private readonly int _maxContext;

    /// <param name="config">Sizes.</param>
    /// <param name="weights">Tensors.</param>
    /// <param name="layerIndex"><c>num_hidden_layers</c> or behind.</param>
    /// <param name="options">Limits.</param>
    /// <param name="crew">Threads of the main model.</param>
    /// <param name="state">Scratch of the main model, used between its passes.</param>
    public MultiTokenPrediction(DeepSeekConfig config, WeightBinder weights, int layerIndex, EngineOptions options, ThreadCrew crew, DeepSeekState state)
    {
        (_config, _crew, _state) = (config, crew, state);
        var prefix = string.Create(CultureInfo.InvariantCulture, $"model.layers.{layerIndex}.");
        _embeddingNorm = weights.Vector(prefix + "enorm.weight");
        _hiddenNorm = weights.Vector(prefix + "hnorm.weight");
        _combine = weights.Projection(prefix + "eh_proj.weight");
        _layer = new DecoderLayer(config, weights, layerIndex);
        _headNorm = weights.Vector(prefix + "shared_head.norm.weight");
        _embedding = weights.Matrix(weights.Has(prefix + "embed_tokens.weight") ? prefix + "embed_tokens.weight" : "model.embed_tokens.weight");
        _head = weights.Projection(weights.Has(prefix + "shared_head.head.weight") ? prefix + "shared_head.head.weight" : weights.HeadTensor);
        _maxContext = options.ContextFor(config.MaxPositionEmbeddings);
        _pool = new BlockPool(DeepSeekModel.CacheLayoutOf(config, options.CacheFormat) with { LayerCount = 1 }, PagedDecoder.PoolBlocks(config, options));
        _scratch = new Scratch(5L * options.MaxBatchTokens * config.HiddenSize);
        _pass = new Pass(options.MaxBatchTokens, DeepSeekModel.RowsTogether(config));
    }

    /// <summary>Makes an empty cache of this layer for one sequence.</summary>
    public PagedKvCache CreateCache() => new(_pool, _maxContext);

    /// <summary>Computes the next positions of a sequence and adds them to its cache.</summary>
    /// <param name="cache">Made by <see cref="CreateCache"/>.</param>
    /// <param name="nextTokenIds">For each position i the token of position i + 1; at most MaxBatchTokens.</param>
    /// <param name="hidden">[tokens, hidden_size], the main model's stream after its final norm.</param>
    /// <param name="logits">[tokens, vocab_size], of the token of position i + 2; or [vocab_size], of the last alone.</param>
    /// <exception cref="ArgumentException">Lengths do not fit together, a token id is out of range, or the context is passed.</exception>
    /// <exception cref="KvCacheFullException">There is no room for the tokens.</exception>
    public void Forward(PagedKvCache cache, ReadOnlySpan<int> nextTokenIds, ReadOnlySpan<float> hidden, Span<float> logits)
    {
        int rows = nextTokenIds.Length, width = _config.HiddenSize;
        Check(cache, nextTokenIds, hidden.Length, logits.Length);
        cache.Reserve(cache.Length + rows);
        _pass.Clear();
        _pass.Add(cache, cache.Length, nextTokenIds, 0);

        var stream = _scratch.Memory;
        var normed = stream + ((long)rows * width);
        var output = normed + ((long)rows * width);
        var joined = output + ((long)rows * width);
        Combine(nextTokenIds, hidden, joined, stream);
        _layer.Attend(_crew, _pass, 0, stream, normed, output, _state);
        _layer.FeedForward(_crew, _pass, stream, normed, output, _state);
        cache.AdvanceTo(cache.Length + rows);
        var wanted = logits.Length / _config.VocabSize;
        RowJobs.Norm(_crew, stream + ((long)(rows - wanted) * width), width, _headNorm, (float)_config.RmsNormEps, wanted, normed, width);
        fixed (float* y = logits) _head.Multiply(_crew, normed, width, wanted, y, _config.VocabSize);
    }

    /// <summary>Whether a sequence may go on by so many tokens.</summary>
    public bool HasRoom(PagedKvCache cache, int tokenCount) =>
        tokenCount <= _pass.TokenIds.Length && tokenCount <= _maxContext - cache.Length && cache.BlocksMissing(cache.Length + tokenCount) <= _pool.FreeCount;

    /// <summary>The input of the block.</summary>
    /// <param name="nextTokenIds">Tokens one further.</param>
    /// <param name="hidden">[tokens, hidden_size].</param>
    /// <param name="joined">[tokens, 2 · hidden_size] scratch.</param>
    /// <param name="y">[tokens, hidden_size].</param>
    public void Combine(ReadOnlySpan<int> nextTokenIds, ReadOnlySpan<float> hidden, float* joined, float* y)
    {
        var (width, eps) = (_config.HiddenSize, (float)_config.RmsNormEps);
        for (var row = 0; row < nextTokenIds.Length; row++)
        {
            var embedding = joined + ((long)row * 2 * width);
            _embedding.DequantizeRow(nextTokenIds[row], embedding);
            RmsNorm.Apply(new Span<float>(embedding, width), _embeddingNorm, eps, new Span<float>(embedding, width));
            RmsNorm.Apply(hidden.Slice(row * width, width), _hiddenNorm, eps, new Span<float>(embedding + width, width));
        }

        _combine.Multiply(_crew, joined, 2 * width, nextTokenIds.Length, y, width);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _pool.Dispose();
        _scratch.Dispose();
    }


    private void Check(PagedKvCache cache, ReadOnlySpan<int> nextTokenIds, int hiddenLength, int logitLength)
    {
        var rows = nextTokenIds.Length;
        if (cache.Pool != _pool || cache.IsDisposed) throw new ArgumentException("expected an open cache that this layer made", nameof(cache));
        if (rows == 0 || rows > _pass.TokenIds.Length) throw new ArgumentException($"expected 1 to {_pass.TokenIds.Length} tokens, got {rows}", nameof(nextTokenIds));
        if (rows > _maxContext - cache.Length) throw new ArgumentException($"{cache.Length} + {rows} tokens pass the context of {_maxContext}", nameof(nextTokenIds));
        if (hiddenLength != (long)rows * _config.HiddenSize) throw new ArgumentException($"expected {rows} × {_config.HiddenSize} hidden values, got {hiddenLength}");
        if (logitLength != (long)rows * _config.VocabSize && logitLength != _config.VocabSize) throw new ArgumentException($"expected room for {rows} × {_config.VocabSize} logits, got {logitLength}");
        foreach (var id in nextTokenIds)
            if ((uint)id >= (uint)_config.VocabSize) throw new ArgumentException($"token id {id} is not in 0..{_config.VocabSize - 1}", nameof(nextTokenIds));
        if (cache.BlocksMissing(cache.Length + rows) is var missing && missing > _pool.FreeCount) throw new KvCacheFullException(missing, _pool.FreeCount);
    }
}
