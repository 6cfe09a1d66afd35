using System.Globalization;

namespace Hadal.Checkpoints;

/// <summary>Gathers the faults of one file so that they are reported together.</summary>
internal sealed class FaultList(string where)
{
    private const int ShownAtMost = 20;
    private readonly List<string> _shown = [];

    /// <summary>Number of faults so far.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a fault, stated without the place it belongs to.</summary>
    public void Add(string fault)
    {
        Count++;
        if (_shown.Count < ShownAtMost) _shown.Add(fault);
    }

    /// <summary>Throws one exception with all faults, if there are any; <paramref name="advice"/> says what to do about them.</summary>
    /// <exception cref="CheckpointException">There are faults.</exception>
    public void ThrowIfAny(string advice = "")
    {
        if (Count == 0) return;
        var count = Count == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $"{Count} faults: ");
        var rest = Count > _shown.Count ? string.Create(CultureInfo.InvariantCulture, $"; and {Count - _shown.Count} more") : "";
        throw new CheckpointException($"{where}: {count}{string.Join("; ", _shown)}{rest}{(advice.Length > 0 ? "; " + advice : "")}");
    }
}
