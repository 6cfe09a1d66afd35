namespace Hadal.Inference.Engine;

/// <summary>Places in an engine that one request holds for its sequences, whether they run or wait. Made by <see cref="TextGenerator.TakePlaces"/>.</summary>
/// <remarks>A place is free again once the request has given it back and the engine has let go of what ran in it. Any thread may give them back.</remarks>
public sealed class QueuePlaces : IDisposable
{
    private readonly QueueRoom _room;

    internal QueuePlaces(QueueRoom room, string tenant, int count) => (_room, Tenant, Count) = (room, tenant, count);

    /// <summary>How many there are.</summary>
    public int Count { get; }

    /// <summary>Who holds them.</summary>
    internal string Tenant { get; }

    /// <summary>What they take of the room. Sequences that are still here count although the places were given back.</summary>
    internal int Held => Math.Max(_isGivenBack ? 0 : Count, _presentCount);

    private int _presentCount;
    private bool _isGivenBack;

    /// <summary>Whether they are places of this room.</summary>
    internal bool AreOf(QueueRoom room) => _room == room;

    /// <summary>A sequence takes one of them.</summary>
    internal void Enter() => _room.Change(this, static places => places._presentCount++);

    /// <summary>The engine has let go of a sequence.</summary>
    internal void Leave() => _room.Change(this, static places => places._presentCount--);

    /// <summary>Gives them back.</summary>
    public void Dispose() => _room.Change(this, static places => places._isGivenBack = true);
}
