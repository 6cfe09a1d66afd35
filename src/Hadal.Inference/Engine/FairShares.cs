namespace Hadal.Inference.Engine;

/// <summary>Room that tenants share: one may hold as much as it leaves free for others, so that no one fills it. Who has no name may fill it: such a caller is alone.</summary>
/// <remarks>One holds half of the room at most, a second a quarter beside it, two that come by turns a third each: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", with
/// α = 1. Not for several threads at once.</remarks>
/// <param name="alone">What one may hold in any case while nobody else holds anything, so that no work rests that could be done.</param>
public sealed class FairShares(long alone = 0)
{
    private readonly Dictionary<string, long> _held = new(StringComparer.Ordinal);

    /// <summary>What all hold together.</summary>
    public long Taken { get; private set; }

    /// <summary>What a tenant holds.</summary>
    public long HeldBy(string tenant) => _held.GetValueOrDefault(tenant);

    /// <summary>The most that a tenant may ever hold.</summary>
    /// <param name="tenant">Its name; empty for who is alone.</param>
    /// <param name="capacity">All the room.</param>
    public long Most(string tenant, long capacity)
    {
        ArgumentNullException.ThrowIfNull(tenant);
        return tenant.Length == 0 ? capacity : Math.Max((capacity + 1) / 2, Math.Min(alone, capacity));
    }

    /// <summary>How much more a tenant may take now.</summary>
    /// <inheritdoc cref="Most"/>
    public long Free(string tenant, long capacity)
    {
        ArgumentNullException.ThrowIfNull(tenant);
        var (free, held) = (Math.Max(0, capacity - Taken), HeldBy(tenant));
        if (tenant.Length == 0) return free;
        var share = (free - held + 1) / 2;
        return Math.Clamp(held == Taken ? Math.Max(share, alone - held) : share, 0, free);
    }

    /// <summary>Takes room without asking, or gives some back.</summary>
    /// <param name="tenant">Its name.</param>
    /// <param name="count">How much more it holds from now on; negative for less.</param>
    public void Add(string tenant, long count)
    {
        Taken += count;
        if (HeldBy(tenant) + count is not 0 and var held) _held[tenant] = held;
        else _held.Remove(tenant);
    }
}
