using System.IO.Pipelines;
using Hadal.Server.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Hadal.Server.Tests;

/// <summary>Readers that take nothing.</summary>
public sealed class SlowReaderTests : IDisposable
{
    private readonly CancellationTokenSource _aborted = new();

    public void Dispose() => _aborted.Dispose();

    [Fact]
    public async Task A_stream_whose_reader_takes_nothing_is_closed()
    {
        var http = Connection(new Pipe(new PipeOptions(pauseWriterThreshold: 4096, resumeWriterThreshold: 2048)).Writer);
        await using var events = new EventStream(http, new ServerOptions { KeepAliveInterval = TimeSpan.FromSeconds(15), ReaderTimeout = TimeSpan.FromMilliseconds(20) });
        await events.StartAsync();
        await events.WriteAsync(json => json.WriteStringValue("short"));
        Assert.False(http.RequestAborted.IsCancellationRequested);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => events.WriteAsync(json => json.WriteStringValue(new string('x', 5000))));
        Assert.True(http.RequestAborted.IsCancellationRequested);
    }

    [Fact]
    public async Task A_stream_whose_reader_comes_back_in_time_goes_on()
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 4096, resumeWriterThreshold: 2048));
        var http = Connection(pipe.Writer);
        await using var events = new EventStream(http, new ServerOptions { KeepAliveInterval = TimeSpan.FromSeconds(15), ReaderTimeout = TimeSpan.FromDays(1) });
        await events.StartAsync();
        var writing = events.WriteAsync(json => json.WriteStringValue(new string('x', 5000)));
        Assert.False(writing.IsCompleted);
        var read = await pipe.Reader.ReadAsync(TestContext.Current.CancellationToken);
        pipe.Reader.AdvanceTo(read.Buffer.End);
        await writing;
        await events.WriteDoneAsync();
        Assert.False(http.RequestAborted.IsCancellationRequested);
    }

    /// <summary>A request whose answer goes into a pipe, and which ends when it is aborted.</summary>
    private DefaultHttpContext Connection(PipeWriter writer)
    {
        var http = new DefaultHttpContext();
        http.Features.Set<IHttpResponseBodyFeature>(new Body(writer));
        http.Features.Set<IHttpRequestLifetimeFeature>(new Lifetime(_aborted));
        return http;
    }

    private sealed class Lifetime(CancellationTokenSource aborted) : IHttpRequestLifetimeFeature
    {
        public CancellationToken RequestAborted { get; set; } = aborted.Token;

        public void Abort() => aborted.Cancel();
    }

    private sealed class Body(PipeWriter writer) : IHttpResponseBodyFeature
    {
        public Stream Stream => Writer.AsStream();

        public PipeWriter Writer => writer;

        public void DisableBuffering()
        {
        }

        public Task StartAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

        public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) => throw new NotSupportedException("no file is sent");

        public Task CompleteAsync() => Task.CompletedTask;
    }
}
