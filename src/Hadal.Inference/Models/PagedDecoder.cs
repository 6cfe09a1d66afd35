using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models.Adapters;

namespace Hadal.Inference.Models;

/// <summary>Consecutive rows of one sequence in a pass.</summary>
/// <param name="Cache">The sequence.</param>
/// <param name="RowBegin">First row of the pass.</param>
/// <param name="RowCount">Rows.</param>
/// <param name="Position">Position of the first row in the sequence.</param>
/// <param name="SliceLength">Tokens of the slice that the rows are part of; passes may cut it anywhere, so choices go by the slice.</param>
/// <param name="SliceEnd">Position behind the last token of the slice.</param>
/// <param name="Adapter">Adapter of the sequence, or null.</param>
/// <param name="LogitCount">How many rows, the last ones, have their logits wanted.</param>
/// <param name="IsHidden">Whether what the logits would be made from is enough.</param>
internal readonly record struct PassPiece(PagedKvCache Cache, int RowBegin, int RowCount, int Position, int SliceLength, int SliceEnd, DecoderAdapter? Adapter, int LogitCount, bool IsHidden);

/// <summary>Neighbouring rows of a piece that attention computes together.</summary>
internal readonly record struct RowGroup(int Piece, int RowBegin, int RowCount);

/// <summary>One pass through the layers: at most MaxBatchTokens rows of one or more sequences.</summary>
/// <param name="maxRows">MaxBatchTokens.</param>
/// <param name="rowsTogether">Rows of a group at most.</param>
internal sealed class Pass(int maxRows, int rowsTogether)
{
    /// <summary>[maxRows] token of each row.</summary>
    public int[] TokenIds { get; } = new int[maxRows];

    /// <summary>[maxRows] position of each row in its sequence.</summary>
    public int[] Positions { get; } = new int[maxRows];

    /// <summary>[maxRows] piece of each row.</summary>
    public int[] PieceOfRow { get; } = new int[maxRows];

    /// <summary>[maxRows] rows whose logits are wanted.</summary>
    public int[] LogitRows { get; } = new int[maxRows];

    /// <summary>[maxRows] pieces in order.</summary>
    public PassPiece[] Pieces { get; } = new PassPiece[maxRows];

    /// <summary>[maxRows] groups in order.</summary>
    public RowGroup[] Groups { get; } = new RowGroup[maxRows];

    public int RowCount { get; set; }

    public int PieceCount { get; set; }

    public int GroupCount { get; set; }

    /// <summary>Whether any sequence has an adapter.</summary>
    public bool HasAdapters { get; private set; }

    public int LogitRowCount { get; set; }

    /// <summary>The sequence of a row.</summary>
    public PagedKvCache CacheOf(int row) => Pieces[PieceOfRow[row]].Cache;

    public void Clear()
    {
        (RowCount, PieceCount, GroupCount, LogitRowCount) = (0, 0, 0, 0);
        HasAdapters = false;
    }

    /// <summary>Adds a whole slice, the last tokens of which ask for logits.</summary>
    public void Add(PagedKvCache cache, int position, ReadOnlySpan<int> tokenIds, int logitCount) =>
        Add(cache, position, tokenIds, logitCount, tokenIds.Length, position + tokenIds.Length, adapter: null);

    /// <summary>Adds tokens of a slice, the last of which ask for logits.</summary>
    public void Add(PagedKvCache cache, int position, ReadOnlySpan<int> tokenIds, int logitCount, int sliceLength, int sliceEnd, DecoderAdapter? adapter, bool isHidden = false)
    {
        HasAdapters |= adapter is not null;
        Pieces[PieceCount] = new PassPiece(cache, RowCount, tokenIds.Length, position, sliceLength, sliceEnd, adapter, Math.Min(logitCount, tokenIds.Length), isHidden);
        for (var i = 0; i < tokenIds.Length; i += rowsTogether)
            Groups[GroupCount++] = new RowGroup(PieceCount, RowCount + i, Math.Min(rowsTogether, tokenIds.Length - i));
        for (var i = 0; i < tokenIds.Length; i++)
        {
            if (i >= tokenIds.Length - logitCount) LogitRows[LogitRowCount++] = RowCount;
            TokenIds[RowCount] = tokenIds[i];
            Positions[RowCount] = position + i;
            PieceOfRow[RowCount++] = PieceCount;
        }

        PieceCount++;
    }

    /// <summary>Leaves only the rows whose logits are wanted, in their order; attention has no more use for the pass then.</summary>
    public void KeepLogitRows()
    {
        for (var i = 0; i < LogitRowCount; i++)
        {
            var row = LogitRows[i];
            (TokenIds[i], Positions[i], PieceOfRow[i], LogitRows[i]) = (TokenIds[row], Positions[row], PieceOfRow[row], i);
        }

        (RowCount, GroupCount) = (0, 0);
        for (var p = 0; p < PieceCount; p++)
        {
            var piece = Pieces[p];
            Pieces[p] = piece with { RowBegin = RowCount, RowCount = piece.LogitCount, Position = piece.Position + piece.RowCount - piece.LogitCount };
            RowCount += piece.LogitCount;
        }
    }
}

/// <summary>What all decoders share: checks, cutting of batches, embedding, residual stream, final norm and head.</summary>
internal abstract unsafe class PagedDecoder : DecoderModel
{
    private readonly WeightBinder _weights;
    private readonly BlockPool _pool;
    private readonly Scratch _scratch;
    private readonly Pass _pass;
    private readonly WeightMatrix _embedding;
    private readonly int _embeddingSite;
    private readonly WeightMatrix _head;
    private readonly int _headSite;
    private readonly float[] _finalNorm;
    private long _batchMark;
    private int _finalRowCount;

    /// <param name="config">Sizes.</param>
    /// <param name="weights">Tensors.</param>
    /// <param name="options">Limits.</param>
    /// <param name="layout">What a token leaves in the cache.</param>
    /// <param name="rowsTogether">Rows of a sequence that attention computes together.</param>
    /// <param name="scratchFloats">Floats of scratch that the derived class places behind those of this class.</param>
    protected PagedDecoder(ModelConfig config, WeightBinder weights, EngineOptions options, CacheLayout layout, int rowsTogether, long scratchFloats)
    {
        Options = options;
        MaxContext = options.ContextFor(config.MaxPositionEmbeddings);
        _weights = weights;
        _head = weights.Projection(weights.HeadTensor);
        // Of a table that is no head, few rows are read, so it stays in the file.
        _embedding = weights.Has("lm_head.weight") ? weights.Matrix("model.embed_tokens.weight") : _head;
        _embeddingSite = weights.Site("model.embed_tokens");
        _headSite = weights.Site(LoraModule.HeadName);
        _finalNorm = weights.Vector("model.norm.weight");
        _pass = new Pass(options.MaxBatchTokens, rowsTogether);
        _pool = new BlockPool(layout, PoolBlocks(config, options));
        var own = new ScratchCursor(null);
        Place(ref own, config, options);
        _scratch = new Scratch(own.Length + scratchFloats);
        var cursor = new ScratchCursor(_scratch.Memory);
        Place(ref cursor, config, options);
        DerivedScratch = _scratch.Memory + cursor.Length;
        weights.ReleaseThreads();
        Crew = new ThreadCrew(options.ThreadCount);
    }

    /// <inheritdoc/>
    public override int MaxContext { get; }

    /// <inheritdoc/>
    public override ReadOnlySpan<float> FinalHidden => new(Normed, _finalRowCount * Config.HiddenSize);

    /// <summary>Called with −1 and the embeddings, then with each layer index and the residual stream after it, [rows, hidden_size] of the pass; for tests that look inside.</summary>
    public Action<int, ReadOnlySpan<float>>? Observe { get; set; }

    /// <inheritdoc/>
    internal override ThreadCrew Crew { get; }

    /// <inheritdoc/>
    public override int BlockCount => _pool.BlockCount;

    /// <inheritdoc/>
    public override int FreeBlockCount => _pool.FreeCount;

    /// <summary>Limits.</summary>
    protected EngineOptions Options { get; }

    /// <summary>[MaxBatchTokens, hidden_size] residual stream.</summary>
    protected float* Hidden { get; private set; }

    /// <summary>[MaxBatchTokens, hidden_size] normalised input of a block.</summary>
    protected float* Normed { get; private set; }

    /// <summary>[MaxBatchTokens, hidden_size] output of a block.</summary>
    protected float* BlockOutput { get; private set; }

    /// <summary>Scratch of the derived class.</summary>
    protected float* DerivedScratch { get; }

    /// <summary>Blocks that a pool has under given limits.</summary>
    public static int PoolBlocks(ModelConfig config, EngineOptions options) =>
        checked(CacheLayout.BlocksFor(options.ContextFor(config.MaxPositionEmbeddings)) * options.MaxSequences);

    /// <summary>Floats of scratch of this class.</summary>
    public static long ScratchFloats(ModelConfig config, EngineOptions options) => 3 * ((((long)options.MaxBatchTokens * config.HiddenSize) + 15) & ~15L);

    /// <inheritdoc/>
    public override KvCache CreateCache() => new PagedKvCache(_pool, MaxContext);

    /// <inheritdoc/>
    public override DecoderAdapter AddAdapter(LoraAdapter adapter)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        return DecoderAdapter.Create(adapter, this, _weights);
    }

    /// <inheritdoc/>
    public override void Forward(ScheduledBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        CheckAndReserve(batch);
        var logitRow = 0;
        _pass.Clear();
        for (var s = 0; s < batch.Slices.Count; s++)
        {
            var (cache, tokenIds, logitCount, adapter, isHidden) = batch.Slices[s];
            var start = cache.Length;
            for (var begin = 0; begin < tokenIds.Length;)
            {
                var count = Math.Min(tokenIds.Length - begin, Options.MaxBatchTokens - _pass.RowCount);
                var wanted = Math.Clamp(begin + count - (tokenIds.Length - logitCount), 0, count);
                _pass.Add((PagedKvCache)cache, start + begin, tokenIds.Span.Slice(begin, count), wanted, tokenIds.Length, start + tokenIds.Length, adapter, isHidden);
                begin += count;
                if (_pass.RowCount == Options.MaxBatchTokens) RunPass(batch, ref logitRow);
            }
        }

        if (_pass.RowCount > 0) RunPass(batch, ref logitRow);
    }

    /// <inheritdoc/>
    internal override bool IsRepacked => _weights.IsRepacked;

    /// <inheritdoc/>
    internal override void Repack(long byteCount) => _weights.Repack(Crew, byteCount);

    /// <summary>Shows the residual stream to whoever observes.</summary>
    protected void ShowStream(int layer, Pass pass) => Observe?.Invoke(layer, new ReadOnlySpan<float>(Hidden, pass.RowCount * Config.HiddenSize));

    /// <summary>Before the last feed-forward: what follows is computed for the rows whose logits are wanted, and for no others.</summary>
    protected void KeepLogitRows(Pass pass)
    {
        // Who observes sees every row.
        if (Observe is not null) return;
        var width = Config.HiddenSize;
        for (var i = 0; i < pass.LogitRowCount; i++)
        {
            var row = pass.LogitRows[i];
            if (row != i) new Span<float>(Hidden + ((long)row * width), width).CopyTo(new Span<float>(Hidden + ((long)i * width), width));
        }

        pass.KeepLogitRows();
    }

    /// <summary>Adds every layer to <see cref="Hidden"/> and writes the caches.</summary>
    protected abstract void RunLayers(Pass pass);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        Crew.Dispose();
        _weights.Dispose();
        _pool.Dispose();
        _scratch.Dispose();
        base.Dispose(disposing);
    }

    private void Place(ref ScratchCursor cursor, ModelConfig config, EngineOptions options)
    {
        var size = (long)options.MaxBatchTokens * config.HiddenSize;
        Hidden = cursor.Take(size);
        Normed = cursor.Take(size);
        BlockOutput = cursor.Take(size);
    }

    private void RunPass(ScheduledBatch batch, ref int logitRow)
    {
        var width = Config.HiddenSize;
        for (var row = 0; row < _pass.RowCount; row++) _embedding.DequantizeRow(_pass.TokenIds[row], Hidden + ((long)row * width));
        Adaptation.ApplyToTokens(_pass, _embeddingSite, Hidden, width);
        RunLayers(_pass);
        _finalRowCount = _pass.LogitRowCount;
        if (_pass.LogitRowCount > 0)
        {
            for (var i = 0; i < _pass.LogitRowCount; i++)
                RmsNorm.Apply(Row(Hidden, _pass.LogitRows[i]), _finalNorm, (float)Config.RmsNormEps, Row(Normed, i));
            WriteLogits(batch, ref logitRow);
        }

        // Only now: a pass that fails leaves the caches as they were, and can be tried again.
        for (var p = 0; p < _pass.PieceCount; p++) _pass.Pieces[p].Cache.AdvanceTo(_pass.Pieces[p].Position + _pass.Pieces[p].RowCount);
        _pass.Clear();

        Span<float> Row(float* rows, int row) => new(rows + ((long)row * width), width);
    }

    /// <summary>Multiplies with the head what it is wanted for; pieces that stand together share a product.</summary>
    private void WriteLogits(ScheduledBatch batch, ref int logitRow)
    {
        for (int p = 0, row = 0; p < _pass.PieceCount;)
        {
            var (begin, isHidden) = (row, _pass.Pieces[p].IsHidden);
            for (; p < _pass.PieceCount && _pass.Pieces[p].IsHidden == isHidden; p++) row += _pass.Pieces[p].LogitCount;
            if (isHidden || row == begin) continue;
            var x = Normed + ((long)begin * Config.HiddenSize);
            fixed (float* logits = batch.LogitsOf(logitRow))
            {
                _head.Multiply(Crew, x, Config.HiddenSize, row - begin, logits, Config.VocabSize);
                Adaptation.Apply(Crew, _pass, _pass.LogitRows.AsMemory(begin, row - begin), _headSite, x, Config.HiddenSize, logits, Config.VocabSize);
            }

            logitRow += row - begin;
        }
    }

    private void CheckAndReserve(ScheduledBatch batch)
    {
        if (batch.VocabSize != Config.VocabSize)
            throw new ArgumentException($"expected a batch for vocab_size {Config.VocabSize}, got one for {batch.VocabSize}", nameof(batch));
        _batchMark++;
        var missing = 0;
        for (var s = 0; s < batch.Slices.Count; s++)
        {
            var (cache, tokenIds, _, adapter, _) = batch.Slices[s];
            if (adapter is not null && (adapter.Model != this || !adapter.IsLoaded)) throw new ArgumentException("expected a loaded adapter of this model", nameof(batch));
            if (cache is not PagedKvCache paged || paged.Pool != _pool || paged.IsDisposed)
                throw new ArgumentException("expected an open cache that this model made", nameof(batch));
            if (paged.BatchMark == _batchMark) throw new ArgumentException("a sequence appears in two slices", nameof(batch));
            paged.BatchMark = _batchMark;
            if (tokenIds.Length > MaxContext - cache.Length)
                throw new ArgumentException($"{cache.Length} + {tokenIds.Length} tokens pass the context of {MaxContext}", nameof(batch));
            foreach (var id in tokenIds.Span)
                if ((uint)id >= (uint)Config.VocabSize) throw new ArgumentException($"token id {id} is not in 0..{Config.VocabSize - 1}", nameof(batch));
            missing += paged.BlocksMissing(cache.Length + tokenIds.Length);
        }

        if (missing > _pool.FreeCount) throw new KvCacheFullException(missing, _pool.FreeCount);
        for (var s = 0; s < batch.Slices.Count; s++)
        {
            var (cache, tokenIds, _, _, _) = batch.Slices[s];
            ((PagedKvCache)cache).Reserve(cache.Length + tokenIds.Length);
        }
    }
}
