using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models.Adapters;

namespace Hadal.Inference.Models.DeepSeek;

/// <summary>Multi-head latent attention over a cache of one normalised latent and one rotated key per token.</summary>
/// <remarks>
/// <code>
/// q        = q_proj x  or  q_b_proj(rms(q_a_proj x))            per head [qn | qr]
/// [c | kr] = kv_a_proj_with_mqa x ;  c = rms(c)                 cached after the rotation of kr
/// plain:     [kn | v] = kv_b_proj c ;  score = (qn·kn + qr·kr) · scale ;  o = Σ p v
/// absorbed:  qc = W_UKᵀ qn ;           score = (qc·c + qr·kr) · scale ;   o = W_UV Σ p c
/// </code>
/// with W_UK and W_UV the key and value rows of a head in kv_b_proj. Rotary pairs are interleaved. The latent norms use eps 1e-6 whatever
/// the config says. DeepSeek-V2, arXiv:2405.04434; DeepSeek-V3 <c>inference/model.py</c>.
/// </remarks>
internal sealed unsafe class MultiHeadLatentAttention
{
    private const float LatentNormEps = 1e-6f;

    private readonly DeepSeekConfig _config;
    private readonly WeightMatrix? _q;
    private readonly WeightMatrix? _qA;
    private readonly WeightMatrix? _qB;
    private readonly float[]? _qANorm;
    private readonly Projections _inputs;
    private readonly float[] _kvANorm;
    private readonly KeyValueExpansion _kvB;
    private readonly WeightMatrix _o;
    private readonly LightningIndexer? _indexer;
    private readonly int _querySite;
    private readonly int _queryExpansionSite;
    private readonly int _kvASite;
    private readonly int _oSite;

    public MultiHeadLatentAttention(DeepSeekConfig config, WeightBinder weights, string prefix)
    {
        _config = config;
        if (config.QLoraRank is null)
        {
            _q = weights.Projection(prefix + "q_proj.weight");
        }
        else
        {
            _qA = weights.Projection(prefix + "q_a_proj.weight");
            _qANorm = weights.Vector(prefix + "q_a_layernorm.weight");
            _qB = weights.Projection(prefix + "q_b_proj.weight");
        }

        _inputs = new Projections(_qA ?? _q!, weights.Projection(prefix + "kv_a_proj_with_mqa.weight"));
        _kvANorm = weights.Vector(prefix + "kv_a_layernorm.weight");
        _kvB = new KeyValueExpansion(config, weights, prefix);
        _o = weights.Projection(prefix + "o_proj.weight");
        _querySite = weights.Site(prefix + (_qA is null ? "q_proj" : "q_a_proj"));
        _queryExpansionSite = _qA is null ? -1 : weights.Site(prefix + "q_b_proj");
        _kvASite = weights.Site(prefix + "kv_a_proj_with_mqa");
        _oSite = weights.Site(prefix + "o_proj");
        if (config.HasIndexer && weights.Has(prefix + "indexer.wk.weight")) _indexer = new LightningIndexer(config, weights, prefix + "indexer.");
    }

    private int CacheWidth => _config.KvLoraRank + _config.QkRopeHeadDim;

    /// <param name="crew">Threads.</param>
    /// <param name="pass">Rows and their sequences; latents and keys are added to the caches.</param>
    /// <param name="layer">Index of the layer in the caches.</param>
    /// <param name="x">[rows, hidden_size], normalised.</param>
    /// <param name="y">[rows, hidden_size].</param>
    /// <param name="state">Scratch.</param>
    public void Forward(ThreadCrew crew, Pass pass, int layer, float* x, float* y, DeepSeekState state)
    {
        var rows = pass.RowCount;
        var querySource = x;
        if (_qA is null)
        {
            _inputs.Multiply(crew, x, rows, state.Queries, state.KeyValueLatent);
            Adaptation.Apply(crew, pass, _querySite, x, _config.HiddenSize, state.Queries, _q!.Rows);
        }
        else
        {
            querySource = state.QueryLatent;
            _inputs.Multiply(crew, x, rows, querySource, state.KeyValueLatent);
            Adaptation.Apply(crew, pass, _querySite, x, _config.HiddenSize, querySource, _qA.Rows);
            RowJobs.Norm(crew, querySource, _qA.Rows, _qANorm!, LatentNormEps, rows, querySource, _qA.Rows);
            _qB!.Multiply(crew, querySource, _qB.Columns, rows, state.Queries, _qB.Rows);
            Adaptation.Apply(crew, pass, _queryExpansionSite, querySource, _qB.Columns, state.Queries, _qB.Rows);
        }

        Adaptation.Apply(crew, pass, _kvASite, x, _config.HiddenSize, state.KeyValueLatent, CacheWidth);
        var rotate = new RotateJob(this, pass, layer, state, RowJobs.Parts(crew, rows));
        crew.Run(ref rotate, rotate.PartCount);
        _indexer?.Select(crew, pass, layer, x, querySource, state);

        if (AttendPlain(crew, pass, layer, state))
        {
            var absorb = new AbsorbJob(this, pass, state, isOutput: false);
            crew.Run(ref absorb, _config.NumAttentionHeads);
            AttentionJob<Items>.Run(crew, new Items(this, pass, layer, state), state.Absorbed);
            var expand = new AbsorbJob(this, pass, state, isOutput: true);
            crew.Run(ref expand, _config.NumAttentionHeads);
        }

        _o.Multiply(crew, state.Heads, _o.Columns, rows, y, _o.Rows);
        Adaptation.Apply(crew, pass, _oSite, state.Heads, _o.Columns, y, _o.Rows);
    }

    /// <summary>Whether a piece is computed in the plain form.</summary>
    private bool IsPlain(in PassPiece piece, EngineOptions options) => options.MlaForm switch
    {
        MlaForm.Plain => true,
        MlaForm.Auto => piece.SliceLength >= options.PlainFromTokens && (_indexer is null || piece.SliceEnd <= _indexer.TopK),
        _ => false,
    };

    /// <summary>Computes the pieces of the plain form; true where others remain.</summary>
    private bool AttendPlain(ThreadCrew crew, Pass pass, int layer, DeepSeekState state)
    {
        var remains = false;
        for (var p = 0; p < pass.PieceCount; p++)
        {
            if (!IsPlain(pass.Pieces[p], state.Options))
            {
                remains = true;
                continue;
            }

            var job = new PlainJob(this, pass.Pieces[p], layer, state, crew.ThreadCount);
            crew.Run(ref job, crew.ThreadCount);
        }

        return remains;
    }

    /// <summary>Positions that a row attends to: a list, or null for all up to its own.</summary>
    private ReadOnlySpan<int> SelectedOf(int row, int position, DeepSeekState state) =>
        _indexer is not null && position >= _indexer.TopK ? state.Selected.AsSpan(row * _indexer.TopK, _indexer.TopK) : default;

    /// <summary>Rotates the queries, and writes normalised latents and rotated keys into the caches.</summary>
    private readonly struct RotateJob(MultiHeadLatentAttention attention, Pass pass, int layer, DeepSeekState state, int partCount) : ICrewJob
    {
        public int PartCount => partCount;

        public void Execute(int partIndex)
        {
            var config = attention._config;
            int latent = config.KvLoraRank, rope = config.QkRopeHeadDim, head = config.QkHeadDim;
            for (var row = partIndex; row < pass.RowCount; row += partCount)
            {
                var position = pass.Positions[row];
                var queries = state.Queries + ((long)row * config.NumAttentionHeads * head);
                for (var h = 0; h < config.NumAttentionHeads; h++)
                    state.Rope.Interleaved(new Span<float>(queries + ((long)h * head) + config.QkNopeHeadDim, rope), position);
                var source = state.KeyValueLatent + ((long)row * attention.CacheWidth);
                var normed = new Span<float>(source, latent);
                RmsNorm.Apply(normed, attention._kvANorm, LatentNormEps, normed);
                state.Rope.Interleaved(new Span<float>(source + latent, rope), position);
                pass.CacheOf(row).WriteFirst(layer, position, 0, new ReadOnlySpan<float>(source, attention.CacheWidth));
            }
        }
    }

    /// <summary>One head: queries into the latent space, or attended latents out of it.</summary>
    private readonly struct AbsorbJob(MultiHeadLatentAttention attention, Pass pass, DeepSeekState state, bool isOutput) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            var config = attention._config;
            int heads = config.NumAttentionHeads, latent = config.KvLoraRank, value = config.VHeadDim, width = attention.CacheWidth;
            for (var p = 0; p < pass.PieceCount; p++)
            {
                ref readonly var piece = ref pass.Pieces[p];
                if (attention.IsPlain(piece, state.Options)) continue;
                long row = piece.RowBegin;
                var adapter = piece.Adapter?.At(attention._kvB.Site);
                if (isOutput)
                {
                    var source = state.AttendedLatents + (((row * heads) + partIndex) * latent);
                    attention._kvB.Values(partIndex, source, heads * latent, piece.RowCount, state.Heads + (((row * heads) + partIndex) * value), heads * value, adapter);
                    continue;
                }

                var query = state.Queries + (((row * heads) + partIndex) * config.QkHeadDim);
                var target = state.LatentQueries + (((row * heads) + partIndex) * width);
                attention._kvB.AbsorbQuery(partIndex, query, heads * config.QkHeadDim, piece.RowCount, target, heads * width, adapter);
                for (var i = 0; i < piece.RowCount; i++)
                {
                    new Span<float>(query + ((long)i * heads * config.QkHeadDim) + config.QkNopeHeadDim, config.QkRopeHeadDim)
                        .CopyTo(new Span<float>(target + ((long)i * heads * width) + latent, config.QkRopeHeadDim));
                }
            }
        }
    }

    /// <summary>Absorbed attention: an item is some rows of a sequence and some heads, all of which read the same latents.</summary>
    private readonly struct Items(MultiHeadLatentAttention attention, Pass pass, int layer, DeepSeekState state) : IAttentionItems
    {
        private const int RowsAhead = 4;

        private readonly int _heads = attention._config.NumAttentionHeads;
        private readonly int _block = Math.Min(attention._config.NumAttentionHeads, DeepSeekState.MaxQueries);
        private readonly int _blocks = (attention._config.NumAttentionHeads + DeepSeekState.MaxQueries - 1) / DeepSeekState.MaxQueries;
        private readonly int _width = attention.CacheWidth;

        public int ItemCount => pass.GroupCount * _blocks;

        public float Scale => state.SoftmaxScale;

        public int QueryCount(int item)
        {
            var group = GroupOf(item);
            return attention.IsPlain(pass.Pieces[group.Piece], state.Options) ? 0 : group.RowCount * HeadCount(item);
        }

        public int SeenBy(int item, int query)
        {
            var row = GroupOf(item).RowBegin + (query / HeadCount(item));
            var selected = attention.SelectedOf(row, pass.Positions[row], state);
            return selected.IsEmpty ? pass.Positions[row] + 1 : selected.Length;
        }

        public void Pack(int item, float* queries)
        {
            var (group, length) = (GroupOf(item), HeadCount(item) * _width);
            for (var i = 0; i < group.RowCount; i++)
            {
                var source = state.LatentQueries + (((long)(group.RowBegin + i) * _heads) + HeadBegin(item)) * _width;
                new Span<float>(source, length).CopyTo(new Span<float>(queries + ((long)i * length), length));
            }
        }

        public AttentionBlock Block(int item, int begin, int count, in AttentionLane lane)
        {
            var group = GroupOf(item);
            var cache = pass.Pieces[group.Piece].Cache;
            var rows = cache.Pool.Layout.First;
            var selected = attention.SelectedOf(group.RowBegin, pass.Positions[group.RowBegin], state);
            var latents = lane.Keys;
            if (selected.IsEmpty)
            {
                latents = rows.Read(cache.FirstBlock(layer, begin / BlockPool.BlockTokens), 0, count, lane.Keys);
            }
            else
            {
                for (var i = 0; i < count; i++)
                {
                    // What is selected lies far apart: asked for ahead, or every row is waited for.
                    var ahead = begin + i + RowsAhead;
                    if (ahead < selected.Length) rows.WillRead(cache.FirstBlock(layer, selected[ahead] / BlockPool.BlockTokens), 0, selected[ahead] % BlockPool.BlockTokens);
                    var (block, slot) = Math.DivRem(selected[begin + i], BlockPool.BlockTokens);
                    rows.ReadRow(cache.FirstBlock(layer, block), 0, slot, latents + ((long)i * _width));
                }
            }

            return new AttentionBlock(latents, _width, false, latents, _width);
        }

        public float* Output(int item, int query)
        {
            var (row, head) = (GroupOf(item).RowBegin + (query / HeadCount(item)), HeadBegin(item) + (query % HeadCount(item)));
            return state.AttendedLatents + ((((long)row * _heads) + head) * attention._config.KvLoraRank);
        }

        private RowGroup GroupOf(int item) => pass.Groups[item / _blocks];

        private int HeadBegin(int item) => item % _blocks * _block;

        private int HeadCount(int item) => Math.Min(_block, _heads - HeadBegin(item));
    }

    /// <summary>Plain attention of one piece; one item of work is a head, whose keys and values are expanded from the cache.</summary>
    private readonly struct PlainJob(MultiHeadLatentAttention attention, PassPiece piece, int layer, DeepSeekState state, int partCount) : ICrewJob
    {
        private const int BlockTokens = BlockPool.BlockTokens;

        public void Execute(int partIndex)
        {
            var config = attention._config;
            var width = config.QkHeadDim + config.VHeadDim;
            var expanded = state.Expanded + ((long)partIndex * state.ScoreStride * width);
            for (var head = partIndex; head < config.NumAttentionHeads; head += partCount)
            {
                Expand(head, expanded, width, partIndex);
                var together = attention._indexer is null ? DeepSeekState.MaxQueries : 1;
                for (var i = 0; i < piece.RowCount; i += together) Attend(head, i, Math.Min(together, piece.RowCount - i), expanded, width, partIndex);
            }
        }

        /// <summary>[kn | kr | v] of a head at every position up to the piece's last.</summary>
        private void Expand(int head, float* expanded, int width, int partIndex)
        {
            var config = attention._config;
            var (end, rows) = (piece.Position + piece.RowCount, piece.Cache.Pool.Layout.First);
            var room = state.Absorbed.Lane(partIndex).Keys;
            var adapter = piece.Adapter?.At(attention._kvB.Site);
            for (var begin = 0; begin < end; begin += BlockTokens)
            {
                var n = Math.Min(BlockTokens, end - begin);
                var latents = rows.Read(piece.Cache.FirstBlock(layer, begin / BlockTokens), 0, n, room);
                var target = expanded + ((long)begin * width);
                attention._kvB.Keys(head, latents, attention.CacheWidth, n, target, width, adapter);
                attention._kvB.Values(head, latents, attention.CacheWidth, n, target + config.QkHeadDim, width, adapter);
                for (var i = 0; i < n; i++)
                {
                    new Span<float>(latents + ((long)i * attention.CacheWidth) + config.KvLoraRank, config.QkRopeHeadDim)
                        .CopyTo(new Span<float>(target + ((long)i * width) + config.QkNopeHeadDim, config.QkRopeHeadDim));
                }
            }
        }

        /// <summary>Rows of a head, chunk by chunk; with an indexer one row.</summary>
        private void Attend(int head, int rowBegin, int rowCount, float* expanded, int width, int partIndex)
        {
            var config = attention._config;
            var (lane, heads, size) = (state.Plain.Lane(partIndex), config.NumAttentionHeads, config.QkHeadDim);
            long first = piece.RowBegin + rowBegin;
            var position = piece.Position + rowBegin;
            for (var i = 0; i < rowCount; i++)
                new Span<float>(state.Queries + ((((first + i) * heads) + head) * size), size).CopyTo(new Span<float>(lane.Queries + (i * size), size));
            var selected = attention.SelectedOf((int)first, position, state);
            var seen = selected.IsEmpty ? position + rowCount : selected.Length;

            BlockedAttention.Begin(lane.Total, rowCount);
            for (var chunk = 0; chunk < seen; chunk += BlockedAttention.ChunkTokens)
            {
                BlockedAttention.Begin(lane.Part, rowCount);
                var end = Math.Min(chunk + BlockedAttention.ChunkTokens, seen);
                for (var begin = chunk; begin < end; begin += BlockTokens)
                {
                    var n = Math.Min(BlockTokens, end - begin);
                    for (var i = 0; i < rowCount; i++) lane.Counts[i] = selected.IsEmpty ? Math.Clamp(position + i + 1 - begin, 0, n) : n;
                    var block = selected.IsEmpty ? InPlace(expanded + ((long)begin * width), width) : Gather(expanded, width, selected.Slice(begin, n), lane);
                    BlockedAttention.Add(lane.Queries, rowCount, size, state.SoftmaxScale, block, lane.Counts, lane.Scores, lane.Part);
                }

                BlockedAttention.Merge(lane.Total, lane.Part, rowCount);
            }

            for (var i = 0; i < rowCount; i++)
                BlockedAttention.Finish(lane.Total, i, state.Heads + ((((first + i) * heads) + head) * config.VHeadDim));
        }

        private AttentionBlock InPlace(float* rows, int width) => new(rows, width, false, rows + attention._config.QkHeadDim, width);

        private AttentionBlock Gather(float* expanded, int width, ReadOnlySpan<int> selected, in AttentionLane lane)
        {
            var (size, value) = (attention._config.QkHeadDim, attention._config.VHeadDim);
            for (var i = 0; i < selected.Length; i++)
            {
                var source = expanded + ((long)selected[i] * width);
                new Span<float>(source, size).CopyTo(new Span<float>(lane.Keys + (i * size), size));
                new Span<float>(source + size, value).CopyTo(new Span<float>(lane.Values + (i * value), value));
            }

            return new AttentionBlock(lane.Keys, size, false, lane.Values, value);
        }
    }
}
