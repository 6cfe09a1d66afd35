using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Hadal.Cli.Tests.Hub;

/// <summary>A request as it came.</summary>
/// <param name="Target">What stands behind the method.</param>
/// <param name="Headers">Names in lower case.</param>
internal sealed record HubRequest(string Target, IReadOnlyDictionary<string, string> Headers)
{
    /// <summary>First and last byte that are asked for, or null.</summary>
    public (long From, long To)? Range => Headers.GetValueOrDefault("range") is ['b', 'y', 't', 'e', 's', '=', .. var range] && range.Split('-') is [var from, var to]
        ? (long.Parse(from, CultureInfo.InvariantCulture), long.Parse(to, CultureInfo.InvariantCulture))
        : null;
}

/// <summary>What is sent back, to the byte.</summary>
internal sealed record HubReply(int Status, byte[] Body)
{
    public Dictionary<string, string> Headers { get; init; } = [];

    /// <summary>Bytes of the body after which the connection is cut.</summary>
    public int? CutAfter { get; init; }

    /// <summary>Bytes of the body after which nothing comes until <see cref="Release"/>.</summary>
    public int? HoldAfter { get; init; }

    /// <summary>Ends the silence.</summary>
    public Task Release { get; init; } = Task.CompletedTask;

    public static HubReply Of(int status, params (string Name, string Value)[] headers) => new(status, []) { Headers = headers.ToDictionary(header => header.Name, header => header.Value) };
}

/// <summary>A hub on a free port that can cut, lie, stall and redirect. It speaks HTTP by hand, because servers that are well made cannot be talked into lies.</summary>
internal sealed class TestHub : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly Task _accepting;
    private readonly ConcurrentQueue<HubRequest> _requests = [];
    private long _sent;

    public TestHub()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public string Url => FormattableString.Invariant($"http://127.0.0.1:{Port}");

    /// <summary>Files of the one model, own/tiny.</summary>
    public Dictionary<string, byte[]> Files { get; init; } = [];

    /// <summary>The commit its revisions name.</summary>
    public string Head { get; set; } = Commit;

    /// <summary>The list of files, if it is not the true one.</summary>
    public string? Listing { get; set; }

    /// <summary>Answers in place of the hub; null lets the hub answer.</summary>
    public Func<HubRequest, HubReply?> Answer { get; set; } = _ => null;

    public IReadOnlyList<HubRequest> Requests => [.. _requests];

    /// <summary>Requests for files.</summary>
    public IEnumerable<HubRequest> Downloads => Requests.Where(request => request.Target.Contains("/resolve/", StringComparison.Ordinal));

    /// <summary>Bytes of bodies that were sent.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>The hub's own answer to a request for a file.</summary>
    public HubReply FileReply(HubRequest request)
    {
        var path = Uri.UnescapeDataString(request.Target.Split("/resolve/")[1].Split('/', 2)[1]);
        if (!Files.TryGetValue(path, out var content)) return HubReply.Of(404, ("X-Error-Code", "EntryNotFound"));
        if (request.Range is not { } range) return new HubReply(200, content);
        return new HubReply(206, content[(int)range.From..((int)range.To + 1)])
        {
            Headers = new() { ["Content-Range"] = string.Create(CultureInfo.InvariantCulture, $"bytes {range.From}-{range.To}/{content.Length}") },
        };
    }

    /// <summary>The list of files as the hub gives it: large ones and weights by SHA-256, others by git's hash.</summary>
    public string TrueListing() => JsonSerializer.Serialize(new
    {
        sha = Head,
        siblings = Files.Select(file => file.Key.EndsWith("json", StringComparison.Ordinal)
            ? (object)new { rfilename = file.Key, size = file.Value.Length, blobId = GitHash(file.Value) }
            : new { rfilename = file.Key, size = file.Value.Length, blobId = GitHash([]), lfs = new { sha256 = Convert.ToHexStringLower(SHA256.HashData(file.Value)), size = file.Value.Length, pointerSize = 130 } }),
    });

    /// <summary>Git's name of a content.</summary>
#pragma warning disable CA5350
    public static string GitHash(byte[] content) => Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes(FormattableString.Invariant($"blob {content.Length}\0")), .. content]));
#pragma warning restore CA5350

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        await _accepting;
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptSocketAsync(_end.Token));
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            if (await ReadAsync(stream) is not { } request) return;
            _requests.Enqueue(request);
            var reply = Answer(request) ?? Own(request);
            var head = new StringBuilder(FormattableString.Invariant($"HTTP/1.1 {reply.Status} x\r\nConnection: close\r\n"));
            if (!reply.Headers.ContainsKey("Content-Length") && !reply.Headers.ContainsKey("Transfer-Encoding")) head.Append(CultureInfo.InvariantCulture, $"Content-Length: {reply.Body.Length}\r\n");
            foreach (var (name, value) in reply.Headers) head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
            await stream.WriteAsync(Encoding.Latin1.GetBytes(head.Append("\r\n").ToString()), _end.Token);
            var first = Math.Min(reply.CutAfter ?? reply.HoldAfter ?? reply.Body.Length, reply.Body.Length);
            await SendAsync(stream, reply.Body.AsMemory(0, first));
            if (reply.CutAfter is not null) return;
            await reply.Release.WaitAsync(_end.Token);
            await SendAsync(stream, reply.Body.AsMemory(first));
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception fault) when (fault is IOException or SocketException or OperationCanceledException)
        {
            // The client has gone, which is its right.
        }
    }

    private async Task SendAsync(NetworkStream stream, ReadOnlyMemory<byte> bytes)
    {
        for (var at = 0; at < bytes.Length; at += 1 << 16)
        {
            var part = bytes[at..Math.Min(bytes.Length, at + (1 << 16))];
            await stream.WriteAsync(part, _end.Token);
            Interlocked.Add(ref _sent, part.Length);
        }
    }

    private HubReply Own(HubRequest request)
    {
        if (request.Target.StartsWith("/api/models/own/tiny/revision/", StringComparison.Ordinal)) return new HubReply(200, Encoding.UTF8.GetBytes(Listing ?? TrueListing()));
        return request.Target.StartsWith($"/own/tiny/resolve/{Head}/", StringComparison.Ordinal) ? FileReply(request) : HubReply.Of(404, ("X-Error-Code", "RepoNotFound"));
    }

    private async Task<HubRequest?> ReadAsync(NetworkStream stream)
    {
        using var reader = new StreamReader(stream, Encoding.Latin1, leaveOpen: true);
        if ((await reader.ReadLineAsync(_end.Token))?.Split(' ') is not ["GET", var target, "HTTP/1.1"]) return null;
        var headers = new Dictionary<string, string>();
        while (await reader.ReadLineAsync(_end.Token) is { Length: > 0 } line)
            if (line.Split(": ", 2) is [var name, var value]) headers[name.ToLowerInvariant()] = value;
        return new HubRequest(target, headers);
    }
}

/// <summary>A clock on which waiting takes no time, and patience ends when a test says so.</summary>
internal sealed class QuickClock : TimeProvider
{
    /// <summary>What the tests set as HF_HUB_DOWNLOAD_TIMEOUT: no wait is as long.</summary>
    public const int PatienceSeconds = 5000;

    private readonly ConcurrentDictionary<Timer, byte> _patient = new();

    /// <summary>Lets every patience end that somebody has now.</summary>
    /// <returns>Whether somebody had any.</returns>
    public bool Expire()
    {
        var hasFired = false;
        foreach (var timer in _patient.Keys) hasFired |= timer.TryFire();
        return hasFired;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class Timer(QuickClock clock, TimerCallback callback, object? state) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime == TimeSpan.FromSeconds(PatienceSeconds)) clock._patient[this] = 0;
            else if (dueTime != Timeout.InfiniteTimeSpan) ThreadPool.QueueUserWorkItem(_ => callback(state));
            return true;
        }

        public bool TryFire()
        {
            if (!clock._patient.TryRemove(this, out _)) return false;
            callback(state);
            return true;
        }

        public void Dispose() => clock._patient.TryRemove(this, out _);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
