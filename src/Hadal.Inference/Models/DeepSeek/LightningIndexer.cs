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
    /// <summary>Rows that are scored together.</summary>
    public const int RowsTogether = 4;

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
            selects |= Selects(pass, row);
        }

        if (!selects) return;
        _wqB.Multiply(crew, querySource, _wqB.Columns, rows, state.IndexQueries, _wqB.Rows);
        _weightsProj.Multiply(crew, x, _weightsProj.Columns, rows, state.IndexWeights, _headCount);
        if (rows <= RowsTogether)
        {
            // Few rows: threads share the keys, then the rows.
            for (var row = 0; row < rows; row++) Prepare(pass, row, state);
            var score = new ScoreJob(this, pass, layer, state, crew.ThreadCount);
            crew.Run(ref score, crew.ThreadCount);
            var pick = new PickJob(this, pass, state);
            crew.Run(ref pick, rows);
            return;
        }

        var job = new SelectJob(this, pass, layer, state, crew.ThreadCount);
        crew.Run(ref job, crew.ThreadCount);
    }

    /// <summary>Rotates the queries of a row and scales its weights.</summary>
    private void Prepare(Pass pass, int row, DeepSeekState state)
    {
        var queries = state.IndexQueries + ((long)row * _headCount * _headSize);
        var weightScale = (float)(1 / Math.Sqrt((double)_headCount * _headSize));
        for (var h = 0; h < _headCount; h++)
        {
            state.Rope.HalfSplit(new Span<float>(queries + ((long)h * _headSize), _config.QkRopeHeadDim), pass.Positions[row]);
            state.IndexWeights[((long)row * _headCount) + h] *= weightScale;
        }
    }

    /// <summary>Scores of a row at the positions of one block.</summary>
    private void Score(Pass pass, int layer, int row, int block, DeepSeekState state, float* scores)
    {
        var cache = pass.CacheOf(row);
        var keys = cache.Pool.Layout.Second.Read(cache.SecondBlock(layer, block), 0, BlockPool.BlockTokens, room: null);
        IndexScores.Block(
            state.IndexQueries + ((long)row * _headCount * _headSize), state.IndexWeights + ((long)row * _headCount), _headCount, keys, _headSize, scores + ((long)block * BlockPool.BlockTokens));
    }

    private void Pick(Pass pass, int row, DeepSeekState state, float* scores) =>
        Kernels.TopK.Select(new ReadOnlySpan<float>(scores, pass.Positions[row] + 1), state.Selected.AsSpan(row * TopK, TopK));

    private bool Selects(Pass pass, int row) => pass.Positions[row] >= TopK;

    /// <summary>Every part takes some blocks of keys for all rows, of which there are few.</summary>
    private readonly struct ScoreJob(LightningIndexer indexer, Pass pass, int layer, DeepSeekState state, int partCount) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            for (var row = 0; row < pass.RowCount; row++)
            {
                if (!indexer.Selects(pass, row)) continue;
                for (var block = partIndex; block <= pass.Positions[row] / BlockPool.BlockTokens; block += partCount)
                    indexer.Score(pass, layer, row, block, state, state.ScoresOf(0, row));
            }
        }
    }

    private readonly struct PickJob(LightningIndexer indexer, Pass pass, DeepSeekState state) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            if (indexer.Selects(pass, partIndex)) indexer.Pick(pass, partIndex, state, state.ScoresOf(0, partIndex));
        }
    }

    /// <summary>Every part takes some groups of rows, which find the keys of a block in the first-level cache.</summary>
    private readonly struct SelectJob(LightningIndexer indexer, Pass pass, int layer, DeepSeekState state, int partCount) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            var together = Math.Min((pass.RowCount + partCount - 1) / partCount, RowsTogether);
            for (var first = partIndex * together; first < pass.RowCount; first += partCount * together)
            {
                var end = Math.Min(first + together, pass.RowCount);
                var last = 0;
                for (var row = first; row < end; row++)
                {
                    if (!indexer.Selects(pass, row)) continue;
                    indexer.Prepare(pass, row, state);
                    last = Math.Max(last, pass.Positions[row]);
                }

                for (var block = 0; block <= last / BlockPool.BlockTokens; block++)
                {
                    for (var row = first; row < end; row++)
                    {
                        if (indexer.Selects(pass, row) && block <= pass.Positions[row] / BlockPool.BlockTokens)
                            indexer.Score(pass, layer, row, block, state, state.ScoresOf(partIndex, row - first));
                    }
                }

                for (var row = first; row < end; row++)
                {
                    if (indexer.Selects(pass, row)) indexer.Pick(pass, row, state, state.ScoresOf(partIndex, row - first));
                }
            }
        }
    }
}
