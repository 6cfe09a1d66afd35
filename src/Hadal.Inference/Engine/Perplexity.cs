using Hadal.Checkpoints.Text;
using Hadal.Inference.Models;

namespace Hadal.Inference.Engine;

/// <summary>How well a model predicts a text.</summary>
/// <param name="TotalBits">Code length of the text under the model, <c>Σ −log2 p(token)</c>.</param>
/// <param name="TokenCount">Tokens predicted: all of the text.</param>
/// <param name="ByteCount">UTF-8 bytes of the text.</param>
public readonly record struct PerplexityResult(double TotalBits, long TokenCount, long ByteCount)
{
    /// <summary>Code length in bits divided by the text's UTF-8 bytes; comparable between tokenizers. NaN for an empty text.</summary>
    public double BitsPerByte => TotalBits / ByteCount;

    /// <summary><c>2^(bits per token)</c>; comparable only with the same tokenizer. NaN for an empty text.</summary>
    public double Value => Math.Pow(2, TotalBits / TokenCount);
}

/// <summary>Measures the perplexity of a text.</summary>
/// <remarks>The text's tokens (<see cref="EvaluationTokens"/>) are cut into windows of <c>context</c> tokens without overlap. A window reads the token before
/// its first one and itself, so that every token of the text is predicted exactly once, from 1 to <c>context</c> tokens. This is what Hadal's training
/// measures as bits per byte. Memory does not grow with the text.</remarks>
public static class Perplexity
{
    /// <summary>Logits computed together at most.</summary>
    private const int MaxLogits = 1 << 22;

    /// <summary>Measures a text.</summary>
    /// <param name="model">Used by this call alone while it runs.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="text">The text; read to its end.</param>
    /// <param name="context">Tokens of a window, 1 to <see cref="DecoderModel.MaxContext"/>.</param>
    /// <param name="progress">Told the result so far after every window.</param>
    /// <param name="cancellationToken">Gives up between two forward passes.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="context"/> is out of range.</exception>
    /// <exception cref="GenerationException">A logit of the model is NaN or infinite.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static PerplexityResult Measure(
        DecoderModel model, Tokenizer tokenizer, TextReader text, int context, Action<PerplexityResult>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(context, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(context, model.MaxContext);
        var tokens = new EvaluationTokens(tokenizer, text);
        using var window = new Window(model, context);
        var result = default(PerplexityResult);
        foreach (var tokenId in tokens.Read())
        {
            if (!window.Add(tokenId)) continue;
            Count();
        }

        if (window.PredictedCount > 0) Count();
        return result with { ByteCount = tokens.ByteCount };

        void Count()
        {
            result = new PerplexityResult(result.TotalBits + window.Measure(cancellationToken), result.TokenCount + window.PredictedCount, tokens.ByteCount);
            window.MoveOn();
            progress?.Invoke(result);
        }
    }

    /// <summary>One window: its tokens and the one before them.</summary>
    private sealed class Window(DecoderModel model, int context) : IDisposable
    {
        private readonly int[] _tokenIds = new int[context + 1];
        private readonly int _sliceLength = Math.Max(1, Math.Min(context, MaxLogits / model.Config.VocabSize));
        private readonly KvCache _cache = model.CreateCache();
        private readonly ScheduledBatch _batch = new(model.Config.VocabSize);
        private readonly SamplerScratch _scratch = new(model.Config.VocabSize);
        private int _count;

        /// <summary>Tokens that the window predicts.</summary>
        public int PredictedCount => _count - 1;

        /// <summary>Adds a token; true when the window is full.</summary>
        public bool Add(int tokenId)
        {
            _tokenIds[_count++] = tokenId;
            return _count == _tokenIds.Length;
        }

        /// <summary>Bits of the predicted tokens.</summary>
        public double Measure(CancellationToken cancellationToken)
        {
            _cache.Truncate(0);
            var bits = 0.0;
            for (var begin = 0; begin < PredictedCount;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var count = Math.Min(_sliceLength, PredictedCount - begin);
                _batch.Clear();
                _batch.Add(_cache, _tokenIds.AsMemory(begin, count), count);
                model.Forward(_batch);
                for (var row = 0; row < count; row++) bits -= LogProbs.Measure(_batch.LogitsOf(row), _tokenIds[begin + row + 1], [], _scratch) / Math.Log(2);
                begin += count;
            }

            return bits;
        }

        /// <summary>Begins the next window, whose first context is the last token of this one.</summary>
        public void MoveOn()
        {
            _tokenIds[0] = _tokenIds[_count - 1];
            _count = 1;
        }

        public void Dispose() => _cache.Dispose();
    }
}
