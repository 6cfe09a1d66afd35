namespace Hadal.Inference.Engine;

/// <summary>Whose request is taken up next: of those who have fewest running, of whoever's turn is longest ago; of one and the same, the oldest.</summary>
internal sealed class FairTurns
{
    private readonly Dictionary<string, long> _lastTurn = [];
    private long _turn;

    /// <summary>The next to be taken up.</summary>
    /// <param name="waiting">At least one, in the order of arrival; what goes on with an answer stands in front.</param>
    /// <param name="running">Those that hold a place.</param>
    /// <returns>Its index.</returns>
    public int Next(List<Sequence> waiting, List<Sequence> running)
    {
        var best = 0;
        if (!waiting[0].ComesFirst)
        {
            for (var i = 1; i < waiting.Count; i++)
                if (waiting[i].Tenant != waiting[best].Tenant && Comes(waiting[i], waiting[best], running)) best = i;
        }

        _lastTurn[waiting[best].Tenant] = ++_turn;
        return best;
    }

    /// <summary>Nobody waits: all begin anew.</summary>
    public void Clear() => _lastTurn.Clear();

    private bool Comes(Sequence one, Sequence other, List<Sequence> running) =>
        (Running(one, running), _lastTurn.GetValueOrDefault(one.Tenant)).CompareTo((Running(other, running), _lastTurn.GetValueOrDefault(other.Tenant))) < 0;

    private static int Running(Sequence sequence, List<Sequence> running)
    {
        var count = 0;
        foreach (var other in running) count += other.Tenant == sequence.Tenant ? 1 : 0;
        return count;
    }
}
