using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;

namespace Hadal.Inference.Engine;

/// <summary>A checkpoint, or a language model with an adapter, that gives texts or their tokens scores: one per label, or a single value.</summary>
/// <remarks>Safe to share between threads, which wait for each other: one text at a time. <see cref="TextGenerator.ScoreAsync"/> takes many at once.</remarks>
public sealed class LabelModel : IDisposable
{
    private readonly DecoderModel _model;
    private readonly DecoderAdapter? _adapter;
    private readonly LabelHead _head;
    private readonly ScheduledBatch _batch;
    private readonly int _maxBatchTokens;
    private readonly Lock _turn = new();
    private bool _isDisposed;

    /// <summary>Takes over what it computes with.</summary>
    internal LabelModel(DecoderModel model, DecoderAdapter? adapter, LabelHead head, int maxBatchTokens)
    {
        (_model, _adapter, _head, _maxBatchTokens) = (model, adapter, head, maxBatchTokens);
        _batch = new ScheduledBatch(model.Config.VocabSize);
    }

    /// <summary>Whether texts or their tokens are scored.</summary>
    public ModelHead Head => _head.Kind;

    /// <summary>What the scores mean, in order.</summary>
    public IReadOnlyList<string> Labels => _head.Labels;

    /// <summary>Tokens of a text at most.</summary>
    public int MaxContext => _model.MaxContext;

    /// <summary>Opens a checkpoint with a head for labels, or puts an adapter with such a head on a language model.</summary>
    /// <param name="checkpoint">Kept open by the caller.</param>
    /// <param name="adapter">Opened for the model's config, it may be closed afterwards; null for the model alone.</param>
    /// <param name="options">Limits.</param>
    /// <exception cref="CheckpointException">Neither has a head for labels, or the adapter cannot be computed.</exception>
    public static LabelModel Open(Checkpoint checkpoint, LoraAdapter? adapter = null, EngineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        options ??= new EngineOptions();
        var head = (adapter is null ? null : LabelHead.Of(adapter)) ?? LabelHead.Of(checkpoint)
            ?? throw new CheckpointException($"{adapter?.Path ?? checkpoint.Path}: has no score.weight, expected a head for labels; it only writes text");
        var model = DecoderModel.Open(checkpoint, options);
        try
        {
            return new LabelModel(model, adapter is null ? null : model.AddAdapter(adapter), head, options.MaxBatchTokens);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Scores a text.</summary>
    /// <param name="tokenIds">Its tokens, encoded with the start token of the model's family; at least one.</param>
    /// <returns>[labels] of the text, or [tokens, labels]; not normalised.</returns>
    /// <exception cref="ArgumentException">There are no tokens, or more than <see cref="MaxContext"/>.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public float[] Scores(ReadOnlyMemory<int> tokenIds)
    {
        lock (_turn)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return Compute(tokenIds);
        }
    }

    /// <summary>Waits for the text that is being scored: its pass reads the memory that is freed here.</summary>
    public void Dispose()
    {
        lock (_turn)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            _adapter?.Dispose();
            _model.Dispose();
        }
    }

    private float[] Compute(ReadOnlyMemory<int> tokenIds)
    {
        using var cache = _model.CreateCache();
        var scores = new float[(_head.IsPerToken ? tokenIds.Length : 1) * Labels.Count];
        var begin = 0;
        do
        {
            // The model keeps what the head reads of one pass only.
            var count = Math.Min(_maxBatchTokens, tokenIds.Length - begin);
            var rows = _head.IsPerToken ? count : begin + count == tokenIds.Length ? 1 : 0;
            _batch.Clear();
            _batch.Add(cache, tokenIds.Slice(begin, count), rows, _adapter, isHidden: true);
            _model.Forward(_batch);
            _head.Score(_model.FinalHidden, scores.AsSpan(_head.IsPerToken ? begin * Labels.Count : 0, rows * Labels.Count));
            begin += count;
        }
        while (begin < tokenIds.Length);

        return scores;
    }
}
