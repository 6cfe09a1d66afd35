using System.Runtime.InteropServices;

namespace Hadal.Cli;

/// <summary>What Ctrl+C does: it ends the work that can be ended, and without such work, or pressed again, the process.</summary>
/// <param name="exit">Ends the process.</param>
internal sealed class Interruption(Action exit)
{
    private readonly Lock _lock = new();
    private Action? _cancel;

    /// <summary>Listens to the signal of the terminal until the result is disposed of.</summary>
    public IDisposable Listen() => PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
    {
        context.Cancel = true;
        Signal();
    });

    /// <summary>Begins work that ends soon after its token is cancelled.</summary>
    public Work Begin()
    {
        var source = new CancellationTokenSource();
        lock (_lock) _cancel = source.Cancel;
        return new Work(this, source);
    }

    /// <summary>Does what Ctrl+C does.</summary>
    public void Signal()
    {
        lock (_lock)
        {
            if (_cancel is { } cancel)
            {
                // Only the first signal goes to the work; the next one finds nothing to cancel.
                _cancel = null;
                cancel();
                return;
            }
        }

        exit();
    }

    private void End(CancellationTokenSource source)
    {
        lock (_lock)
        {
            _cancel = null;
            source.Dispose();
        }
    }

    /// <summary>Work in progress.</summary>
    internal readonly struct Work(Interruption owner, CancellationTokenSource source) : IDisposable
    {
        /// <summary>Cancelled by the first Ctrl+C.</summary>
        public CancellationToken Token => source.Token;

        public void Dispose() => owner.End(source);
    }
}
