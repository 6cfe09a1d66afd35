using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models.GroupedQuery;

/// <summary>Grouped-query attention: query head h reads key and value head <c>h / (heads / kv heads)</c>, scale <c>head_dim^−½</c>.</summary>
/// <remarks>Ainslie et al. 2023, arXiv:2305.13245. Cache per token: rotated keys, then values, of all kv heads.</remarks>
internal sealed unsafe class GroupedQueryAttention
{
    private readonly GroupedQueryConfig _config;
    private readonly WeightMatrix _q;
    private readonly WeightMatrix _k;
    private readonly WeightMatrix _v;
    private readonly WeightMatrix _o;
    private readonly float[]? _qBias;
    private readonly float[]? _kBias;
    private readonly float[]? _vBias;
    private readonly float[]? _oBias;
    private readonly float[]? _qNorm;
    private readonly float[]? _kNorm;

    public GroupedQueryAttention(GroupedQueryConfig config, WeightBinder weights, string prefix)
    {
        _config = config;
        _q = weights.Matrix(prefix + "q_proj.weight");
        _k = weights.Matrix(prefix + "k_proj.weight");
        _v = weights.Matrix(prefix + "v_proj.weight");
        _o = weights.Matrix(prefix + "o_proj.weight");
        _qBias = weights.VectorOrNull(prefix + "q_proj.bias");
        _kBias = weights.VectorOrNull(prefix + "k_proj.bias");
        _vBias = weights.VectorOrNull(prefix + "v_proj.bias");
        _oBias = weights.VectorOrNull(prefix + "o_proj.bias");
        _qNorm = config.HasQkNorm ? weights.Vector(prefix + "q_norm.weight") : null;
        _kNorm = config.HasQkNorm ? weights.Vector(prefix + "k_norm.weight") : null;
    }

    /// <param name="crew">Threads.</param>
    /// <param name="pass">Rows and their sequences; keys and values are added to the caches.</param>
    /// <param name="layer">Index of the layer in the caches.</param>
    /// <param name="x">[rows, hidden_size], normalised.</param>
    /// <param name="y">[rows, hidden_size].</param>
    /// <param name="state">Scratch.</param>
    public void Forward(ThreadCrew crew, Pass pass, int layer, float* x, float* y, GroupedQueryState state)
    {
        var rows = pass.RowCount;
        _q.Multiply(crew, x, _q.Columns, rows, state.Queries, _q.Rows);
        _k.Multiply(crew, x, _k.Columns, rows, state.Keys, _k.Rows);
        _v.Multiply(crew, x, _v.Columns, rows, state.Values, _v.Rows);
        RowJobs.AddBias(state.Queries, _qBias, rows);
        RowJobs.AddBias(state.Keys, _kBias, rows);
        RowJobs.AddBias(state.Values, _vBias, rows);

        var rotate = new RotateJob(this, pass, layer, state, RowJobs.Parts(crew, rows));
        crew.Run(ref rotate, rotate.PartCount);
        var attend = new AttendJob(this, pass, layer, state, crew.ThreadCount);
        crew.Run(ref attend, crew.ThreadCount);

        _o.Multiply(crew, state.Heads, _o.Columns, rows, y, _o.Rows);
        RowJobs.AddBias(y, _oBias, rows);
    }

    /// <summary>Normalises and rotates every head of a row, in place.</summary>
    private void Rotate(float* heads, int headCount, float[]? norm, int position, RopeTable rope)
    {
        var size = _config.HeadSize;
        for (var h = 0; h < headCount; h++)
        {
            var head = new Span<float>(heads + ((long)h * size), size);
            if (norm is not null) RmsNorm.Apply(head, norm, (float)_config.RmsNormEps, head);
            if (_config.UsesInterleavedRope) rope.Interleaved(head, position);
            else rope.HalfSplit(head, position);
        }
    }

    /// <summary>Norm and rotation of queries and keys, and the copy of keys and values into the caches.</summary>
    private readonly struct RotateJob(GroupedQueryAttention layerWeights, Pass pass, int layer, GroupedQueryState state, int partCount) : ICrewJob
    {
        public int PartCount => partCount;

        public void Execute(int partIndex)
        {
            var config = layerWeights._config;
            var width = config.KeyValueHeadCount * config.HeadSize;
            for (var row = partIndex; row < pass.RowCount; row += partCount)
            {
                var (position, cache) = (pass.Positions[row], pass.CacheOf(row));
                var keys = state.Keys + ((long)row * width);
                layerWeights.Rotate(state.Queries + ((long)row * layerWeights._q.Rows), config.NumAttentionHeads, layerWeights._qNorm, position, state.Rope);
                layerWeights.Rotate(keys, config.KeyValueHeadCount, layerWeights._kNorm, position, state.Rope);
                new Span<float>(keys, width).CopyTo(new Span<float>(cache.First(layer, position), width));
                new Span<float>(state.Values + ((long)row * width), width).CopyTo(new Span<float>(cache.Second(layer, position), width));
            }
        }
    }

    /// <summary>Softmax attention; one item of work is a row and a kv head with the query heads that read it.</summary>
    private readonly struct AttendJob(GroupedQueryAttention layerWeights, Pass pass, int layer, GroupedQueryState state, int partCount) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            var config = layerWeights._config;
            var heads = config.KeyValueHeadCount;
            for (var item = partIndex; item < pass.RowCount * heads; item += partCount) Attend(item / heads, item % heads, partIndex);
        }

        private void Attend(int row, int kvHead, int partIndex)
        {
            var config = layerWeights._config;
            int size = config.HeadSize, group = config.NumAttentionHeads / config.KeyValueHeadCount, stride = config.KeyValueHeadCount * size;
            var cache = pass.CacheOf(row);
            var count = pass.Positions[row] + 1;
            var offset = ((long)row * config.NumAttentionHeads * size) + ((long)kvHead * group * size);
            var scores = state.Scores + ((long)partIndex * group * state.ScoreStride);

            var scale = 1f / MathF.Sqrt(size);
            for (var begin = 0; begin < count; begin += BlockPool.BlockTokens)
            {
                var keys = cache.FirstBlock(layer, begin / BlockPool.BlockTokens) + (kvHead * size);
                Attention.Scores(
                    state.Queries + offset, size, group, keys, stride, Math.Min(BlockPool.BlockTokens, count - begin), size, scale, scores + begin, state.ScoreStride);
            }

            for (var h = 0; h < group; h++)
            {
                var weights = scores + ((long)h * state.ScoreStride);
                Softmax.Apply(new Span<float>(weights, count), new Span<float>(weights, count));
                var output = state.Heads + offset + (h * size);
                new Span<float>(output, size).Clear();
                for (var begin = 0; begin < count; begin += BlockPool.BlockTokens)
                {
                    var values = cache.SecondBlock(layer, begin / BlockPool.BlockTokens) + (kvHead * size);
                    Attention.WeightedSum(weights + begin, values, stride, Math.Min(BlockPool.BlockTokens, count - begin), size, output);
                }
            }
        }
    }
}
