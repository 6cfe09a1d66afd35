namespace Hadal.Inference.Tests;

/// <summary>What code allocates on its own account.</summary>
internal static class Allocations
{
    private const int Rounds = 4;

    /// <summary>The fewest bytes that a call allocates on this thread, of a few: the runtime, too, allocates some kilobytes there now and then,
    /// but what the code allocates itself, it allocates each time. Ends with the first call that allocates nothing.</summary>
    /// <param name="call">Warm.</param>
    public static long Of(Action call)
    {
        var least = long.MaxValue;
        for (var round = 0; round < Rounds && least > 0; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            call();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
