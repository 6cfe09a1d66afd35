namespace Hadal.Inference.Engine;

/// <summary>What an engine is doing, as any thread may ask.</summary>
/// <param name="RunningCount">Requests that hold a place in the batch.</param>
/// <param name="WaitingCount">Requests that wait for one.</param>
/// <param name="FreeBlockCount">Blocks of the cache that no request holds.</param>
/// <param name="BlockCount">Blocks of the cache.</param>
/// <param name="LastStep">When the engine last ended a step or had nothing to do, in ticks of its clock.</param>
public readonly record struct EngineStatus(int RunningCount, int WaitingCount, int FreeBlockCount, int BlockCount, long LastStep)
{
    /// <summary>For how long the engine has had work and ended no step; zero while it has none.</summary>
    /// <param name="clock">The clock that the engine measures with.</param>
    /// <exception cref="ArgumentNullException"><paramref name="clock"/> is null.</exception>
    public TimeSpan SinceProgress(TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(clock);
        return RunningCount + WaitingCount == 0 ? TimeSpan.Zero : clock.GetElapsedTime(LastStep);
    }
}
