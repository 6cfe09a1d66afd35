using System.Runtime.ExceptionServices;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Grammars;
using Hadal.Inference.Models;

namespace Hadal.Inference.Engine;

/// <summary>One request in the engine: its tokens, how far they are computed, and the answer so far.</summary>
/// <remarks>Everything but <see cref="Cancel"/> and <see cref="Answer"/> belongs to the engine's thread; <see cref="Advance"/> may run beside that of other sequences.</remarks>
internal sealed class Sequence
{
    private readonly int[] _promptIds;
    private readonly GenerationOptions _options;
    private readonly int[] _endTokenIds;
    private readonly Sampler _sampler;
    private readonly GrammarConstraint? _constraint;
    private readonly AnswerText _text;
    private readonly TimeProvider _clock;
    private readonly Action _wakeEngine;
    private readonly long _submitted;
    private readonly ulong _seed;
    private readonly TokenLogProb[] _topLogProbs;
    private int[] _tokenIds = [];
    private int _tokenCount;
    private readonly BlockHash _root;
    private KvCache? _cache;
    private Guesses? _guesses;
    private int _guessCount;
    private int _verifiedLength;
    private int _chosenBegin;
    private Exception? _fault;
    private int _cachedCount;
    private TimeSpan _queueTime;
    private TimeSpan _timeToFirstToken;
    private string? _finishReason;
    private GeneratedChunk _chunk;
    private int _topLogProbCount;
    private volatile bool _isCancelled;

    /// <param name="promptIds">The prompt; not copied.</param>
    /// <param name="options">Checked options.</param>
    /// <param name="endTokenIds">Tokens that end an answer of the model.</param>
    /// <param name="tokenizer">Gives the tokens' text.</param>
    /// <param name="vocabulary">The tokens as a grammar needs them; null where there is no grammar.</param>
    /// <param name="seed">Start of the random sequence.</param>
    /// <param name="maxUnread">Chunks that may lie unread before the sequence pauses.</param>
    /// <param name="clock">Measures times.</param>
    /// <param name="wakeEngine">Called when the engine may have something to do for the sequence.</param>
    /// <exception cref="GenerationException">The text that the answer goes on with is no beginning of one of the grammar.</exception>
    public Sequence(
        int[] promptIds, GenerationOptions options, IReadOnlyList<int> endTokenIds, Tokenizer tokenizer, TokenTrie? vocabulary, ulong seed, int maxUnread, TimeProvider clock,
        Action wakeEngine)
    {
        _promptIds = promptIds;
        _options = options;
        _endTokenIds = options.IgnoreEos ? [.. options.StopTokenIds] : [.. endTokenIds, .. options.StopTokenIds];
        _seed = seed;
        _sampler = new Sampler(options.Sampling, seed);
        if (options.Grammar is { } grammar && vocabulary is not null) _constraint = Constrain(grammar, vocabulary, options);
        _text = new AnswerText(tokenizer, options);
        _topLogProbs = new TokenLogProb[options.TopLogProbs ?? 0];
        _root = BlockHash.Root(options.CacheSalt, options.Adapter?.Id ?? Guid.Empty);
        _clock = clock;
        _wakeEngine = wakeEngine;
        _submitted = clock.GetTimestamp();
        Answer = new Answer(maxUnread, wakeEngine);
    }

    /// <summary>What the reader reads.</summary>
    public Answer Answer { get; }

    /// <summary>True once the reader has given up.</summary>
    public bool IsCancelled => _isCancelled;

    /// <summary>What the prompt means is wanted, not an answer.</summary>
    public bool IsEmbedded { get; init; }

    /// <summary>Of an embedded sequence: scores the text or its tokens; null where the embedding itself is wanted.</summary>
    public LabelHead? Head { get; init; }

    /// <summary>[hidden_size] of unit length, or with a head its [labels] or [tokens, labels], once it was computed.</summary>
    public float[]? Embedding { get; private set; }

    /// <summary>Whose request it is.</summary>
    public string Tenant => _options.Tenant;

    /// <summary>Where it counts; null before the engine has taken it.</summary>
    public QueuePlaces? Places { get; set; }

    /// <summary>When the engine began to compute it, in the seconds of <see cref="QueueRoom.Begin"/>; null before.</summary>
    public double? Began { get; set; }

    /// <summary>Goes on with a request that was taken before.</summary>
    public bool IsContinuation => _options.IsContinuation;

    /// <summary>Goes on with an answer that somebody reads. Further texts of one embedding request are many, and take turns like all others.</summary>
    public bool ComesFirst => IsContinuation && !IsEmbedded;

    /// <summary>True while its cache was given to others; its tokens are computed again when there is room.</summary>
    public bool IsEvicted { get; private set; }

    /// <summary>True once the chosen token is the last one.</summary>
    public bool IsEnded => _finishReason is not null;

    /// <summary>Tokens that are not computed yet: all of the prompt at first, one while the answer grows.</summary>
    public int PendingCount => _tokenCount - Cache.Length;

    /// <summary>Whether its first token is still to come.</summary>
    public bool IsReading => _tokenCount == _promptIds.Length;

    /// <summary>Rows of logits that it asked for in the last step.</summary>
    public int LogitRowCount { get; private set; }

    private KvCache Cache => _cache ?? throw new InvalidOperationException("the sequence was not started or has ended");

    /// <summary>Any thread: the reader gives up.</summary>
    public void Cancel()
    {
        _isCancelled = true;
        _wakeEngine();
    }

    /// <summary>The engine takes the request up; room for all its tokens is made now.</summary>
    /// <param name="cache">Empty.</param>
    /// <param name="maxContext">Tokens at most.</param>
    /// <param name="guesses">Guesses tokens; null where none are.</param>
    public void Start(KvCache cache, int maxContext, Guesses? guesses)
    {
        _queueTime = _clock.GetElapsedTime(_submitted);
        (_cache, _guesses) = (cache, guesses);
        var maxTokens = Math.Min(_options.MaxTokens ?? int.MaxValue, maxContext - _promptIds.Length);
        _tokenIds = new int[_promptIds.Length + maxTokens];
        _promptIds.CopyTo(_tokenIds, 0);
        _tokenCount = _promptIds.Length;
    }

    /// <summary>Before the first tokens are computed, also after an eviction: takes over what is there of them.</summary>
    public void Reuse()
    {
        if (Cache.Length > 0 || Head is { IsPerToken: true }) return;
        Cache.Reuse(_root, _tokenIds.AsSpan(0, _tokenCount));
        if (_tokenCount == _promptIds.Length) _cachedCount = Cache.Length;
    }

    /// <summary>Gives the cache back; what was computed is forgotten, the tokens are not.</summary>
    public void Evict()
    {
        Cache.Truncate(0);
        _guessCount = 0;
        _guesses?.Forget();
        IsEvicted = true;
    }

    /// <summary>May use the cache again.</summary>
    public void Readmit() => IsEvicted = false;

    /// <summary>Guesses tokens behind a single pending one. They take no further block of the cache, so that nobody gives way for a guess.</summary>
    /// <param name="mostRows">Rows that are left in the step.</param>
    /// <param name="sequences">Sequences of the step.</param>
    /// <returns>How many there are.</returns>
    public int Guess(int mostRows, int sequences)
    {
        _guessCount = 0;
        if (_guesses is null || PendingCount != 1) return 0;
        // The last token that may be generated needs no row.
        var room = Math.Min(_tokenIds.Length - _tokenCount - 1, BlockPool.BlockTokens - 1 - (Cache.Length % BlockPool.BlockTokens));
        if (room <= 0) return 0;
        return _guessCount = _guesses.Guess(_tokenIds.AsSpan(0, _tokenCount), _tokenIds.AsSpan(_tokenCount, Math.Min(room, mostRows)), sequences);
    }

    /// <summary>Adds the next pending tokens to a batch; if they are the last, with logits, and with the guesses behind them.</summary>
    public void AddTo(ScheduledBatch batch, int count)
    {
        IsEvicted = false;
        var isLast = count == PendingCount;
        if (isLast) _constraint?.Prepare();
        LogitRowCount = Head is { IsPerToken: true } ? count : isLast ? 1 + _guessCount : 0;
        batch.Add(Cache, _tokenIds.AsMemory(Cache.Length, isLast ? count + _guessCount : count), LogitRowCount, _options.Adapter, isHidden: IsEmbedded);
    }

    /// <summary>Chooses the next token, and as many further ones as the guesses were right or a grammar forces; gives all but a last one to the reader. What goes wrong is told by <see cref="Settle"/>.</summary>
    /// <param name="batch">Has the logits.</param>
    /// <param name="row">First row of this sequence.</param>
    /// <param name="scratch">Room that nobody else uses meanwhile.</param>
    public void Advance(ScheduledBatch batch, int row, SamplerScratch scratch)
    {
        (_chosenBegin, _verifiedLength) = (_tokenCount, _tokenCount);
        try
        {
            var isRight = true;
            for (var i = 0; isRight && i <= _guessCount && !IsEnded && (i == 0 || !Answer.IsFull); i++)
            {
                var guess = i < _guessCount ? _tokenIds[_tokenCount] : -1;
                Choose(batch.LogitsOf(row + i), scratch);
                isRight = _tokenIds[_tokenCount - 1] == guess;
                if (isRight) _verifiedLength++;
                if (!IsEnded) Publish();
            }

            while (!IsEnded && !Answer.IsFull && TryTakeForced())
                if (!IsEnded) Publish();
        }
        catch (Exception fault)
        {
            // Whatever it was, it is this sequence's alone, and the engine's thread ends it.
            _fault = fault;
        }
    }

    /// <summary>Behind <see cref="Advance"/>: forgets guesses that were wrong, and lets others find what was computed.</summary>
    /// <param name="hidden">[rows, hidden_size] what the tokens were chosen from.</param>
    /// <param name="sequences">Sequences of the step.</param>
    /// <exception cref="GenerationException">A logit is NaN or infinite, or the grammar cannot be followed.</exception>
    public void Settle(ReadOnlySpan<float> hidden, int sequences)
    {
        if (_fault is { } fault) ExceptionDispatchInfo.Throw(fault);
        // Where reading stopped in the middle of the guesses, the last token is computed again: the numbers behind it are not kept.
        var length = Math.Min(_verifiedLength, _tokenCount - 1);
        if (Cache.Length > length) Cache.Truncate(length);

        // Only now: what ends in broken numbers is nobody else's.
        Cache.Share(_tokenIds, IsEnded);
        if (_guesses is null) return;
        var right = _verifiedLength - _chosenBegin;
        if (_guessCount > 0) _guesses.Note(_guessCount, right);
        _guessCount = 0;
        if (IsEnded) return;
        if (PendingCount != 1 || hidden.IsEmpty)
        {
            _guesses.Forget();
            return;
        }

        var chosen = _tokenCount - _chosenBegin;
        _guesses.Predict(_tokenIds.AsSpan(_chosenBegin, chosen), hidden[..(chosen * (hidden.Length / LogitRowCount))], sequences, _clock);
    }

    /// <summary>Chooses the next token; <see cref="Publish"/> gives it to the reader.</summary>
    private void Choose(ReadOnlySpan<float> logits, SamplerScratch scratch)
    {
        if (TryTakeForced()) return;
        var tokenId = _constraint is { IsActive: true } ? ChooseAllowed(_constraint, logits, scratch) : ChooseAny(logits, scratch, _constraint is null ? [] : _constraint.MaskBefore(logits.Length));
        if (tokenId < 0) throw LogProbs.InvalidLogits(logits);

        Append(tokenId);
        if (_options.TopLogProbs is not { } count) return;
        _topLogProbCount = Math.Min(count, logits.Length);
        _chunk = _chunk with { LogProb = (float)LogProbs.Measure(logits, tokenId, _topLogProbs.AsSpan(0, _topLogProbCount), scratch) };
    }

    /// <summary>Takes what the model makes of the last token, or of those just computed, in place of a token; <see cref="Publish"/> ends the answer once that is all.</summary>
    /// <param name="hidden">[rows, hidden_size].</param>
    /// <exception cref="GenerationException">A number is NaN or infinite.</exception>
    public void Embed(ReadOnlySpan<float> hidden)
    {
        var squares = 0.0;
        foreach (var value in hidden) squares += (double)value * value;
        if (!(squares > 0 && double.IsFinite(squares))) throw LogProbs.InvalidLogits(hidden);
        if (Head is { } head) Score(head, hidden);
        else
        {
            Embedding = new float[hidden.Length];
            for (var i = 0; i < hidden.Length; i++) Embedding[i] = (float)(hidden[i] / Math.Sqrt(squares));
        }

        if (PendingCount > 0) return;
        Cache.Share(_tokenIds, isEnd: true);
        _finishReason = FinishReason.Stop;
        _chunk = new GeneratedChunk { Text = "" };
    }

    /// <summary>Rows go by their position, so that tokens that are computed again after an eviction take their old place.</summary>
    private void Score(LabelHead head, ReadOnlySpan<float> hidden)
    {
        var count = head.Labels.Count;
        Embedding ??= new float[(head.IsPerToken ? _promptIds.Length : 1) * count];
        var scores = Embedding.AsSpan(head.IsPerToken ? (Cache.Length - LogitRowCount) * count : 0, LogitRowCount * count);
        head.Score(hidden, scores);
        foreach (var score in scores)
            if (!float.IsFinite(score)) throw LogProbs.InvalidLogits(scores);
    }

    /// <summary>Takes the next token without the model where the grammar leaves no choice; <see cref="Publish"/> gives it to the reader.</summary>
    /// <exception cref="GenerationException">The grammar cannot be followed.</exception>
    private bool TryTakeForced()
    {
        if (_constraint is null || _constraint.TakeForced() is not (var tokenId and >= 0)) return false;
        Append(tokenId);
        _topLogProbCount = Math.Min(1, _topLogProbs.Length);
        _topLogProbs.AsSpan(0, _topLogProbCount).Fill(new TokenLogProb(tokenId, 0));
        _chunk = _chunk with { IsForced = true, LogProb = _options.TopLogProbs is null ? null : 0 };
        return true;
    }

    /// <summary>Gives the chosen token to the reader; the last one with the end of the answer.</summary>
    public void Publish()
    {
        if (IsEnded) _chunk = _chunk with { FinishReason = _finishReason, Usage = Usage(), StopString = _finishReason == FinishReason.Stop ? _text.FoundStop : null };
        Answer.Write(_chunk, _text.Certain, _topLogProbs.AsSpan(0, _topLogProbCount));
        _text.DropCertain();
        if (IsEnded) Answer.Complete();
    }

    /// <summary>Ends the answer because the reader gave up.</summary>
    public void PublishCancelled()
    {
        if (_tokenCount == 0) _queueTime = _clock.GetElapsedTime(_submitted);
        _text.Cut();
        Answer.Write(new GeneratedChunk { Text = "", FinishReason = FinishReason.Cancelled, Usage = Usage() }, _text.Certain, []);
        Answer.Complete();
    }

    /// <summary>Gives the cache back for good.</summary>
    public void Release()
    {
        _cache?.Dispose();
        _cache = null;
        _guesses?.Dispose();
        _options.Adapter?.Leave();
    }

    private void Append(int tokenId)
    {
        if (_tokenCount == _promptIds.Length) _timeToFirstToken = _clock.GetElapsedTime(_submitted);
        _tokenIds[_tokenCount++] = tokenId;
        try
        {
            _constraint?.Accept(tokenId);
        }
        catch (GrammarException fault)
        {
            throw GrammarFault(fault);
        }
        _finishReason = Take(tokenId);
        _chunk = new GeneratedChunk { TokenId = tokenId, Text = "" };
    }

    private int ChooseAny(ReadOnlySpan<float> logits, SamplerScratch scratch, ReadOnlySpan<ulong> mask) =>
        _sampler.Next(logits, _tokenIds.AsSpan(0, _tokenCount), _promptIds.Length, scratch, mask);

    private int ChooseAllowed(GrammarConstraint constraint, ReadOnlySpan<float> logits, SamplerScratch scratch)
    {
        try
        {
            var mask = constraint.Mask();
            if (!mask.ContainsAnyExcept(0UL))
                throw new GenerationException(GenerationFault.Grammar, "no token of the model's vocabulary continues the text as the grammar demands");
            return ChooseAny(logits, scratch, mask);
        }
        catch (GrammarException fault)
        {
            throw GrammarFault(fault);
        }
    }

    private static GrammarConstraint Constrain(Grammar grammar, TokenTrie vocabulary, GenerationOptions options)
    {
        try
        {
            return new GrammarConstraint(grammar, vocabulary, options.GrammarAfterTokenId, options.GrammarBeginning);
        }
        catch (GrammarException fault)
        {
            throw GrammarFault(fault);
        }
    }

    private static GenerationException GrammarFault(GrammarException fault) => new(GenerationFault.Grammar, fault.Message, fault);

    /// <summary>Adds a token to the text; the reason if it is the last one. A token that ends the answer is no text.</summary>
    private string? Take(int tokenId)
    {
        if (_endTokenIds.AsSpan().Contains(tokenId))
        {
            _text.End();
            return FinishReason.Stop;
        }

        if (_text.Append(tokenId)) return FinishReason.Stop;
        if (_constraint is { IsAtEnd: true })
        {
            _text.End();
            return FinishReason.Stop;
        }

        if (_tokenCount < _tokenIds.Length) return null;
        _text.Cut();
        return FinishReason.Length;
    }

    private GenerationUsage Usage() => new()
    {
        PromptTokens = _promptIds.Length,
        CachedTokens = _cachedCount,
        GuessedTokens = _guesses?.GuessedCount ?? 0,
        AcceptedTokens = _guesses?.AcceptedCount ?? 0,
        CompletionTokens = Math.Max(0, _tokenCount - _promptIds.Length),
        Seed = _seed,
        QueueTime = _queueTime,
        TimeToFirstToken = _timeToFirstToken,
        TotalTime = _clock.GetElapsedTime(_submitted),
    };
}
