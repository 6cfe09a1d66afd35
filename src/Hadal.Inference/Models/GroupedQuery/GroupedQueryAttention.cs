using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models.Adapters;

namespace Hadal.Inference.Models.GroupedQuery;

/// <summary>Grouped-query attention: query head h reads key and value head <c>h / (heads / kv heads)</c>, scale <c>head_dim^−½</c>.</summary>
/// <remarks>Ainslie et al. 2023, arXiv:2305.13245. Cache per token: rotated keys, then values, of all kv heads.</remarks>
internal sealed unsafe class GroupedQueryAttention
{
    private readonly GroupedQueryConfig _config;
    private readonly WeightMatrix _q;
    private readonly Projections _qkv;
    private readonly WeightMatrix _o;
    private readonly int _qSite;
    private readonly int _kSite;
    private readonly int _vSite;
    private readonly int _oSite;
    private readonly float[]? _qBias;
    private readonly float[]? _kBias;
    private readonly float[]? _vBias;
    private readonly float[]? _oBias;
    private readonly float[]? _qNorm;
    private readonly float[]? _kNorm;

    public GroupedQueryAttention(GroupedQueryConfig config, WeightBinder weights, string prefix)
    {
        _config = config;
        _q = weights.Projection(prefix + "q_proj.weight");
        _qkv = new Projections(_q, weights.Projection(prefix + "k_proj.weight"), weights.Projection(prefix + "v_proj.weight"));
        _o = weights.Projection(prefix + "o_proj.weight");
        _qSite = weights.Site(prefix + "q_proj");
        _kSite = weights.Site(prefix + "k_proj");
        _vSite = weights.Site(prefix + "v_proj");
        _oSite = weights.Site(prefix + "o_proj");
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
        _qkv.Multiply(crew, x, rows, state.Queries, state.Keys, state.Values);
        var (queryWidth, keyWidth) = (_q.Rows, _config.KeyValueHeadCount * _config.HeadSize);
        Adaptation.Apply(crew, pass, _qSite, x, _q.Columns, state.Queries, queryWidth);
        Adaptation.Apply(crew, pass, _kSite, x, _q.Columns, state.Keys, keyWidth);
        Adaptation.Apply(crew, pass, _vSite, x, _q.Columns, state.Values, keyWidth);
        RowJobs.AddBias(state.Queries, _qBias, rows);
        RowJobs.AddBias(state.Keys, _kBias, rows);
        RowJobs.AddBias(state.Values, _vBias, rows);

        var rotate = new RotateJob(this, pass, layer, state, RowJobs.Parts(crew, rows));
        crew.Run(ref rotate, rotate.PartCount);
        AttentionJob<Items>.Run(crew, new Items(this, pass, layer, state), state.Attention);

        _o.Multiply(crew, state.Heads, _o.Columns, rows, y, _o.Rows);
        Adaptation.Apply(crew, pass, _oSite, state.Heads, _o.Columns, y, _o.Rows);
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
                var values = state.Values + ((long)row * width);
                for (var h = 0; h < config.KeyValueHeadCount; h++)
                {
                    cache.WriteFirst(layer, position, h, new ReadOnlySpan<float>(keys + (h * config.HeadSize), config.HeadSize));
                    cache.WriteSecond(layer, position, h, new ReadOnlySpan<float>(values + (h * config.HeadSize), config.HeadSize));
                }
            }
        }
    }

    /// <summary>An item is some rows of a sequence and a kv head with the query heads that read it.</summary>
    private readonly struct Items(GroupedQueryAttention layerWeights, Pass pass, int layer, GroupedQueryState state) : IAttentionItems
    {
        private readonly int _kvHeads = layerWeights._config.KeyValueHeadCount;
        private readonly int _group = layerWeights._config.NumAttentionHeads / layerWeights._config.KeyValueHeadCount;
        private readonly int _size = layerWeights._config.HeadSize;

        public int ItemCount => pass.GroupCount * _kvHeads;

        public float Scale => 1f / MathF.Sqrt(_size);

        public int QueryCount(int item) => GroupOf(item).RowCount * _group;

        public int SeenBy(int item, int query) => pass.Positions[GroupOf(item).RowBegin + (query / _group)] + 1;

        public void Pack(int item, float* queries)
        {
            var rows = GroupOf(item);
            for (var i = 0; i < rows.RowCount; i++)
            {
                var heads = state.Queries + Offset(rows.RowBegin + i, item % _kvHeads);
                new Span<float>(heads, _group * _size).CopyTo(new Span<float>(queries + ((long)i * _group * _size), _group * _size));
            }
        }

        public AttentionBlock Block(int item, int begin, int count, in AttentionLane lane)
        {
            var cache = pass.Pieces[GroupOf(item).Piece].Cache;
            var (layout, head, block) = (cache.Pool.Layout, item % _kvHeads, begin / BlockPool.BlockTokens);
            byte* first = cache.FirstBlock(layer, block), second = cache.SecondBlock(layer, block);
            var queryCount = QueryCount(item);
            if (queryCount <= AttentionRoom.SplitQueries && layout.First.AreMultipliedInPlace)
            {
                var isLast = begin + BlockPool.BlockTokens >= SeenBy(item, queryCount - 1);
                return AttentionBlock.InPlace(layout, first, second, head, isLast ? null : cache.FirstBlock(layer, block + 1));
            }

            var keys = layout.First.Read(first, head, count, lane.Keys);
            var values = layout.Second.Read(second, head, count, lane.Values);
            return new AttentionBlock(keys, layout.First.Stride, layout.First.IsTransposed, values, layout.Second.Stride);
        }

        public float* Output(int item, int query) =>
            state.Heads + Offset(GroupOf(item).RowBegin + (query / _group), item % _kvHeads) + (query % _group * _size);

        private RowGroup GroupOf(int item) => pass.Groups[item / _kvHeads];

        private long Offset(int row, int kvHead) => (((long)row * _kvHeads) + kvHead) * _group * _size;
    }
}
