namespace Hadal.Tests;

/// <summary>Lets forward passes through one by one.</summary>
internal sealed class Gate : IDisposable
{
    private readonly SemaphoreSlim _permits = new(0);
    private readonly SemaphoreSlim _arrivals = new(0);

    /// <summary>Engine: waits for a permit.</summary>
    public void Pass()
    {
        _arrivals.Release();
        _permits.Wait();
    }

    /// <summary>Test: waits until the engine stands before the gate.</summary>
    public Task ArrivedAsync() => _arrivals.WaitAsync();

    /// <summary>Test: lets the engine through.</summary>
    public void Open(int passes = 1_000_000) => _permits.Release(passes);

    public void Dispose()
    {
        _permits.Dispose();
        _arrivals.Dispose();
    }
}
