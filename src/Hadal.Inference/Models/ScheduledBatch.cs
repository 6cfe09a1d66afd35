using Hadal.Inference.Models.Adapters;

namespace Hadal.Inference.Models;

/// <summary>Consecutive tokens of one sequence in a forward pass.</summary>
/// <param name="Cache">The sequence; the tokens follow what it has computed, and are added to it.</param>
/// <param name="TokenIds">At least one token id.</param>
/// <param name="LogitCount">For how many of its last tokens logits are wanted, 0 to the number of tokens.</param>
/// <param name="Adapter">The adapter to compute it with, made by the same model; null for none. A cache holds what its adapter computed.</param>
/// <param name="IsHidden">Whether of those tokens not the logits are wanted but what they are made from, <see cref="DecoderModel.FinalHidden"/>.</param>
public readonly record struct BatchSlice(KvCache Cache, ReadOnlyMemory<int> TokenIds, int LogitCount, DecoderAdapter? Adapter = null, bool IsHidden = false);

/// <summary>One forward pass: slices of several sequences, and room for the logits they ask for.</summary>
/// <remarks>Made once and filled anew for every step. A sequence appears in one slice at most. Not thread-safe.</remarks>
public sealed class ScheduledBatch
{
    private readonly List<BatchSlice> _slices = [];
    private readonly int _vocabSize;
    private float[] _logits;

    /// <summary>Creates an empty batch.</summary>
    /// <param name="vocabSize">Width of a row of logits (<c>vocab_size</c>).</param>
    /// <param name="logitRows">Rows of logits to have room for from the start; more are made when asked for.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is not positive.</exception>
    public ScheduledBatch(int vocabSize, int logitRows = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabSize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(logitRows);
        _vocabSize = vocabSize;
        _logits = new float[checked(vocabSize * logitRows)];
    }

    /// <summary>Width of a row of logits.</summary>
    public int VocabSize => _vocabSize;

    /// <summary>The slices in order.</summary>
    public IReadOnlyList<BatchSlice> Slices => _slices;

    /// <summary>Tokens of all slices.</summary>
    public int TokenCount { get; private set; }

    /// <summary>Rows of logits of all slices.</summary>
    public int LogitRowCount { get; private set; }

    /// <summary>[rows wanted, vocab_size], in the order of the slices and of the tokens in each; the model writes it.</summary>
    public Span<float> Logits => _logits.AsSpan(0, LogitRowCount * _vocabSize);

    /// <summary>One row of <see cref="Logits"/>.</summary>
    /// <param name="row">0 to <see cref="LogitRowCount"/> − 1.</param>
    public Span<float> LogitsOf(int row)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)LogitRowCount, nameof(row));
        return _logits.AsSpan(row * _vocabSize, _vocabSize);
    }

    /// <summary>Adds a slice.</summary>
    /// <exception cref="ArgumentException">It has no tokens, or asks for logits of more tokens than it has.</exception>
    public void Add(KvCache cache, ReadOnlyMemory<int> tokenIds, int logitCount = 0, DecoderAdapter? adapter = null, bool isHidden = false)
    {
        ArgumentNullException.ThrowIfNull(cache);
        if (tokenIds.Length == 0) throw new ArgumentException("expected at least one token", nameof(tokenIds));
        if ((uint)logitCount > (uint)tokenIds.Length) throw new ArgumentException($"expected logits of 0 to {tokenIds.Length} tokens, got {logitCount}", nameof(logitCount));
        _slices.Add(new BatchSlice(cache, tokenIds, logitCount, adapter, isHidden));
        TokenCount += tokenIds.Length;
        if (isHidden) return;
        LogitRowCount += logitCount;
        var length = checked(LogitRowCount * _vocabSize);
        if (length > _logits.Length) _logits = new float[length];
    }

    /// <summary>Removes all slices.</summary>
    public void Clear()
    {
        _slices.Clear();
        TokenCount = 0;
        LogitRowCount = 0;
    }
}
