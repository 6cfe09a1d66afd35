using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Hadal.Cli.Hub;

/// <summary>Asks a hub. The token goes to the hub's own address only, wherever an answer leads; a connection that falls silent is given up.</summary>
internal sealed class HubClient : IDisposable
{
    private const int MaxRedirects = 10, MaxListingBytes = 32 << 20;
    private readonly HubSettings _settings;
    private readonly TimeProvider _clock;
    private readonly HttpClient _http;

    public HubClient(HubSettings settings, TimeProvider clock)
    {
        (_settings, _clock) = (settings, clock);
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = settings.Timeout, MaxResponseDrainSize = 0 })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("hadal", typeof(HubClient).Assembly.GetName().Version!.ToString(3)));
        _http.DefaultRequestHeaders.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    /// <summary>What a revision consists of.</summary>
    /// <exception cref="HubFault">The hub does not say.</exception>
    public async Task<HubListing> ListAsync(HubName name, CancellationToken cancellation)
    {
        var revision = Uri.EscapeDataString(name.Revision ?? "main");
        using var response = await GetAsync($"/api/models/{name.Repository}/revision/{revision}?blobs=true", name, name.ToString(), null, cancellation).ConfigureAwait(false);
        using var body = new MemoryStream();
        var buffer = new byte[1 << 16];
        using var stream = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        while (await ReadAsync(stream, buffer, name.ToString(), cancellation).ConfigureAwait(false) is var count and > 0)
        {
            if (body.Length + count > MaxListingBytes) throw new HubFault($"{name}: the list of files at {_settings.Hub} has more than {Sizes.Bytes(MaxListingBytes)}", isTransient: false);
            body.Write(buffer, 0, count);
        }

        return HubListing.Read($"{name} at {_settings.Hub}", body.ToArray());
    }

    /// <summary>Asks for bytes of a file.</summary>
    /// <param name="name">The model.</param>
    /// <param name="commit">The commit the file is of.</param>
    /// <param name="file">The file.</param>
    /// <param name="range">Which bytes; null for all.</param>
    /// <param name="cancellation">Ends the request.</param>
    /// <returns>A response with status 200 or 206.</returns>
    /// <exception cref="HubFault">There is none.</exception>
    public Task<HttpResponseMessage> OpenAsync(HubName name, string commit, HubFile file, RangeHeaderValue? range, CancellationToken cancellation) =>
        GetAsync($"/{name.Repository}/resolve/{commit}/{string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString))}", name, $"{name}/{file.Path}", range, cancellation);

    /// <summary>Reads what has come, or waits for more, but not for ever.</summary>
    /// <exception cref="HubFault">The connection was cut or fell silent.</exception>
    public Task<int> ReadAsync(Stream stream, Memory<byte> buffer, string what, CancellationToken cancellation) =>
        WatchedAsync(what, async token => await stream.ReadAsync(buffer, token).ConfigureAwait(false), cancellation);

    private async Task<HttpResponseMessage> GetAsync(string path, HubName name, string what, RangeHeaderValue? range, CancellationToken cancellation)
    {
        var address = new Uri(_settings.Hub + path);
        for (var redirects = 0; ; redirects++)
        {
            var response = await SendAsync(address, range, what, cancellation).ConfigureAwait(false);
            if (response.StatusCode is HttpStatusCode.OK or HttpStatusCode.PartialContent) return response;
            using (response)
            {
                if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308) || response.Headers.Location is not { } location) throw IsHub(address) ? FaultOf(response, name, what) : FaultOfOther(response, address, what);
                if (redirects == MaxRedirects) throw new HubFault($"{what}: {_settings.Hub} leads through more than {MaxRedirects} redirects", isTransient: false);
                address = Follow(address, location, what);
            }
        }
    }

    /// <summary>Where a redirect leads.</summary>
    /// <exception cref="HubFault">Out of the protocol, or out of encryption.</exception>
    internal static Uri Follow(Uri from, Uri location, string what)
    {
        var next = new Uri(from, location);
        if (next.Scheme is not ("http" or "https") || (from.Scheme == "https" && next.Scheme != "https"))
            throw new HubFault($"{what}: {from.Host} leads to {next.Scheme}://{next.Host}, expected https; nothing is fetched from there", isTransient: false);
        return next;
    }

    private async Task<HttpResponseMessage> SendAsync(Uri address, RangeHeaderValue? range, string what, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.Range = range;
        if (MaySeeToken(address)) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _settings.Token);
        return await WatchedAsync($"{what} at {address.Host}", token => _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token), cancellation).ConfigureAwait(false);
    }

    /// <summary>Only the hub itself, and only where nobody on the way can read along.</summary>
    private bool MaySeeToken(Uri address) => _settings.Token is not null && IsHub(address) && (address.Scheme == "https" || address.IsLoopback);

    private bool IsHub(Uri address) => address.Scheme == _settings.Endpoint.Scheme && address.Authority == _settings.Endpoint.Authority;

    private async Task<T> WatchedAsync<T>(string what, Func<CancellationToken, Task<T>> work, CancellationToken cancellation)
    {
        using var patience = new CancellationTokenSource(_settings.Timeout, _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellation);
        try
        {
            return await work(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException fault) when (!cancellation.IsCancellationRequested)
        {
            throw new HubFault(string.Create(CultureInfo.InvariantCulture, $"{what}: nothing came for {_settings.Timeout.TotalSeconds:0} s (HF_HUB_DOWNLOAD_TIMEOUT)"), isTransient: true, cause: fault);
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException)
        {
            throw new HubFault($"{what}: the connection failed: {(fault.InnerException ?? fault).Message}", isTransient: true, cause: fault);
        }
    }

    /// <summary>What a store says that the hub has led to. Its addresses are signed for a while: the hub, asked again, gives another.</summary>
    private HubFault FaultOfOther(HttpResponseMessage response, Uri address, string what) => (int)response.StatusCode is var status && status is 401 or 403 or 408 or 429 or >= 500
        ? new HubFault($"{what}: {address.Host}, where {_settings.Hub} led to, answered with status {status}", isTransient: true, RetryAfter(response))
        : new HubFault($"{what}: {address.Host}, where {_settings.Hub} led to, answered with status {status}", isTransient: false);

    private HubFault FaultOf(HttpResponseMessage response, HubName name, string what)
    {
        var (status, hub) = ((int)response.StatusCode, _settings.Hub);
        var code = response.Headers.TryGetValues("X-Error-Code", out var codes) ? codes.First() : "";
        return status switch
        {
            401 when _settings.Token is null => new HubFault($"{what}: not found at {hub}, or not public (401); check the name, or set HF_TOKEN to a token that may read it", isTransient: false),
            401 when !MaySeeToken(_settings.Endpoint) => new HubFault($"{what}: {hub} asks for a token (401), which is not sent without encryption; set HF_ENDPOINT to an https address", isTransient: false),
            401 => new HubFault($"{what}: {hub} does not accept the token (401); check HF_TOKEN and the name of the model", isTransient: false),
            403 => new HubFault($"{what}: access is not granted (403); accept the model's terms at {hub}/{name.Repository} with the account of the token in HF_TOKEN", isTransient: false),
            404 when code == "RevisionNotFound" => new HubFault($"{what}: {hub} has the model, but no revision '{name.Revision ?? "main"}' (404)", isTransient: false),
            404 when code == "EntryNotFound" => new HubFault($"{what}: {hub} lists this file and does not have it (404)", isTransient: false),
            404 => new HubFault($"{what}: not found at {hub} (404); check the name and the revision", isTransient: false),
            429 => new HubFault($"{what}: {hub} takes no more requests now (429)", isTransient: true, RetryAfter(response)),
            408 or >= 500 => new HubFault($"{what}: {hub} failed ({status})", isTransient: true, RetryAfter(response)),
            _ => new HubFault($"{what}: {hub} answered with status {status}", isTransient: false),
        };
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } when date - _clock.GetUtcNow() is var wait && wait > TimeSpan.Zero => wait,
        _ => null,
    };
}
