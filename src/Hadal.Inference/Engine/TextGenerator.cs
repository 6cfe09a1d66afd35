using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Grammars;
using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;

namespace Hadal.Inference.Engine;

/// <summary>The engine: takes token ids, gives text as it is generated; any number of callers may use it at once.</summary>
public sealed class TextGenerator : IAsyncDisposable
{
    private readonly DecoderModel _model;
    private readonly TextGeneratorOptions _options;
    private readonly TimeProvider _clock;
    private readonly EngineLoop _loop;
    private readonly LabelHead? _head;

    /// <param name="model">Owned from now on, and used by the engine's thread only.</param>
    /// <param name="tokenizer">Gives the tokens' text.</param>
    /// <param name="endTokenIds">Tokens that end an answer.</param>
    /// <param name="options">Limits.</param>
    /// <param name="beforeForward">Called before each forward pass; throws if the weights can no longer be read.</param>
    /// <param name="clock">Measures times.</param>
    /// <param name="head">The model's head for labels; null where it writes text.</param>
    internal TextGenerator(
        DecoderModel model, Tokenizer tokenizer, IReadOnlyList<int> endTokenIds, TextGeneratorOptions options, Action? beforeForward = null, TimeProvider? clock = null, LabelHead? head = null)
    {
        _head = head;
        _model = model;
        _options = options;
        _clock = clock ?? TimeProvider.System;
        Tokenizer = tokenizer;
        EndTokenIds = endTokenIds;
        _loop = new EngineLoop(model, options, beforeForward ?? (static () => { }), _clock);
    }

    /// <summary>The model's tokenizer.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>Tokens that end an answer unless <see cref="GenerationOptions.IgnoreEos"/> is set.</summary>
    public IReadOnlyList<int> EndTokenIds { get; }

    /// <summary>Tokens of prompt and answer together at most.</summary>
    public int MaxContext => _model.MaxContext;

    /// <summary>Sequences that may run and wait together.</summary>
    public int MaxSequences => _options.MaxConcurrent + _options.MaxQueued;

    /// <summary>What the engine is doing.</summary>
    public EngineStatus Status => _loop.Status;

    /// <summary>Starts the engine of a checkpoint: its model, its tokenizer and a thread. A checkpoint with a head for labels scores (<see cref="ScoreAsync"/>) and writes nothing.</summary>
    /// <param name="checkpoint">Open, and kept open by the caller until the generator is disposed.</param>
    /// <param name="options">Limits of the engine; defaults if null.</param>
    /// <param name="engineOptions">Limits of the model; if null, each of the concurrent sequences may fill its context. With fewer
    /// <see cref="EngineOptions.MaxSequences"/> than that, sequences take turns when the cache is full. <see cref="EngineOptions.MaxBatchTokens"/>
    /// is that of <paramref name="options"/>.</param>
    /// <param name="tokenizer">The checkpoint's tokenizer, if the caller has loaded it; otherwise it is loaded here.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message has all faults.</exception>
    /// <exception cref="CheckpointException">The tokenizer cannot be read, or a tensor has a format without kernels.</exception>
    public static TextGenerator Open(Checkpoint checkpoint, TextGeneratorOptions? options = null, EngineOptions? engineOptions = null, Tokenizer? tokenizer = null)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        options ??= new TextGeneratorOptions();
        if (options.Faults() is { Count: > 0 } faults) throw new ArgumentException(string.Join("; ", faults), nameof(options));
        engineOptions = (engineOptions ?? new EngineOptions { MaxSequences = options.MaxConcurrent }) with { MaxBatchTokens = options.MaxBatchTokens, DefersRepacking = true };

        tokenizer ??= checkpoint.LoadTokenizer();
        var head = LabelHead.Of(checkpoint);
        IReadOnlyList<int> endTokenIds =
            [.. checkpoint.GenerationConfig.EosTokenId.Concat(checkpoint.Config.EosTokenId).Concat(tokenizer.EosTokenIds).Distinct()];
        return new TextGenerator(DecoderModel.Open(checkpoint, engineOptions), tokenizer, endTokenIds, options, checkpoint.EnsureUnchanged, head: head);
    }

    /// <summary>Makes an adapter ready for requests; others go on meanwhile. Disposing of it unloads it once the last request with it has ended.</summary>
    /// <param name="adapter">Opened for the model's config; it may be closed afterwards.</param>
    /// <exception cref="CheckpointException">It adapts projections that are not computed with adapters.</exception>
    public DecoderAdapter AddAdapter(LoraAdapter adapter)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        return _model.AddAdapter(adapter);
    }

    /// <summary>Sequences that a tenant may have here at most: all for one without a name, half of <see cref="MaxSequences"/> for others, or as many as run together where that is more.</summary>
    public int MostPlaces(string tenant) => _loop.Room.Most(tenant);

    /// <summary>Takes places for a request whose sequences are computed together, all at once, so that it is refused as a whole or not at all.</summary>
    /// <param name="tenant">Whose request it is; empty where callers are not told apart.</param>
    /// <param name="least">Places that it needs, 1 to <see cref="MostPlaces"/>.</param>
    /// <param name="most">Places that it would use; beyond <paramref name="least"/> it gets those that leave free half of what the tenant may hold.</param>
    /// <returns>To be given to the sequences in <see cref="GenerationOptions.Places"/>, and disposed of when the request has ended.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A count is out of range.</exception>
    /// <exception cref="GenerationException">There is no room; <see cref="GenerationException.RetryAfter"/> says when there will be.</exception>
    public QueuePlaces TakePlaces(string tenant, int least, int most)
    {
        ArgumentNullException.ThrowIfNull(tenant);
        ArgumentOutOfRangeException.ThrowIfLessThan(least, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(least, MostPlaces(tenant));
        ArgumentOutOfRangeException.ThrowIfLessThan(most, least);
        return _loop.Room.Take(tenant, least, most);
    }

    /// <summary>How long it takes until places are free, by how long sequences have taken lately.</summary>
    /// <param name="tenant">Until it has ended some of its own; null: until anybody has.</param>
    /// <param name="count">How many places.</param>
    /// <returns>Null where nothing runs that could end.</returns>
    public TimeSpan? WaitFor(string? tenant, int count = 1) => _loop.Room.Wait(tenant, count);

    /// <summary>The head for labels that requests with an adapter, or with none, are scored by; null where they are answered with text.</summary>
    public LabelHead? HeadOf(DecoderAdapter? adapter) => adapter?.Head ?? _head;

    /// <summary>Generates an answer and streams it.</summary>
    /// <param name="promptIds">Token ids of the prompt, at least one.</param>
    /// <param name="options">Sampling and limits.</param>
    /// <param name="cancellationToken">Ends the work within one step; the stream then ends with a chunk whose reason is <see cref="FinishReason.Cancelled"/>.
    /// Leaving the enumeration early does the same.</param>
    /// <returns>Chunks; the last one has <see cref="GeneratedChunk.FinishReason"/> and <see cref="GeneratedChunk.Usage"/>. The request is made
    /// when the enumeration begins; refusals and failures are thrown there as <see cref="GenerationException"/>.</returns>
    /// <exception cref="ArgumentException">An option or a prompt id is out of range, or a head scores and writes no text; the message has all faults.</exception>
    /// <exception cref="GenerationException">The prompt leaves no room in the context.</exception>
    public IAsyncEnumerable<GeneratedChunk> GenerateAsync(
        IReadOnlyList<int> promptIds, GenerationOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(promptIds);
        ArgumentNullException.ThrowIfNull(options);
        if (HeadOf(options.Adapter) is { } head) throw new ArgumentException($"adapter: scores {string.Join(", ", head.Labels.Take(4))}, expected a model that writes text", nameof(options));
        int[] prompt = [.. promptIds];
        Check(prompt, options);
        return StreamAsync(prompt, options, cancellationToken);
    }

    /// <summary>Generates an answer and returns it whole.</summary>
    /// <inheritdoc cref="GenerateAsync"/>
    /// <returns>The answer; if it was cancelled, what there was by then.</returns>
    public async Task<GenerationResult> CompleteAsync(
        IReadOnlyList<int> promptIds, GenerationOptions options, CancellationToken cancellationToken = default)
    {
        var text = new System.Text.StringBuilder();
        var tokenIds = new List<int>();
        var last = default(GeneratedChunk);
        await foreach (var chunk in GenerateAsync(promptIds, options, cancellationToken).ConfigureAwait(false))
        {
            text.Append(chunk.Text);
            if (chunk.TokenId is { } tokenId) tokenIds.Add(tokenId);
            last = chunk;
        }

        return last is { FinishReason: { } reason, Usage: { } usage }
            ? new GenerationResult(text.ToString(), tokenIds, reason, usage)
            : throw new GenerationException(GenerationFault.Failed, "the answer has no end");
    }

    /// <summary>Number of values of an embedding (<c>hidden_size</c>).</summary>
    public int EmbeddingLength => _model.Config.HiddenSize;

    /// <summary>Computes the embedding of a text: what the model has made of its last token after the final norm, scaled to unit length.</summary>
    /// <param name="promptIds">Token ids, at least one.</param>
    /// <param name="options">Adapter and salt; the rest has no part in it.</param>
    /// <param name="cancellationToken">Ends the work within one step.</param>
    /// <returns>[hidden_size] values, and counts and times.</returns>
    /// <exception cref="ArgumentException">A prompt id is out of range.</exception>
    /// <exception cref="GenerationException">The prompt is too long, the queue is full, or the numbers are broken.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public Task<(float[] Vector, GenerationUsage Usage)> EmbedAsync(IReadOnlyList<int> promptIds, GenerationOptions options, CancellationToken cancellationToken = default) =>
        ReadAsync(promptIds, options, null, cancellationToken);

    /// <summary>Scores a text or its tokens with the head of the adapter or of the model.</summary>
    /// <inheritdoc cref="EmbedAsync"/>
    /// <returns>[labels] of the text, or [tokens, labels], not normalised, and counts and times.</returns>
    /// <exception cref="ArgumentException">There is no head, or a prompt id is out of range.</exception>
    public Task<(float[] Scores, GenerationUsage Usage)> ScoreAsync(IReadOnlyList<int> promptIds, GenerationOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        return ReadAsync(promptIds, options, HeadOf(options.Adapter) ?? throw new ArgumentException("adapter: writes text, expected a head for labels", nameof(options)), cancellationToken);
    }

    private async Task<(float[] Numbers, GenerationUsage Usage)> ReadAsync(IReadOnlyList<int> promptIds, GenerationOptions options, LabelHead? head, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(promptIds);
        ArgumentNullException.ThrowIfNull(options);
        int[] prompt = [.. promptIds];
        options = new GenerationOptions { Adapter = options.Adapter, CacheSalt = options.CacheSalt, Tenant = options.Tenant, IsContinuation = options.IsContinuation, Places = options.Places, MaxTokens = 1 };
        Check(prompt, options);
        var sequence = new Sequence(prompt, options, [], Tokenizer, null, 0, _options.MaxUnreadChunks, _clock, _loop.Wake) { IsEmbedded = true, Head = head };
        using var registration = cancellationToken.UnsafeRegister(static state => ((Sequence)state!).Cancel(), sequence);
        Submit(sequence, options);
        GenerationUsage? usage = null;
        while (await sequence.Answer.WaitAsync().ConfigureAwait(false))
            while (sequence.Answer.TryRead(out var chunk)) usage = chunk.Usage ?? usage;
        return sequence.Embedding is { } vector && usage is not null ? (vector, usage) : throw new OperationCanceledException(cancellationToken);
    }

    /// <summary>Refuses new requests, ends all others with <see cref="GenerationFault.Closed"/> within one step, and releases the model.</summary>
    public async ValueTask DisposeAsync()
    {
        await _loop.StopAsync().ConfigureAwait(false);
        _model.Dispose();
    }

    private async IAsyncEnumerable<GeneratedChunk> StreamAsync(
        int[] prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var seed = options.Sampling.Seed ?? BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));
        var sequence = new Sequence(
            prompt, options, EndTokenIds, Tokenizer, options.Grammar is null ? null : TokenTrie.Of(Tokenizer, EndTokenIds), seed, _options.MaxUnreadChunks, _clock, _loop.Wake);
        using var registration = cancellationToken.UnsafeRegister(static state => ((Sequence)state!).Cancel(), sequence);
        Submit(sequence, options);
        try
        {
            while (await sequence.Answer.WaitAsync().ConfigureAwait(false))
            {
                while (sequence.Answer.TryRead(out var chunk)) yield return chunk;
            }
        }
        finally
        {
            sequence.Cancel();
        }
    }

    /// <summary>Queues a sequence; an adapter stays loaded until the sequence ends.</summary>
    private void Submit(Sequence sequence, GenerationOptions options)
    {
        var adapter = options.Adapter;
        if (adapter is { } used && !used.TryEnter()) throw new GenerationException(GenerationFault.Failed, "the adapter was unloaded");
        try
        {
            _loop.Submit(sequence, options.Places);
        }
        catch
        {
            adapter?.Leave();
            throw;
        }
    }

    private void Check(int[] prompt, GenerationOptions options)
    {
        var vocabSize = _model.Config.VocabSize;
        var faults = new List<string>(options.Faults(vocabSize));
        if (prompt.Length == 0) faults.Add("prompt: expected at least one token");
        if (Array.FindIndex(prompt, id => (uint)id >= (uint)vocabSize) is var index and >= 0)
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"prompt[{index}]: expected a token id from 0 to {vocabSize - 1}, got {prompt[index]}"));
        if (options.Adapter is { } adapter && adapter.Model != _model) faults.Add("adapter: expected one made by this generator");
        if (options.Places is { } places && !places.AreOf(_loop.Room)) faults.Add("places: expected some of this generator");
        if (faults.Count > 0) throw new ArgumentException(string.Join("; ", faults), nameof(options));
        if (prompt.Length >= MaxContext)
            throw new GenerationException(GenerationFault.PromptTooLong, string.Create(
                CultureInfo.InvariantCulture, $"the prompt has {prompt.Length} tokens, at most {MaxContext - 1} fit the context of {MaxContext}; shorten it or allow a longer context"));
    }
}
