using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Hadal.Inference.Kernels;

/// <summary>One part of the work that a <see cref="ThreadCrew"/> shares out.</summary>
public interface ICrewJob
{
    /// <summary>Does part <paramref name="partIndex"/>. Parts run at the same time and must not write the same memory.</summary>
    void Execute(int partIndex);
}

/// <summary>A fixed set of threads that run the parts of one job at a time: they spin for a moment after a job, then park.</summary>
/// <remarks>The caller of <see cref="Run{TJob}"/> is the first of the threads. Share i of T is the parts [i·P/T, (i+1)·P/T), so the
/// partition is fixed; a job must give the same result for every partition. Share i is that of thread i, unless the caller has done its own before the thread
/// has begun: then the caller does it, and nobody waits for a thread that the system does not run. No allocation per run. One job runs at a time.</remarks>
public sealed unsafe class ThreadCrew : IDisposable
{
    /// <summary>How long a thread spins before it parks: longer than the gaps between two kernels, short beside a scheduler's time slice.</summary>
    private static readonly long SpinTicks = Stopwatch.Frequency * 30 / 1_000_000;

    private readonly Worker[] _workers;
    private readonly object _callerGate = new();
    private delegate*<void*, int, void> _execute;
    private void* _job;
    private int _partCount;
    private int _activeCount;
    private int _isRunning;
    private bool _isDisposed;
    private ExceptionDispatchInfo? _failure;
    private PaddedInt _pending;
    private PaddedInt _isCallerParked;

    /// <summary>Starts <paramref name="threadCount"/> − 1 threads; the caller of <see cref="Run{TJob}"/> is the other one.</summary>
    /// <param name="threadCount">1 or more. <see cref="DefaultThreadCount"/> is what the process may use.</param>
    /// <exception cref="ArgumentOutOfRangeException">The count is below 1 or above 1024.</exception>
    public ThreadCrew(int threadCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threadCount, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threadCount, 1024);
        ThreadCount = threadCount;
        _workers = new Worker[threadCount - 1];
        for (var i = 0; i < _workers.Length; i++) _workers[i] = new Worker(this, i + 1);
        foreach (var worker in _workers) worker.Start();
    }

    /// <summary>Number of processors this process may use, control-group limits included.</summary>
    public static int DefaultThreadCount => Environment.ProcessorCount;

    /// <summary>Number of threads, the caller included.</summary>
    public int ThreadCount { get; }

    /// <summary>Room for the rounded activations of one product at a time.</summary>
    internal ActivationRoom Activations { get; } = new();

    /// <summary>Runs parts 0 to <paramref name="partCount"/> − 1 and returns when all are done.</summary>
    /// <param name="job">Copied for the run, and back when it is done.</param>
    /// <param name="partCount">Number of parts; 0 does nothing.</param>
    /// <exception cref="InvalidOperationException">A job is running already, on this or another thread.</exception>
    /// <exception cref="ObjectDisposedException">The crew was disposed.</exception>
    /// <remarks>An exception of a part is thrown again here after all threads have stopped; of several, one is kept.</remarks>
    public void Run<TJob>(ref TJob job, int partCount)
        where TJob : struct, ICrewJob
    {
        ArgumentOutOfRangeException.ThrowIfNegative(partCount);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (Interlocked.Exchange(ref _isRunning, 1) != 0)
            throw new InvalidOperationException("the thread crew is running a job; jobs do not nest and one caller runs at a time");
        try
        {
            // The copy lives on this stack until every thread is done with it, so its address is stable.
            var copy = job;
            RunParts(&Execute<TJob>, Unsafe.AsPointer(ref copy), partCount);
            job = copy;
        }
        finally
        {
            Volatile.Write(ref _isRunning, 0);
        }

        static void Execute<T>(void* job, int partIndex)
            where T : struct, ICrewJob =>
            Unsafe.AsRef<T>(job).Execute(partIndex);
    }

    /// <summary>Stops the threads.</summary>
    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        foreach (var worker in _workers) worker.Stop();
        Activations.Dispose();
    }

    private void RunParts(delegate*<void*, int, void> execute, void* job, int partCount)
    {
        var active = Math.Min(ThreadCount, partCount);
        if (active <= 1)
        {
            for (var i = 0; i < partCount; i++) execute(job, i);
            return;
        }

        _execute = execute;
        _job = job;
        _partCount = partCount;
        _activeCount = active;
        _failure = null;
        Volatile.Write(ref _pending.Value, active - 1);
        for (var i = 0; i < active - 1; i++) _workers[i].Wake();
        ExecuteShare(0);
        for (var i = 0; i < active - 1; i++)
        {
            if (!_workers[i].TakeOver()) continue;
            ExecuteShare(i + 1);
            Interlocked.Decrement(ref _pending.Value);
        }

        WaitForWorkers();
        _job = null;
        _failure?.Throw();
    }

    private void ExecuteShare(int threadIndex)
    {
        try
        {
            var begin = (int)((long)threadIndex * _partCount / _activeCount);
            var end = (int)((long)(threadIndex + 1) * _partCount / _activeCount);
            for (var part = begin; part < end; part++) _execute(_job, part);
        }
        catch (Exception exception) when (Keep(exception))
        {
            // Kept for the caller of Run, which throws it again.
        }
    }

    private bool Keep(Exception exception)
    {
        Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(exception), null);
        return true;
    }

    private void WaitForWorkers()
    {
        var start = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _pending.Value) != 0)
        {
            Thread.SpinWait(10);
            if (Stopwatch.GetTimestamp() - start < SpinTicks) continue;
            lock (_callerGate)
            {
                Interlocked.Exchange(ref _isCallerParked.Value, 1);
                while (Volatile.Read(ref _pending.Value) != 0) Monitor.Wait(_callerGate);
                Volatile.Write(ref _isCallerParked.Value, 0);
            }
        }
    }

    private void ReportDone()
    {
        if (Interlocked.Decrement(ref _pending.Value) != 0 || Volatile.Read(ref _isCallerParked.Value) == 0) return;
        lock (_callerGate) Monitor.Pulse(_callerGate);
    }

    /// <summary>A counter alone on its cache lines; two lines, because processors prefetch pairs.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct PaddedInt
    {
        [FieldOffset(128)]
        public int Value;
    }

    private sealed class Worker
    {
        private readonly ThreadCrew _crew;
        private readonly int _index;
        private readonly object _gate = new();
        private readonly Thread _thread;
        private PaddedInt _generation;
        private PaddedInt _taken;
        private PaddedInt _isParked;
        private volatile bool _isStopped;

        public Worker(ThreadCrew crew, int index)
        {
            _crew = crew;
            _index = index;
            _thread = new Thread(Loop) { IsBackground = true, Name = $"hadal-crew-{index}" };
        }

        public void Start() => _thread.Start();

        public void Wake()
        {
            // A full fence between the generation and the parked flag: either this sees the flag, or the worker sees the generation.
            Interlocked.Increment(ref _generation.Value);
            if (Volatile.Read(ref _isParked.Value) == 0) return;
            lock (_gate) Monitor.Pulse(_gate);
        }

        /// <summary>Takes the share of the last wake-up from a worker that has not begun it.</summary>
        public bool TakeOver() => Volatile.Read(ref _taken.Value) != _generation.Value && Take(_generation.Value);

        /// <summary>Whoever sets the number of a wake-up first does its share. The run of an older number is over, so that its share cannot be taken any more.</summary>
        private bool Take(int generation) => Interlocked.CompareExchange(ref _taken.Value, generation, generation - 1) == generation - 1;

        public void Stop()
        {
            _isStopped = true;
            Wake();
            _thread.Join();
        }

        private void Loop()
        {
            var seen = 0;
            while (true)
            {
                seen = WaitFor(seen);
                if (_isStopped) return;
                if (!Take(seen)) continue;
                _crew.ExecuteShare(_index);
                _crew.ReportDone();
            }
        }

        private int WaitFor(int seen)
        {
            var start = Stopwatch.GetTimestamp();
            while (true)
            {
                var generation = Volatile.Read(ref _generation.Value);
                if (generation != seen) return generation;
                Thread.SpinWait(10);
                if (Stopwatch.GetTimestamp() - start < SpinTicks) continue;
                lock (_gate)
                {
                    Interlocked.Exchange(ref _isParked.Value, 1);
                    while (Volatile.Read(ref _generation.Value) == seen) Monitor.Wait(_gate);
                    Volatile.Write(ref _isParked.Value, 0);
                }
            }
        }
    }
}
