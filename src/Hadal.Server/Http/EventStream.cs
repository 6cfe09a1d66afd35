using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Hadal.Server.Http;

/// <summary>Server-sent events. Comment lines fill silences, so that no proxy on the way takes a long prompt for a dead connection.</summary>
/// <remarks>Any number of tasks may write; events do not mix. A reader that does not read makes writers wait, until <see cref="ServerOptions.ReaderTimeout"/> closes its connection:
/// the smallest rate that Kestrel asks for counts what lies in the system's buffers as still to be sent, so that megabytes give a reader hours.</remarks>
internal sealed class EventStream : IAsyncDisposable
{
    private readonly HttpContext _http;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly CancellationTokenSource _end = new();
    private readonly TimeSpan _interval;
    private readonly TimeSpan _readerTimeout;
    private readonly TimeProvider _clock;
    private Task _keepAlive = Task.CompletedTask;
    private long _lastWrite;

    /// <param name="http">The request; its answer begins with <see cref="StartAsync"/>.</param>
    /// <param name="options">Silence that is filled, how long a reader may take nothing, and what measures both.</param>
    public EventStream(HttpContext http, ServerOptions options) => (_http, _interval, _readerTimeout, _clock) = (http, options.KeepAliveInterval, options.ReaderTimeout, options.Clock);

    /// <summary>Sends the headers.</summary>
    public async Task StartAsync()
    {
        var response = _http.Response;
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache, no-transform";
        response.Headers["X-Accel-Buffering"] = "no";
        _http.Features.Get<IHttpResponseBodyFeature>()!.DisableBuffering();
        await response.StartAsync(_http.RequestAborted).ConfigureAwait(false);
        await response.BodyWriter.FlushAsync(_http.RequestAborted).ConfigureAwait(false);
        _lastWrite = _clock.GetTimestamp();
        _keepAlive = KeepAliveAsync();
    }

    /// <summary>Sends an event.</summary>
    /// <param name="write">Writes its JSON.</param>
    /// <param name="name">Its name, or null for none.</param>
    public async Task WriteAsync(Action<Utf8JsonWriter> write, string? name = null)
    {
        await _turn.WaitAsync(_http.RequestAborted).ConfigureAwait(false);
        try
        {
            var body = _http.Response.BodyWriter;
            if (name is not null) body.Write(System.Text.Encoding.UTF8.GetBytes($"event: {name}\n"));
            body.Write("data: "u8);
            using (var json = new Utf8JsonWriter(body, JsonBody.Options)) write(json);
            body.Write("\n\n"u8);
            await FlushAsync().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Sends the last event, as OpenAI's clients expect it; nothing comes behind it.</summary>
    public async Task WriteDoneAsync()
    {
        await EndKeepAliveAsync().ConfigureAwait(false);
        await WriteRawAsync("data: [DONE]\n\n"u8.ToArray()).ConfigureAwait(false);
    }

    /// <summary>Sends an error in place of what would have come.</summary>
    public async Task WriteErrorAsync(ApiException error)
    {
        await WriteAsync(json => JsonBody.WriteError(json, error)).ConfigureAwait(false);
        await WriteDoneAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await EndKeepAliveAsync().ConfigureAwait(false);
        _end.Dispose();
        _turn.Dispose();
    }

    private async Task EndKeepAliveAsync()
    {
        await _end.CancelAsync().ConfigureAwait(false);
        await _keepAlive.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task KeepAliveAsync()
    {
        using var timer = new PeriodicTimer(_interval, _clock);
        while (await timer.WaitForNextTickAsync(_end.Token).ConfigureAwait(false))
            if (_clock.GetElapsedTime(Interlocked.Read(ref _lastWrite)) >= _interval) await WriteRawAsync(": keep-alive\n\n"u8.ToArray()).ConfigureAwait(false);
    }

    private async Task WriteRawAsync(ReadOnlyMemory<byte> bytes)
    {
        await _turn.WaitAsync(_http.RequestAborted).ConfigureAwait(false);
        try
        {
            _http.Response.BodyWriter.Write(bytes.Span);
            await FlushAsync().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task FlushAsync()
    {
        try
        {
            await _http.Response.BodyWriter.FlushAsync(_http.RequestAborted).AsTask().WaitAsync(_readerTimeout, _clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            _http.Abort();
            throw new OperationCanceledException(_http.RequestAborted);
        }

        Interlocked.Exchange(ref _lastWrite, _clock.GetTimestamp());
    }
}
