namespace Hadal.Cli.Tests.Hub;

/// <summary>What only a process of its own shows: a sudden death, signals, proxies.</summary>
public sealed class PullProcessTests : PullTests
{
    private const int Length = 20 << 20, Held = 3 << 20;

    [Fact]
    public async Task A_process_that_is_killed_leaves_what_the_next_goes_on_with()
    {
        GiveWeights(Length);
        Hold();
        using (var process = Start())
        {
            // What was sent is on its way into the file; the counts behind its bytes tell when it has arrived.
            while (Counted(Length) < 2 * Held) await Task.Yield();
        }

        Assert.False(Directory.Exists(Snapshot));
        Hub.Answer = _ => null;
        var sent = Hub.Sent;
        using var again = Start();
        again.Output.ReadToEnd();
        Assert.Equal(0, again.End().ExitCode);
        AssertPulled();
        Assert.Empty(Partials());
        Assert.Equal(Length - (2 * Held) + Hub.TrueListing().Length, Hub.Sent - sent);
    }

    [Fact]
    public async Task Ctrl_C_ends_it_with_130_and_says_that_it_goes_on()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs POSIX signals");
        GiveWeights(Length);
        Hold();
        using var process = Start();
        while (Counted(Length) < 2 * Held) await Task.Yield();
        process.Interrupt();
        var (exitCode, error) = process.End();
        Assert.Equal(130, exitCode);
        Assert.EndsWith("hadal: stopped; what was downloaded stays, the same command goes on with it\n", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_the_file_system_cannot_have_is_said()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a POSIX shell");
        GiveWeights(Length);
        using var process = HadalProcess.StartShell($"trap '' XFSZ; ulimit -f 4096; HF_ENDPOINT={Hub.Url} HF_HUB_CACHE='{Cache}' DOTNET_EnableWriteXorExecute=0 {HadalProcess.CommandLine} pull own/tiny");
        var (exitCode, error) = process.End();
        Assert.Equal(1, exitCode);
        Assert.Matches("(?m)^hadal: .*incomplete: cannot be made 20.0 MiB long; .*set HF_HUB_CACHE to a folder elsewhere$", error);
    }

    [Fact]
    public void Proxies_are_taken_from_the_usual_variables()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a POSIX shell");
        GiveWeights(10);
        Hub.Answer = request => request.Target.StartsWith("http://hub.invalid/", StringComparison.Ordinal)
            ? request.Target.Contains("/api/", StringComparison.Ordinal) ? new HubReply(200, System.Text.Encoding.UTF8.GetBytes(Hub.TrueListing())) : Hub.FileReply(request)
            : null;
        using var process = HadalProcess.StartShell($"http_proxy={Hub.Url} HF_ENDPOINT=http://hub.invalid HF_TOKEN=hf_secret HF_HUB_CACHE='{Cache}' {HadalProcess.CommandLine} pull own/tiny");
        Assert.Equal(Snapshot + "\n", process.Output.ReadToEnd());
        Assert.Equal(0, process.End().ExitCode);
        Assert.All(Hub.Requests, request => Assert.StartsWith("http://hub.invalid/", request.Target, StringComparison.Ordinal));
        // Without encryption everybody on the way could read it.
        Assert.All(Hub.Requests, request => Assert.False(request.Headers.ContainsKey("authorization")));
    }

    /// <summary>Lets the first bytes of every segment through, and nothing more.</summary>
    private void Hold()
    {
        var never = new TaskCompletionSource();
        Hub.Answer = request => request.Range is { To: > 10 } ? Hub.FileReply(request) with { HoldAfter = Held, Release = never.Task } : null;
    }

    private HadalProcess Start() => HadalProcess.StartShell($"HF_ENDPOINT={Hub.Url} HF_HUB_DOWNLOAD_TIMEOUT=600 HF_HUB_CACHE='{Cache}' exec {HadalProcess.CommandLine} pull own/tiny --include model.safetensors");
}
