using Hadal.Checkpoints;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models;

namespace Hadal.Inference.Engine;

/// <summary>The engine's thread. <c>Step()</c> = schedule → forward → sample → publish: the computed tokens of each sequence catch up with its
/// tokens; chunked prefill, batching and recovery after an eviction follow from that one rule.</summary>
/// <remarks>
/// Places go to tenants in turn. Decoding sequences come first, then prompts in the order they got their places, cut to the rows that are left; while requests wait for their first token, those that
/// decode sit steps out, for <see cref="LongestPause"/> at most. A sequence whose reader is far behind pauses.
/// If the caches have no room, sequences give theirs back, those that pause first, then the youngest; they are computed again when another one has
/// ended or nothing else can run. No bit of an answer depends on any of this, because the model's numbers do not depend on cuts or batch mates.
/// </remarks>
internal sealed class EngineLoop
{
    /// <summary>Bytes of weights that are repacked between two steps: a token waits for them no longer than for a few steps.</summary>
    private const long RepackedBetweenSteps = 64L << 20;

    /// <summary>Bytes that are repacked at a time while nobody has an answer to come: whoever comes meanwhile waits for no more.</summary>
    private const long RepackedWhileIdle = 16L << 20;

    /// <summary>How long decoding rests at most while prompts are read: many that come at once have their first tokens sooner, and a text still flows as fast as it is read.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(100);

    private readonly DecoderModel _model;
    private readonly TextGeneratorOptions _options;
    private readonly Action _beforeForward;
    private readonly TimeProvider _clock;
    private readonly ScheduledBatch _batch;
    private readonly SamplerScratch[] _scratches;
    private readonly SpeculationCosts _costs = new();
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object _gate = new();
    private readonly List<Sequence> _arrivals = [];
    private readonly List<Sequence> _waiting = [];
    private readonly List<Sequence> _running = [];
    private readonly FairTurns _turns = new();
    private readonly QueueRoom _room;
    private readonly List<(Sequence Sequence, int Count)> _scheduled = [];
    private readonly List<(Sequence Sequence, int Row, int LogitRow)> _due = [];
    private int _turn;
    private long _lastDecoding;
    private bool _isTight;
    private bool _hasNews;
    private bool _isClosed;
    private bool _isIdle;
    private bool _repackingFailed;
    private EngineStatus _status;

    /// <param name="model">Used by the engine's thread only until <see cref="StopAsync"/> has ended.</param>
    /// <param name="options">Checked limits.</param>
    /// <param name="beforeForward">Called before each forward pass; throws if the weights can no longer be read.</param>
    /// <param name="clock">Tells when the engine last made progress.</param>
    public EngineLoop(DecoderModel model, TextGeneratorOptions options, Action beforeForward, TimeProvider clock)
    {
        _model = model;
        _options = options;
        _beforeForward = beforeForward;
        _clock = clock;
        _room = new QueueRoom(options, clock);
        _batch = new ScheduledBatch(model.Config.VocabSize, Math.Min(options.MaxConcurrent, options.MaxBatchTokens));
        _scratches = [.. Enumerable.Range(0, Math.Min(options.MaxConcurrent, model.Crew.ThreadCount)).Select(_ => new SamplerScratch(model.Config.VocabSize))];
        new Thread(Run) { IsBackground = true, Name = "hadal engine" }.Start();
    }

    /// <summary>Any thread: what the engine is doing.</summary>
    public EngineStatus Status
    {
        get
        {
            lock (_gate)
            {
                var status = _status with { WaitingCount = _status.WaitingCount + _arrivals.Count, FreeBlockCount = _model.FreeBlockCount };
                return _isIdle && !_hasNews ? status with { LastStep = _clock.GetTimestamp() } : status;
            }
        }
    }

    /// <summary>Any thread: who holds its places.</summary>
    public QueueRoom Room => _room;

    /// <summary>Any thread: queues a sequence.</summary>
    /// <param name="sequence">The sequence.</param>
    /// <param name="places">Where it counts; null: it takes a place of its own.</param>
    /// <exception cref="GenerationException">The queue is full, or the engine was closed.</exception>
    public void Submit(Sequence sequence, QueuePlaces? places)
    {
        lock (_gate)
        {
            if (_isClosed) throw Closed();
            using var own = places is not null ? null : sequence.IsContinuation ? _room.TakeAnyway(sequence.Tenant) : _room.Take(sequence.Tenant, 1, 1);
            sequence.Places = places ?? own;
            sequence.Places!.Enter();
            _arrivals.Add(sequence);
        }

        Wake();
    }

    /// <summary>Any thread: lets the engine look for work.</summary>
    public void Wake()
    {
        lock (_gate)
        {
            if (_isIdle && !_hasNews) _status = _status with { LastStep = _clock.GetTimestamp() };
            _hasNews = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Any thread: refuses new sequences, fails those that are here, and ends the thread.</summary>
    public Task StopAsync()
    {
        lock (_gate) _isClosed = true;
        Wake();
        return _stopped.Task;
    }

    private static GenerationException Closed() => new(GenerationFault.Closed, "the engine was closed");

    private void Run()
    {
        var hasWork = false;
        while (TakeArrivals(mayWait: !hasWork && !HasToRepack))
        {
            hasWork = Step();
            if (HasToRepack) Repack();
        }

        while (_running.Count > 0) Fail(_running[^1], Closed());
        while (_waiting.Count > 0) Fail(_waiting[^1], Closed());
        _stopped.SetResult();
    }

    /// <summary>Takes over what was submitted, waiting for news if there is nothing else to do; false once the engine was closed.</summary>
    private bool TakeArrivals(bool mayWait)
    {
        lock (_gate)
        {
            NoteStatus();
            _isIdle = mayWait;
            while (mayWait && !_hasNews) Monitor.Wait(_gate);
            _isIdle = false;
            _hasNews = false;
            foreach (var arrival in _arrivals) _waiting.Insert(arrival.ComesFirst ? 0 : _waiting.Count, arrival);
            _arrivals.Clear();
            NoteStatus();
            return !_isClosed;
        }
    }

    private void NoteStatus() => _status = new EngineStatus(_running.Count, _waiting.Count, _model.FreeBlockCount, _model.BlockCount, _clock.GetTimestamp());

    /// <summary>One step; false if there was nothing to compute.</summary>
    private bool Step()
    {
        EndCancelled(_running);
        EndCancelled(_waiting);
        Admit();
        Schedule();
        if (_scheduled.Count == 0 && !Readmit()) return false;
        Compute(0, _scheduled.Count);
        return true;
    }

    /// <summary>Asked anew each time: a model may bind further weights when a request first needs them.</summary>
    private bool HasToRepack => !_repackingFailed && !_model.IsRepacked;

    /// <summary>Repacks some of the weights, unless a prompt waits for its first token.</summary>
    private void Repack()
    {
        foreach (var sequence in _running)
            if (CanRun(sequence) && sequence.PendingCount > 1) return;
        try
        {
            _beforeForward();
            _model.Repack(_running.Count == 0 ? RepackedWhileIdle : RepackedBetweenSteps);
        }
        catch (Exception fault) when (fault is OutOfMemoryException or CheckpointException)
        {
            // The weights stay where they are, and the next request learns what is wrong with them, if anything is.
            _repackingFailed = true;
        }
    }

    private void EndCancelled(List<Sequence> sequences)
    {
        for (var i = sequences.Count - 1; i >= 0; i--)
        {
            var sequence = sequences[i];
            if (!sequence.IsCancelled) continue;
            Remove(sequence);
            sequence.PublishCancelled();
        }
    }

    private void Admit()
    {
        while (_waiting.Count > 0 && _running.Count < _options.MaxConcurrent)
        {
            var index = _turns.Next(_waiting, _running);
            var sequence = _waiting[index];
            _waiting.RemoveAt(index);
            var guesses = _options.Speculation == Speculation.Off || sequence.IsEmbedded ? null : new Guesses(_options.Speculation, _costs, _model.CreatePredictor());
            sequence.Start(_model.CreateCache(), _model.MaxContext, guesses);
            sequence.Began = _room.Begin(sequence.Tenant);
            _running.Add(sequence);
        }

        if (_waiting.Count == 0) _turns.Clear();
    }

    /// <summary>Lets the oldest evicted sequence that could run try again although no other has ended, because nothing else can run.</summary>
    private bool Readmit()
    {
        foreach (var sequence in _running)
        {
            if (!sequence.IsEvicted || sequence.Answer.IsFull) continue;
            sequence.Readmit();
            Schedule();
            return true;
        }

        return false;
    }

    private void Schedule()
    {
        _scheduled.Clear();
        var rows = _options.MaxBatchTokens;
        if (!IsReadingFirst()) rows -= ScheduleDecoding(rows);
        for (var i = 0; i < _running.Count && rows > 0; i++)
        {
            if (_running[i].PendingCount == 1 || !CanRun(_running[i])) continue;
            _running[i].Reuse();
            var count = Math.Min(rows, _running[i].PendingCount);
            _scheduled.Add((_running[i], count));
            rows -= count;
        }
    }

    /// <summary>Whether decoding sits this step out.</summary>
    private bool IsReadingFirst()
    {
        if (_clock.GetElapsedTime(_lastDecoding) >= LongestPause) return false;
        foreach (var sequence in _running)
            if (sequence.IsReading && sequence.PendingCount > 1 && CanRun(sequence)) return true;
        return false;
    }

    /// <summary>Schedules the sequences that have one token pending, and guesses behind them.</summary>
    /// <returns>How many rows they take.</returns>
    private int ScheduleDecoding(int mostRows)
    {
        _lastDecoding = _clock.GetTimestamp();
        var rows = mostRows;
        var first = _running.Count == 0 ? 0 : _turn % _running.Count;
        for (var i = 0; i < _running.Count; i++)
        {
            // Where not all decoding sequences fit, the next step begins with the first that was left out.
            var index = (first + i) % _running.Count;
            if (!CanRun(_running[index]) || _running[index].PendingCount > 1) continue;
            if (rows == 0)
            {
                _turn = index;
                break;
            }

            _scheduled.Add((_running[index], 1));
            rows--;
        }

        foreach (var (sequence, _) in _scheduled) rows -= sequence.Guess(rows, _scheduled.Count);
        return mostRows - rows;
    }

    private bool CanRun(Sequence sequence) => !(sequence.IsEvicted && _isTight) && !sequence.Answer.IsFull;

    /// <summary>Computes scheduled sequences. If that fails, each of them is tried alone, so that the one at fault fails alone.</summary>
    private void Compute(int begin, int count)
    {
        _batch.Clear();
        var start = _clock.GetTimestamp();
        try
        {
            for (var i = begin; i < begin + count; i++) _scheduled[i].Sequence.AddTo(_batch, _scheduled[i].Count);
            _beforeForward();
            _model.Forward(_batch);
        }
        catch (KvCacheFullException fault)
        {
            MakeRoom(fault);
            return;
        }
        catch (Exception fault)
        {
            // Whatever it was, it reaches the request as the inner exception of its failure; the engine lives on for the others.
            if (count == 1) Fail(_scheduled[begin].Sequence, Failed(fault));
            else
                for (var i = begin; i < begin + count; i++) Compute(i, 1);
            return;
        }

        var (row, logitRow, readsPrompt) = (0, 0, false);
        _due.Clear();
        for (var i = begin; i < begin + count; i++)
        {
            var sequence = _scheduled[i].Sequence;
            readsPrompt |= _scheduled[i].Count > 1;
            if (sequence.LogitRowCount > 0) _due.Add((sequence, row, logitRow));
            row += sequence.LogitRowCount;
            if (!sequence.IsEmbedded) logitRow += sequence.LogitRowCount;
        }

        Choose();
        if (!readsPrompt) _costs.Record(count, _batch.TokenCount, _clock.GetElapsedTime(start).TotalSeconds);
        foreach (var (sequence, first, _) in _due) Settle(sequence, first);
    }

    /// <summary>Chooses tokens for all sequences whose logits are there, each thread for its share of them.</summary>
    private void Choose()
    {
        var job = new ChoiceJob(_due, _batch, _scratches);
        _model.Crew.Run(ref job, Math.Min(_due.Count, _scratches.Length));
    }

    /// <summary>Brings what was chosen to its reader, and the sequence in order for the next step.</summary>
    private void Settle(Sequence sequence, int row)
    {
        try
        {
            var width = _model.Config.HiddenSize;
            var hidden = _model.FinalHidden;
            hidden = hidden.Length >= (row + sequence.LogitRowCount) * width ? hidden.Slice(row * width, sequence.LogitRowCount * width) : [];
            if (sequence.IsEmbedded) sequence.Embed(hidden);
            else sequence.Settle(hidden, _due.Count);
            if (sequence.IsEnded) Publish(sequence);
        }
        catch (GenerationException fault)
        {
            Fail(sequence, fault);
        }
        catch (Exception fault)
        {
            Fail(sequence, Failed(fault));
        }
    }

    private void Publish(Sequence sequence)
    {
        if (sequence.IsEnded) Remove(sequence);
        sequence.Publish();
    }

    /// <summary>Takes the cache of one sequence: of the youngest that pauses, else of the youngest. The next step goes on with the others.</summary>
    private void MakeRoom(KvCacheFullException fault)
    {
        Sequence? victim = null;
        var holderCount = 0;
        foreach (var sequence in _running)
        {
            if (sequence.IsEvicted) continue;
            holderCount++;
            if (victim is null || sequence.Answer.IsFull || !victim.Answer.IsFull) victim = sequence;
        }

        if (holderCount == 1) Fail(victim!, Failed(fault));
        else victim!.Evict();
        _isTight = holderCount > 1;
    }

    /// <summary>Sequences i, i + n, i + 2n, … choose their tokens in the room of part i of n.</summary>
    private readonly struct ChoiceJob(List<(Sequence Sequence, int Row, int LogitRow)> due, ScheduledBatch batch, SamplerScratch[] scratches) : ICrewJob
    {
        public void Execute(int partIndex)
        {
            var parts = Math.Min(due.Count, scratches.Length);
            for (var i = partIndex; i < due.Count; i += parts)
                if (!due[i].Sequence.IsEmbedded) due[i].Sequence.Advance(batch, due[i].LogitRow, scratches[partIndex]);
        }
    }

    private static GenerationException Failed(Exception fault) =>
        new(GenerationFault.Failed, "the engine failed while it worked on this request", fault);

    private void Fail(Sequence sequence, GenerationException fault)
    {
        Remove(sequence);
        sequence.Answer.Complete(fault);
    }

    /// <summary>Gives back what a sequence holds, before its reader learns of its end: who reads the end finds the room free.</summary>
    private void Remove(Sequence sequence)
    {
        if (!_running.Remove(sequence)) _waiting.Remove(sequence);
        sequence.Release();
        _isTight = false;
        if (sequence.Began is { } began) _room.End(sequence.Tenant, began);
        sequence.Places!.Leave();
    }
}
