using System.Globalization;

namespace Hadal.Server;

/// <summary>Limits and doors of a <see cref="HadalServer"/>.</summary>
public sealed record ServerOptions
{
    /// <summary>Addresses to listen on, <c>http://host:port</c>; port 0 takes a free one. Encryption is the work of the proxy in front. Default: loopback only.</summary>
    public IReadOnlyList<string> Urls { get; init; } = ["http://127.0.0.1:8080"];

    /// <summary>File of API keys, one a line as <c>sha256sum</c> writes it: hash in hexadecimal, a name, optionally <c>max-concurrent=N</c>, the sequences (answers, texts) of the key at a time, and <c>may=adapters</c>
    /// for a key that may load adapters. Read again when it changes. Null: no key is asked for.</summary>
    public string? ApiKeyFile { get; init; }

    /// <summary>Directory whose folders are adapters, each of the model it was trained beside, else of the first that it fits; more are loaded, replaced and unloaded from it while the server answers. Null: there are
    /// none but those that models are opened with.</summary>
    public string? AdapterFolder { get; init; }

    /// <summary>Listens beyond loopback although no key is asked for.</summary>
    public bool AllowAnonymous { get; init; }

    /// <summary>Bytes of a request body, 1 KiB to 1 GiB. Default: 10 MiB, some two million tokens.</summary>
    public long MaxBodyBytes { get; init; } = 10 << 20;

    /// <summary>How long a body may take to arrive. Default: 30 s; a body of 10 MiB comes in that time over 3 Mbit/s.</summary>
    public TimeSpan BodyTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>From the arrival of a request until its answer must be whole. Default: ten minutes, after which DeepSeek's service closes a waiting request.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long answers may go on after the server was told to stop. Default: 30 s, the host's own.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Silence after which a stream gets a comment line. Default: 1 s; proxies close connections after 60 s.</summary>
    public TimeSpan KeepAliveInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a caller may take nothing of a stream before its connection is closed: its sequence waits for it meanwhile, in a place that others need. Default: 20 s.</summary>
    public TimeSpan ReaderTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long an engine with work may make no progress before the server counts as not ready. Default: one minute.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Folder with the published page, <c>Hadal.Web</c>. Null: no page is served.</summary>
    public string? PageFolder { get; init; }

    /// <summary>Measures times.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Takes lines for the operator: faults with their causes, key files that cannot be read, adapters that come and go. Never text of a prompt or an answer.</summary>
    public Action<string> Log { get; init; } = static _ => { };

    /// <summary>Takes a line of JSON for each request that has worked for a caller: its id, model, key, status, tokens and times. Null: none is made.</summary>
    public Action<string>? RequestLog { get; init; }

    /// <summary>Whether that line also has the body of the request, its first 64 KiB. Default: no.</summary>
    public bool LogPrompts { get; init; }

    /// <summary>Everything that is out of range, one sentence each.</summary>
    public IReadOnlyList<string> Faults()
    {
        var faults = new List<string>();
        if (Urls.Count == 0) faults.Add("urls: expected at least one address");
        foreach (var url in Urls)
            if (ParseUrl(url) is not { } address) faults.Add($"urls: expected http://host:port, found '{url}'");
            else if (!IsLoopback(address) && ApiKeyFile is null && !AllowAnonymous)
                faults.Add($"urls: {url} can be reached from other machines; give a file of API keys, or allow anonymous use in so many words");
        if (MaxBodyBytes is < 1 << 10 or > 1 << 30) faults.Add("max_body_bytes: expected 1 KiB to 1 GiB");
        Check("request_timeout", RequestTimeout, TimeSpan.FromDays(1));
        Check("body_timeout", BodyTimeout, TimeSpan.FromDays(1));
        Check("keep_alive_interval", KeepAliveInterval, TimeSpan.FromSeconds(15));
        Check("reader_timeout", ReaderTimeout, TimeSpan.FromDays(1));
        Check("stall_timeout", StallTimeout, TimeSpan.FromDays(1));
        if (DrainTimeout < TimeSpan.Zero || DrainTimeout > TimeSpan.FromDays(1)) faults.Add("drain_timeout: expected 0 s to a day");
        return faults;

        void Check(string name, TimeSpan value, TimeSpan max)
        {
            if (value <= TimeSpan.Zero || value > max)
                faults.Add(string.Create(CultureInfo.InvariantCulture, $"{name}: expected more than 0 s and at most {max.TotalSeconds} s, found {value.TotalSeconds} s"));
        }
    }

    /// <summary>Whether every address is reachable from this machine only.</summary>
    internal bool IsLoopbackOnly => Urls.All(url => ParseUrl(url) is { } address && IsLoopback(address));

    private static Uri? ParseUrl(string url) =>
        Uri.TryCreate(url, UriKind.Absolute, out var address) && address is { Scheme: "http", PathAndQuery: "/" } ? address : null;

    private static bool IsLoopback(Uri address) => address.IsLoopback;
}
