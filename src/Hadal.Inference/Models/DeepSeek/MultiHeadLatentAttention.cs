using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;

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
    private readonly WeightMatrix _kvA;
    private readonly float[] _kvANorm;
    private readonly KeyValueExpansion _kvB;
    private readonly WeightMatrix _o;
    private readonly LightningIndexer? _indexer;

    public MultiHeadLatentAttention(DeepSeekConfig config, WeightBinder weights, string prefix)
    {
        _config = config;
        if (config.QLoraRank is null)
        {
            _q = weights.Matrix(prefix + "q_proj.weight");
        }
        else
        {
            _qA = weights.Matrix(prefix + "q_a_proj.weight");
            _qANorm = weights.Vector(prefix + "q_a_layernorm.weight");
            _qB = weights.Matrix(prefix + "q_b_proj.weight");
        }

        _kvA = weights.Matrix(prefix + "kv_a_proj_with_mqa.weight");
        _kvANorm = weights.Vector(prefix + "kv_a_layernorm.weight");
        _kvB = new KeyValueExpansion(config, weights, prefix);
        _o = weights.Matrix(prefix + "o_proj.weight");
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
        if (_qA is not null)
        {
            querySource = state.QueryLatent;
            _qA.Multiply(crew, x, _qA.Columns, rows, querySource, _qA.Rows);
            RowJobs.Norm(crew, querySource, _qA.Rows, _qANorm!, LatentNormEps, rows, querySource, _qA.Rows);
        }

        var q = _q ?? _qB!;
        q.Multiply(crew, querySource, q.Columns, rows, state.Queries, q.Rows);
        _kvA.Multiply(crew, x, _kvA.Columns, rows, state.KeyValueLatent, CacheWidth);
        var rotate = new RotateJob(this, pass, layer, state, RowJobs.Parts(crew, rows));
        crew.Run(ref rotate, rotate.PartCount);
        _indexer?.Select(crew, pass, layer, x, querySource, state);

        var attend = new AttendJob(this, pass, layer, state, crew.ThreadCount);
        if (AttendPlain(crew, pass, layer, state))
        {
            var absorb = new AbsorbJob(this, pass, state, isOutput: false);
            crew.Run(ref absorb, _config.NumAttentionHeads);
            crew.Run(ref attend, crew.ThreadCount);
            var expand = new AbsorbJob(this, pass, state, isOutput: true);
            crew.Run(ref expand, _config.NumAttentionHeads);
        }

        _o.Multiply(crew, state.Heads, _o.Columns, rows, y, _o.Rows);
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
                var cached = pass.CacheOf(row).First(layer, position);
                RmsNorm.Apply(new Span<float>(source, latent), attention._kvANorm, LatentNormEps, new Span<float>(cached, latent));
                var key = new Span<float>(cached + latent, rope);
                new Span<float>(source + latent, rope).CopyTo(key);
                state.Rope.Interleaved(key, position);
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
                if (isOutput)
                {
                    var source = state.AttendedLatents + (((row * heads) + partIndex) * latent);
                    attention._kvB.Values(partIndex, source, heads * latent, piece.RowCount, state.Heads + (((row * heads) + partIndex) * value), heads * value);
                    continue;
                }

                var query = state.Queries + (((row * heads) + partIndex) * config.QkHeadDim);
                var target = state.LatentQueries + (((row * heads) + partIndex) * width);
                attention._kvB.AbsorbQuery(partIndex, query, heads * config.QkHeadDim, piece.RowCount, target, heads * width);
                for (var i = 0; i < piece.RowCount; i++)
                {
                    new Span<float>(query + ((long)i * heads * config.QkHeadDim) + config.QkNopeHeadDim, config.QkRopeHeadDim)
                        .CopyTo(new Span<float>(target + ((long)i * heads * width) + latent, config.QkRopeHeadDim));
                }
            }
        }
    }

    /// <summary>Absorbed attention; one item of work is a row and a block of heads.</summary>
    private readonly struct AttendJob(MultiHeadLatentAttention attention, Pass pass, int layer, DeepSeekState state, int partCount) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            var blocks = (attention._config.NumAttentionHeads + DeepSeekState.HeadBlock - 1) / DeepSeekState.HeadBlock;
            for (var item = partIndex; item < pass.RowCount * blocks; item += partCount)
            {
                var row = item / blocks;
                if (attention.IsPlain(pass.Pieces[pass.PieceOfRow[row]], state.Options)) continue;
                Attend(row, item % blocks * DeepSeekState.HeadBlock, partIndex);
            }
        }

        private void Attend(int row, int headBegin, int partIndex)
        {
            var config = attention._config;
            int latent = config.KvLoraRank, width = attention.CacheWidth, stride = state.ScoreStride;
            var headCount = Math.Min(DeepSeekState.HeadBlock, config.NumAttentionHeads - headBegin);
            var cache = pass.CacheOf(row);
            var selected = attention.SelectedOf(row, pass.Positions[row], state);
            var count = selected.IsEmpty ? pass.Positions[row] + 1 : selected.Length;
            var scores = state.Scores + ((long)partIndex * DeepSeekState.HeadBlock * stride);
            var gathered = state.Gathered + ((long)partIndex * BlockPool.BlockTokens * width);
            var firstHead = ((long)row * config.NumAttentionHeads) + headBegin;

            for (var begin = 0; begin < count; begin += BlockPool.BlockTokens)
            {
                var n = Math.Min(BlockPool.BlockTokens, count - begin);
                var keys = Rows(cache, selected, begin, n, gathered, width);
                Attention.Scores(state.LatentQueries + (firstHead * width), width, headCount, keys, width, n, width, state.SoftmaxScale, scores + begin, stride);
            }

            for (var h = 0; h < headCount; h++) Softmax.Apply(new Span<float>(scores + ((long)h * stride), count), new Span<float>(scores + ((long)h * stride), count));
            var output = state.AttendedLatents + (firstHead * latent);
            new Span<float>(output, headCount * latent).Clear();
            for (var begin = 0; begin < count; begin += BlockPool.BlockTokens)
            {
                var n = Math.Min(BlockPool.BlockTokens, count - begin);
                var values = Rows(cache, selected, begin, n, gathered, width);
                for (var h = 0; h < headCount; h++)
                    Attention.WeightedSum(scores + ((long)h * stride) + begin, values, width, n, latent, output + ((long)h * latent));
            }
        }

        /// <summary>Cache rows of the next positions: in place, or brought together from a list.</summary>
        private float* Rows(PagedKvCache cache, ReadOnlySpan<int> selected, int begin, int count, float* gathered, int width)
        {
            if (selected.IsEmpty) return cache.FirstBlock(layer, begin / BlockPool.BlockTokens);
            for (var i = 0; i < count; i++)
                new Span<float>(cache.First(layer, selected[begin + i]), width).CopyTo(new Span<float>(gathered + ((long)i * width), width));
            return gathered;
        }
    }

    /// <summary>Plain attention of one piece; one item of work is a head, whose keys and values are expanded from the cache.</summary>
    private readonly struct PlainJob(MultiHeadLatentAttention attention, PassPiece piece, int layer, DeepSeekState state, int partCount) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            var config = attention._config;
            var width = config.QkHeadDim + config.VHeadDim;
            var expanded = state.Expanded + ((long)partIndex * state.ScoreStride * width);
            for (var head = partIndex; head < config.NumAttentionHeads; head += partCount)
            {
                Expand(head, expanded, width);
                for (var i = 0; i < piece.RowCount; i += DeepSeekState.RowBlock)
                    Attend(head, i, Math.Min(DeepSeekState.RowBlock, piece.RowCount - i), expanded, width, partIndex);
            }
        }

        /// <summary>[kn | kr | v] of a head at every position up to the piece's last.</summary>
        private void Expand(int head, float* expanded, int width)
        {
            var config = attention._config;
            var end = piece.Position + piece.RowCount;
            for (var begin = 0; begin < end; begin += BlockPool.BlockTokens)
            {
                var n = Math.Min(BlockPool.BlockTokens, end - begin);
                var latents = piece.Cache.FirstBlock(layer, begin / BlockPool.BlockTokens);
                var target = expanded + ((long)begin * width);
                attention._kvB.Keys(head, latents, attention.CacheWidth, n, target, width);
                attention._kvB.Values(head, latents, attention.CacheWidth, n, target + config.QkHeadDim, width);
                for (var i = 0; i < n; i++)
                {
                    new Span<float>(latents + ((long)i * attention.CacheWidth) + config.KvLoraRank, config.QkRopeHeadDim)
                        .CopyTo(new Span<float>(target + ((long)i * width) + config.QkNopeHeadDim, config.QkRopeHeadDim));
                }
            }
        }

        private void Attend(int head, int rowBegin, int rowCount, float* expanded, int width, int partIndex)
        {
            var config = attention._config;
            int heads = config.NumAttentionHeads, stride = state.ScoreStride;
            var scores = state.Scores + ((long)partIndex * DeepSeekState.HeadBlock * stride);
            var queries = state.Queries + ((((long)(piece.RowBegin + rowBegin) * heads) + head) * config.QkHeadDim);
            Attention.Scores(
                queries, heads * config.QkHeadDim, rowCount, expanded, width, piece.Position + rowBegin + rowCount, config.QkHeadDim, state.SoftmaxScale, scores, stride);
            for (var i = 0; i < rowCount; i++)
            {
                var row = piece.RowBegin + rowBegin + i;
                var position = piece.Position + rowBegin + i;
                var selected = attention.SelectedOf(row, position, state);
                var weights = scores + ((long)i * stride);
                var count = selected.IsEmpty ? position + 1 : selected.Length;
                for (var s = 0; s < selected.Length; s++) weights[s] = weights[selected[s]];
                Softmax.Apply(new Span<float>(weights, count), new Span<float>(weights, count));
                var output = state.Heads + ((((long)row * heads) + head) * config.VHeadDim);
                new Span<float>(output, config.VHeadDim).Clear();
                var values = expanded + config.QkHeadDim;
                if (selected.IsEmpty) Attention.WeightedSum(weights, values, width, count, config.VHeadDim, output);
                for (var s = 0; s < selected.Length; s++)
                    Attention.WeightedSum(weights + s, values + ((long)selected[s] * width), width, 1, config.VHeadDim, output);
            }
        }
    }
}
