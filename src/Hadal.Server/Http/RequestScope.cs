using Hadal.Inference.Engine;
using Hadal.Server.Answers;
using Hadal.Server.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Hadal.Server.Http;

/// <summary>One request: who it is from, what it may use, and what ends it.</summary>
internal sealed class RequestScope : IDisposable
{
    private readonly CancellationTokenSource _deadline;
    private QueuePlaces? _places;
    private IDisposable? _adapter;

    /// <param name="http">The request.</param>
    /// <param name="server">What all requests share.</param>
    /// <param name="caller">Who it is from.</param>
    public RequestScope(HttpContext http, ServerState server, Caller caller)
    {
        (Http, Server, Caller) = (http, server, caller);
        Started = server.Options.Clock.GetTimestamp();
        _deadline = new CancellationTokenSource(server.Options.RequestTimeout, server.Options.Clock);
        Cancel = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, server.Stopping, _deadline.Token);
    }

    public HttpContext Http { get; }

    public ServerState Server { get; }

    public Caller Caller { get; }

    /// <summary>When the request came, in ticks of the clock.</summary>
    public long Started { get; }

    /// <summary>Ends the work within one step: the client has gone, time is up, or the server stops.</summary>
    public CancellationTokenSource Cancel { get; }

    /// <summary>What the request was about, for metrics.</summary>
    public string? Operation { get; set; }

    /// <summary>What is told of the request to operators; of requests that work for the caller.</summary>
    public RequestRecord? Record { get; set; }

    /// <summary>Bytes that its body takes of the room for bodies.</summary>
    public long BodyBytes { get; private set; }

    /// <summary>Whether it has a place among those that are worked on.</summary>
    public bool HasEntered { get; private set; }

    /// <summary>The model's name, once it is known to exist.</summary>
    public string? Model { get; set; }

    /// <summary>Sequences that count as its key's: one until it is known how many there are.</summary>
    public int SequenceCount { get; private set; } = 1;

    /// <summary>Finds what the request asks for. An adapter stays loaded for it until it has ended, whatever becomes of its name.</summary>
    /// <param name="name">The name; null for the only model, where there is one.</param>
    /// <exception cref="ApiException">There is no such model, or it is not ready.</exception>
    public ModelChoice Find(string? name)
    {
        while (true)
        {
            var choice = Server.Catalog.Find(name);
            if (choice.Adapter is null) return choice;
            if (choice.Adapter.TryHold() is { } held)
            {
                _adapter?.Dispose();
                _adapter = held;
                return choice;
            }

            // Another one has taken the name since, or nobody: what is gone does not stand in the catalogue.
        }
    }

    /// <summary>Takes a place among those that are worked on, now that the body is whole.</summary>
    /// <exception cref="ApiException">The server stops, or all places are taken.</exception>
    public void Enter()
    {
        Server.Enter(Caller);
        HasEntered = true;
    }

    /// <summary>Takes room for the body until the request has ended, or gives some of it back.</summary>
    /// <param name="count">Bytes from now on.</param>
    /// <exception cref="ApiException">Other bodies have taken the room.</exception>
    public void HoldBody(long count)
    {
        Server.HoldBodies(Caller, count - BodyBytes);
        BodyBytes = count;
    }

    /// <summary>Takes places in the queue of an engine until the request has ended.</summary>
    /// <param name="generator">The engine.</param>
    /// <param name="least">Sequences that run together; no more than the key may ever have.</param>
    /// <param name="most">Sequences that may run together where there is much room.</param>
    /// <exception cref="ApiException">The key has as many sequences as it may.</exception>
    /// <exception cref="GenerationException">The queue has no room.</exception>
    public QueuePlaces TakePlaces(TextGenerator generator, int least, int most)
    {
        SequenceCount = Server.Grow(Caller, SequenceCount, least, most);
        _places = generator.TakePlaces(Caller.Tenant, least, SequenceCount);
        SequenceCount = Server.Grow(Caller, SequenceCount, _places.Count, _places.Count);
        return _places;
    }

    /// <summary>Gives the places back, now that all is generated: whoever reads the end of an answer finds them free.</summary>
    public void GiveBackPlaces()
    {
        _places?.Dispose();
        Server.GiveBack(Caller, SequenceCount);
        SequenceCount = 0;
    }

    /// <summary>Notes what is asked for.</summary>
    public void Asked(ModelChoice choice, GenerationOptions? options = null, int choices = 1, bool isStream = false)
    {
        Model = choice.Name;
        Record?.Asked(choice.Name, options, choices, isStream);
    }

    /// <summary>Notes an answer that has ended.</summary>
    public void Answered(GenerationUsage usage, int completionTokens, int reasoningTokens, string? finishReason)
    {
        Server.Metrics.RecordAnswer(this, usage, completionTokens);
        Record?.Answered(usage, completionTokens, reasoningTokens, finishReason);
    }

    /// <summary>Notes what an answer has taken, in its last step.</summary>
    public void Note(ChatStep step)
    {
        if (step.Usage is { } usage) Answered(usage.Engine, usage.CompletionTokens, usage.ReasoningTokens, step.FinishReason);
    }

    /// <summary>Notes a step that was read.</summary>
    /// <exception cref="OperationCanceledException">It is the last one of an answer that was cancelled.</exception>
    public void Took(ChatStep step)
    {
        Note(step);
        CheckEnd(step.FinishReason);
    }

    /// <summary>What is behind an answer is not for one that was cancelled.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public void CheckEnd(string? finishReason)
    {
        if (finishReason == FinishReason.Cancelled) throw new OperationCanceledException(Cancel.Token);
    }

    /// <summary>Why the work was ended.</summary>
    public ApiException WhyCancelled() =>
        _deadline.IsCancellationRequested
            ? new ApiException(504, FormattableString.Invariant($"the answer was not ready within {Server.Options.RequestTimeout.TotalSeconds:0} s"), code: "request_timeout")
            : ServerState.IsStopping();

    /// <summary>A fault as it is told to the client; null where the client has gone.</summary>
    public ApiException? ErrorOf(Exception fault, string promptField = "messages")
    {
        if (Http.RequestAborted.IsCancellationRequested) return null;
        var error = fault is OperationCanceledException ? WhyCancelled() : ApiException.Of(fault, promptField);
        if (error is { Status: 500, InnerException: { } cause }) Server.Options.Log($"{Http.Response.Headers["x-request-id"]}: {cause.GetType().Name}: {cause.Message} {cause.InnerException?.Message}".TrimEnd());
        return error;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        HoldBody(0);
        _places?.Dispose();
        _adapter?.Dispose();
        Cancel.Dispose();
        _deadline.Dispose();
    }
}

/// <summary>What all requests share.</summary>
internal sealed class ServerState(ServerOptions options, ModelCatalog catalog, ApiKeys? keys, AdapterLoading? adapters = null) : IDisposable
{
    /// <summary>Requests that may be checked and compiled beside those that the engines take.</summary>
    private const int MostPreparing = 64;

    /// <summary>Bodies of the largest size that may be in memory at once.</summary>
    private const int MostLargeBodies = 16;

    private static readonly TimeSpan LastWait = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _draining = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Dictionary<string, int> _sequences = [];
    private readonly FairShares _work = new();
    private readonly FairShares _bodies = new();
    private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private bool _isDraining;

    public ServerOptions Options => options;

    public ModelCatalog Catalog => catalog;

    public ApiKeys? Keys => keys;

    /// <summary>Loads adapters; null where the server has those of its start only.</summary>
    public AdapterLoading? Adapters => adapters;

    public ServerMetrics Metrics { get; } = new();

    /// <summary>Cancelled when no more work is taken.</summary>
    public CancellationToken Draining => _draining.Token;

    /// <summary>Cancelled when answers have to end.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>Whether no more work is taken.</summary>
    public bool IsDraining
    {
        get
        {
            lock (_gate) return _isDraining;
        }
    }

    /// <summary>Counts a request of a key whose body is still to come. It takes no place meanwhile: a body that never comes keeps nobody out.</summary>
    /// <exception cref="ApiException">The server stops or has no place, or the key has as many requests as it may.</exception>
    public void Arrive(Caller caller)
    {
        lock (_gate)
        {
            CheckPlaces(caller);
            var count = _sequences.GetValueOrDefault(caller.Name);
            if (count >= caller.MaxConcurrent) throw TooManySequences(caller, count, 1);
            _sequences[caller.Name] = count + 1;
        }
    }

    /// <summary>Counts the sequences of a request that has arrived, of which one was counted then.</summary>
    /// <param name="caller">Who it is from.</param>
    /// <param name="counted">Sequences of it that are counted.</param>
    /// <param name="least">So many, or none.</param>
    /// <param name="most">So many if half of what the key may have is left then.</param>
    /// <returns>How many are counted from now on.</returns>
    /// <exception cref="ApiException">The key may not have so many beside its others.</exception>
    public int Grow(Caller caller, int counted, int least, int most)
    {
        lock (_gate)
        {
            var others = _sequences[caller.Name] - counted;
            var free = caller.MaxConcurrent - others;
            if (least > free) throw TooManySequences(caller, others, least - free);
            var granted = least + Math.Clamp(free - least - (caller.MaxConcurrent / 2), 0, most - least);
            _sequences[caller.Name] = others + granted;
            return granted;
        }
    }

    /// <summary>Gives a place to a request that has arrived.</summary>
    /// <exception cref="ApiException">The server stops, or has no place.</exception>
    public void Enter(Caller caller)
    {
        lock (_gate)
        {
            CheckPlaces(caller);
            _work.Add(caller.Tenant, 1);
        }
    }

    /// <summary>Counts sequences of a request out.</summary>
    public void GiveBack(Caller caller, int sequences)
    {
        lock (_gate)
            if (sequences > 0 && (_sequences[caller.Name] -= sequences) == 0) _sequences.Remove(caller.Name);
    }

    /// <summary>Counts a request out.</summary>
    /// <param name="caller">Who it is from.</param>
    /// <param name="hasEntered">Whether it has a place.</param>
    /// <param name="sequences">Sequences of it that are counted.</param>
    public void Leave(Caller caller, bool hasEntered, int sequences = 1)
    {
        GiveBack(caller, sequences);
        lock (_gate)
        {
            if (hasEntered) _work.Add(caller.Tenant, -1);
            if (_work.Taken == 0 && _isDraining) _idle.TrySetResult();
        }
    }

    /// <summary>Takes room for bodies, or gives some back where the count is negative.</summary>
    /// <exception cref="ApiException">There is not so much left.</exception>
    public void HoldBodies(Caller caller, long count)
    {
        lock (_gate)
        {
            // Bodies come within a second or not for long: there is nothing to measure.
            var capacity = MostLargeBodies * options.MaxBodyBytes;
            if (count > 0 && count > capacity - _bodies.Taken) throw ApiException.Unavailable("bodies of other requests fill the room for them; try again later", retryAfterSeconds: 1);
            if (count > 0 && count > _bodies.Free(caller.Tenant, capacity)) throw ApiException.TooMany("bodies of other requests of this key fill what a key may take of the room for them; try again later", retryAfterSeconds: 1);
            _bodies.Add(caller.Tenant, count);
        }
    }

    /// <summary>Takes no more work and waits for what is there; when the time is up, ends it.</summary>
    public async Task DrainAsync()
    {
        lock (_gate)
        {
            _isDraining = true;
            if (_work.Taken == 0) _idle.TrySetResult();
        }

        // Bodies that are still on their way are refused now; waiting for them would leave the end to whoever sends them.
        await _draining.CancelAsync().ConfigureAwait(false);
        try
        {
            await _idle.Task.WaitAsync(options.DrainTimeout, options.Clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            await _stopping.CancelAsync().ConfigureAwait(false);

            // All have been told; whoever does not read what is left is cut off when listening ends.
            await _idle.Task.WaitAsync(LastWait, options.Clock).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>What requests are told that come too late.</summary>
    public static ApiException IsStopping() => ApiException.Unavailable("the server is stopping", retryAfterSeconds: 5);

    /// <summary>Why the server should get no requests, or null.</summary>
    public string? WhyNotReady()
    {
        if (IsDraining) return "stopping";
        if (catalog.Loaded.IsFaulted) return "a model could not be loaded";
        if (!catalog.Loaded.IsCompleted) return "loading";
        return catalog.Ready.Any(model => model.Generator.Status.SinceProgress(options.Clock) > options.StallTimeout) ? "an engine makes no progress" : null;
    }

    private void CheckPlaces(Caller caller)
    {
        if (_isDraining) throw IsStopping();
        var capacity = MostPreparing + catalog.Ready.Sum(model => model.Generator.MaxSequences);
        if (_work.Taken >= capacity) throw ApiException.Unavailable("the server has as many requests as it takes; try again later", Wait(null, 1));
        if (_work.Free(caller.Tenant, capacity) < 1)
            throw ApiException.TooMany(
                FormattableString.Invariant($"{_work.HeldBy(caller.Tenant)} of {capacity} requests that the server takes are of this key, which leaves others as many as it has; try again later"), Wait(caller.Tenant, 1));
    }

    private ApiException TooManySequences(Caller caller, int count, int beyond) => ApiException.TooMany(
        FormattableString.Invariant($"this key may have {caller.MaxConcurrent} sequences at a time (answers of a request count one by one), and has {count}; try again later"), Wait(caller.Tenant, beyond));

    /// <summary>Seconds until the first engine will have ended so many sequences.</summary>
    private int Wait(string? tenant, int count) => ApiException.Seconds(catalog.Ready.Select(model => model.Generator.WaitFor(tenant, count)).Min());

    /// <inheritdoc/>
    public void Dispose()
    {
        _draining.Dispose();
        _stopping.Dispose();
        adapters?.Dispose();
        Metrics.Dispose();
    }
}
