using System.Globalization;

namespace Hadal.Cli.Hub;

/// <summary>Tries again what failed for a reason that may pass: at once less and less often, and not for ever.</summary>
/// <param name="clock">Measures the waiting.</param>
/// <param name="tell">Tells people why nothing seems to happen.</param>
internal sealed class Patience(TimeProvider clock, Action<string> tell)
{
    private const int MaxFailures = 5;

    /// <summary>An attempt that got as far as this does not count as failed: lines that are cut every minute carry large files, too.</summary>
    private const long ProgressBytes = 64 << 10;

    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(0.5), LongestWait = TimeSpan.FromMinutes(5);

    /// <summary>Runs an attempt until it succeeds.</summary>
    /// <param name="attempt">The work; it goes on where it stopped.</param>
    /// <param name="progress">Bytes it has got so far.</param>
    /// <param name="cancellation">Ends the trying.</param>
    /// <exception cref="CommandException">It fails again and again, for good, or the hub wants nobody to come soon.</exception>
    public async Task<T> TryAsync<T>(Func<Task<T>> attempt, Func<long> progress, CancellationToken cancellation)
    {
        for (var failures = 0; ;)
        {
            var before = progress();
            try
            {
                return await attempt().ConfigureAwait(false);
            }
            catch (HubFault fault) when (fault.IsTransient)
            {
                failures = progress() - before >= ProgressBytes ? 1 : failures + 1;
                var wait = fault.RetryAfter ?? FirstWait * (1 << (failures - 1));
                if (wait > LongestWait) throw CommandException.Failed(string.Create(CultureInfo.InvariantCulture, $"{fault.Message}; come again in {wait.TotalSeconds:0} s, what was downloaded stays"), fault);
                if (failures == MaxFailures) throw CommandException.Failed($"{fault.Message}, {MaxFailures} times; what was downloaded stays, the same command goes on with it", fault);
                tell(string.Create(CultureInfo.InvariantCulture, $"{fault.Message}; trying again in {wait.TotalSeconds:0.#} s ({failures + 1} of {MaxFailures})"));
                await Task.Delay(wait, clock, cancellation).ConfigureAwait(false);
            }
            catch (HubFault fault)
            {
                throw CommandException.Failed(fault.Message, fault);
            }
        }
    }
}
