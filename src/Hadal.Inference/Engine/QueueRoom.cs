using System.Globalization;

namespace Hadal.Inference.Engine;

/// <summary>The places of an engine: who holds how many, and how long it takes until some are free again. Any thread may ask.</summary>
internal sealed class QueueRoom
{
    /// <summary>Weight of what was measured before in what is measured now: the last ten sequences or so count.</summary>
    private const double Memory = 0.9;

    private readonly TextGeneratorOptions _options;
    private readonly TimeProvider _clock;
    private readonly long _origin;
    private readonly Lock _gate = new();
    private readonly FairShares _shares;
    private readonly Dictionary<string, int> _running = new(StringComparer.Ordinal);
    private int _runningCount;
    private double _begun;
    private double _endedTime;
    private double _endedCount;

    /// <param name="options">How many places there are.</param>
    /// <param name="clock">Measures how long they are held.</param>
    public QueueRoom(TextGeneratorOptions options, TimeProvider clock)
    {
        (_options, _clock) = (options, clock);
        _shares = new FairShares(alone: options.MaxConcurrent);
        _origin = clock.GetTimestamp();
    }

    private int Capacity => _options.MaxConcurrent + _options.MaxQueued;

    /// <summary>Seconds since the engine was made.</summary>
    private double Now => _clock.GetElapsedTime(_origin).TotalSeconds;

    /// <summary>The most that a tenant may hold.</summary>
    public int Most(string tenant) => (int)_shares.Most(tenant, Capacity);

    /// <summary>Takes places for a request.</summary>
    /// <param name="tenant">Whose it is.</param>
    /// <param name="least">So many, or none.</param>
    /// <param name="most">So many if half of what the tenant may hold is left then: who can do with fewer keeps out nobody.</param>
    /// <exception cref="GenerationException">There are not so many free, or not for this tenant.</exception>
    public QueuePlaces Take(string tenant, int least, int most)
    {
        lock (_gate)
        {
            var free = (int)_shares.Free(tenant, Capacity);
            if (least > free) throw Full(tenant, least);
            var places = new QueuePlaces(this, tenant, least + Math.Clamp(free - least - (Most(tenant) / 2), 0, most - least));
            _shares.Add(tenant, places.Held);
            return places;
        }
    }

    /// <summary>Takes a place for what goes on with a request that was taken before.</summary>
    public QueuePlaces TakeAnyway(string tenant)
    {
        lock (_gate)
        {
            _shares.Add(tenant, 1);
            return new QueuePlaces(this, tenant, 1);
        }
    }

    /// <summary>Changes what is held of some places.</summary>
    public void Change(QueuePlaces places, Action<QueuePlaces> change)
    {
        lock (_gate)
        {
            var held = places.Held;
            change(places);
            _shares.Add(places.Tenant, places.Held - held);
        }
    }

    /// <summary>Engine: a sequence is computed from now on.</summary>
    /// <returns>When that was, for <see cref="End"/>.</returns>
    public double Begin(string tenant)
    {
        lock (_gate)
        {
            _running[tenant] = _running.GetValueOrDefault(tenant) + 1;
            _runningCount++;
            var now = Now;
            _begun += now;
            return now;
        }
    }

    /// <summary>Engine: a sequence is not computed any more.</summary>
    public void End(string tenant, double began)
    {
        lock (_gate)
        {
            if (--_running[tenant] == 0) _running.Remove(tenant);
            _begun = --_runningCount == 0 ? 0 : _begun - began;
            _endedTime = (Memory * _endedTime) + Now - began;
            _endedCount = (Memory * _endedCount) + 1;
        }
    }

    /// <summary>How long it takes until places are free.</summary>
    /// <param name="tenant">Until it has ended some of its own; null: until anybody has.</param>
    /// <param name="count">How many places.</param>
    /// <returns>Null where nothing runs that could end.</returns>
    public TimeSpan? Wait(string? tenant, int count)
    {
        lock (_gate) return WaitFor(tenant, count);
    }

    /// <summary>So many ends are awaited, one in each of the places that run at a time. A sequence takes as long as the last ones took, or as those that run have taken, if that is longer.</summary>
    private TimeSpan? WaitFor(string? tenant, int count)
    {
        var ended = _endedCount > 0 ? _endedTime / _endedCount : 0;
        var together = tenant is null ? _runningCount : _running.GetValueOrDefault(tenant);
        return together == 0 ? null : TimeSpan.FromSeconds(Math.Max(ended, Now - (_begun / _runningCount)) * count / together);
    }

    private GenerationException Full(string tenant, int wanted)
    {
        var (free, held) = (Math.Max(0, Capacity - _shares.Taken), _shares.HeldBy(tenant));
        return wanted <= free
            ? new GenerationException(GenerationFault.ShareFull, string.Create(
                CultureInfo.InvariantCulture, $"{held} of {Capacity} places in the queue are this caller's, who leaves others as many as it holds, so that {wanted} more cannot be had; try again later"))
            {
                RetryAfter = WaitFor(tenant, wanted) ?? WaitFor(null, wanted),
            }
            : new GenerationException(GenerationFault.QueueFull, string.Create(
                CultureInfo.InvariantCulture, $"the queue is full: {_options.MaxConcurrent} sequences may run and {_options.MaxQueued} wait, {free} places are free and {wanted} wanted; try again later"))
            {
                RetryAfter = WaitFor(null, wanted - (int)free),
            };
    }
}
