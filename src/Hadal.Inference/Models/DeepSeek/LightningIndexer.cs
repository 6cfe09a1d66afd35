using System.Numerics;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models.DeepSeek;

/// <summary>Selects the positions a query attends to: <c>I[t, s] = Σ_j w_j[t] · max(0, q_j[t] · k[s])</c>, the index_topk largest, ties by the lowest position.</summary>
/// <remarks>q_j from the normalised query latent (the hidden state where q_lora_rank is null), k = LayerNorm(wk x) with eps 1e-6, both
/// rotated in their first qk_rope_head_dim values with half-split pairs; w = weights_proj x · index_n_heads^−½ · index_head_dim^−½.
/// Rows that see no more than index_topk positions attend to all and are not scored. DeepSeek-V3.2-Exp <c>inference/model.py</c>, with the
/// half-split pairing of transformers <c>deepseek_v32</c>; the Hadamard rotation of both sides cancels without FP8 and is left out.</remarks>
internal sealed unsafe class LightningIndexer
{
    private const float LayerNormEps = 1e-6f;

    private readonly DeepSeekConfig _config;
    private readonly int _headCount;
    private readonly int _headSize;
    private readonly WeightMatrix _wqB;
    private readonly WeightMatrix _wk;
    private readonly WeightMatrix _weightsProj;
    private readonly float[] _kNorm;
    private readonly float[] _kNormBias;

    public LightningIndexer(DeepSeekConfig config, WeightBinder weights, string prefix)
    {
        _config = config;
        _headCount = config.IndexNHeads!.Value;
        _headSize = config.IndexHeadDim!.Value;
        TopK = config.IndexTopk!.Value;
        _wqB = weights.Matrix(prefix + "wq_b.weight");
        _wk = weights.Matrix(prefix + "wk.weight");
        _kNorm = weights.Vector(prefix + "k_norm.weight");
        _kNormBias = weights.Vector(prefix + "k_norm.bias");
        _weightsProj = weights.Matrix(prefix + "weights_proj.weight");
    }

    /// <summary>Positions selected at most.</summary>
    public int TopK { get; }

    /// <summary>Adds the keys of the pass to the caches and selects the positions of every row that sees more than <see cref="TopK"/>.</summary>
    /// <param name="crew">Threads.</param>
    /// <param name="pass">Rows and their sequences.</param>
    /// <param name="layer">Index of the layer in the caches.</param>
    /// <param name="x">[rows, hidden_size], normalised.</param>
    /// <param name="querySource">[rows, q_lora_rank] normalised, or <paramref name="x"/>.</param>
    /// <param name="state">Receives <see cref="DeepSeekState.Selected"/>.</param>
    public void Select(ThreadCrew crew, Pass pass, int layer, float* x, float* querySource, DeepSeekState state)
    {
        var rows = pass.RowCount;
        _wk.Multiply(crew, x, _wk.Columns, rows, state.IndexKeys, _headSize);
        var selects = false;
        for (var row = 0; row < rows; row++)
        {
            var key = new Span<float>(state.IndexKeys + ((long)row * _headSize), _headSize);
            LayerNorm.Apply(key, _kNorm, _kNormBias, LayerNormEps, key);
            state.Rope.HalfSplit(key[.._config.QkRopeHeadDim], pass.Positions[row]);
            pass.CacheOf(row).WriteSecond(layer, pass.Positions[row], 0, key);
            selects |= pass.Positions[row] >= TopK;
        }

        if (!selects) return;
        _wqB.Multiply(crew, querySource, _wqB.Columns, rows, state.IndexQueries, _wqB.Rows);
        _weightsProj.Multiply(crew, x, _weightsProj.Columns, rows, state.IndexWeights, _headCount);
        var job = new SelectJob(this, pass, layer, state, crew.ThreadCount);
        crew.Run(ref job, crew.ThreadCount);
    }

    /// <summary>Index scores of one row.</summary>
    private void Score(PagedKvCache cache, int layer, int row, int position, DeepSeekState state, int partIndex, Span<float> scores)
    {
        var queries = state.IndexQueries + ((long)row * _headCount * _headSize);
        for (var h = 0; h < _headCount; h++) state.Rope.HalfSplit(new Span<float>(queries + ((long)h * _headSize), _config.QkRopeHeadDim), position);
        var weightScale = (float)(1 / Math.Sqrt((double)_headCount * _headSize));
        var tile = state.IndexTile + ((long)partIndex * _headCount * BlockPool.BlockTokens);
        scores.Clear();
        for (var begin = 0; begin < scores.Length; begin += BlockPool.BlockTokens)
        {
            var count = Math.Min(BlockPool.BlockTokens, scores.Length - begin);
            var keys = cache.Pool.Layout.Second.Read(cache.SecondBlock(layer, begin / BlockPool.BlockTokens), 0, count, room: null);
            Attention.Scores(queries, _headSize, _headCount, keys, _headSize, count, _headSize, 1f, tile, BlockPool.BlockTokens);
            for (var h = 0; h < _headCount; h++)
            {
                var weight = state.IndexWeights[((long)row * _headCount) + h] * weightScale;
                AddRectified(new Span<float>(tile + ((long)h * BlockPool.BlockTokens), count), weight, scores.Slice(begin, count));
            }
        }
    }

    /// <summary><c>sum[s] += weight · max(0, x[s])</c>, product and sum rounded on their own: the same bits at every vector width.</summary>
    private static void AddRectified(ReadOnlySpan<float> x, float weight, Span<float> sum)
    {
        var s = 0;
        for (; s <= x.Length - Vector<float>.Count; s += Vector<float>.Count)
        {
            var rectified = Vector.Max(new Vector<float>(x[s..]), Vector<float>.Zero);
            (new Vector<float>(sum[s..]) + (rectified * weight)).CopyTo(sum[s..]);
        }

        for (; s < x.Length; s++) sum[s] += MathF.Max(0f, x[s]) * weight;
    }

    private readonly struct SelectJob(LightningIndexer indexer, Pass pass, int layer, DeepSeekState state, int partCount) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            for (var row = partIndex; row < pass.RowCount; row += partCount)
            {
                var position = pass.Positions[row];
                if (position < indexer.TopK) continue;
                var scores = new Span<float>(state.Scores + ((long)partIndex * state.ScoreStride), position + 1);
                indexer.Score(pass.CacheOf(row), layer, row, position, state, partIndex, scores);
                Kernels.TopK.Select(scores, state.Selected.AsSpan(row * indexer.TopK, indexer.TopK));
            }
        }
    }
}
