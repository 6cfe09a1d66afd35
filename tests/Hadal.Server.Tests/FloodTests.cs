using System.Net;
using System.Net.Sockets;
using System.Text;
using Hadal.Checkpoints.Text;
using Hadal.Inference.Engine;
using Hadal.Server.Answers;
using Hadal.Server.Http;

namespace Hadal.Server.Tests;

/// <summary>What is read and checked before an engine is asked is bounded, too.</summary>
public sealed class FloodTests
{
    private const string Path = "/v1/chat/completions";

    [Fact]
    public async Task Requests_beyond_a_bound_are_refused_and_others_go_on_when_they_have_left()
    {
        using var model = TestModel.Source("m", options: new TextGeneratorOptions { MaxConcurrent = 1, MaxQueued = 2 }).Open();
        using var state = new ServerState(new ServerOptions(), new ModelCatalog(model, TimeProvider.System), keys: null);
        for (var i = 0; i < 64 + 3; i++)
        {
            state.Arrive(Caller.Anyone);
            state.Enter(Caller.Anyone);
        }

        Assert.Equal((503, 1), Refused(() => state.Enter(Caller.Anyone)));
        Assert.Equal((503, 1), Refused(() => state.Arrive(Caller.Anyone)));
        state.Leave(Caller.Anyone, hasEntered: true);
        state.Arrive(Caller.Anyone);
        state.Enter(Caller.Anyone);

        static (int Status, int? RetryAfter) Refused(Action act)
        {
            var error = Assert.Throws<ApiException>(act);
            return (error.Status, error.RetryAfterSeconds);
        }
    }

    [Fact]
    public async Task Bodies_that_are_half_sent_take_nobody_s_place()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { BodyTimeout = TimeSpan.FromDays(1) }, TestModel.Source("m", options: new TextGeneratorOptions { MaxConcurrent = 1, MaxQueued = 0 }));
        var slow = new List<TcpClient>();
        for (var i = 0; i < 300; i++) slow.Add(await BeginAsync(server, contentLength: i % 2 == 0 ? 100 : null));
        for (var i = 0; i < 3; i++)
        {
            using var response = await server.SendAsync(Path, ChatCompletionsTests.Body("m", "\"max_tokens\":1"));
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            await response.Content.ReadAsByteArrayAsync();
        }

        foreach (var client in slow) client.Dispose();
    }

    [Fact]
    public async Task A_server_that_stops_waits_for_no_body()
    {
        var options = new ServerOptions { BodyTimeout = TimeSpan.FromDays(1), DrainTimeout = TimeSpan.FromDays(1) };
        await using var server = await TestServer.StartAsync(options, TestModel.Source("m"));
        using var client = await BeginAsync(server, contentLength: 100);
        var stopping = server.Server.StopAsync();
        using var reader = new StreamReader(client.GetStream());
        Assert.StartsWith("HTTP/1.1 503", await reader.ReadLineAsync(), StringComparison.Ordinal);
        client.Dispose();
        await stopping;
    }

    [Fact]
    public async Task Bodies_that_would_fill_the_memory_are_refused()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBodyBytes = 1024 }, TestModel.Source("m"));
        var slow = new List<TcpClient>();
        for (var i = 0; i < 16; i++)
        {
            slow.Add(await BeginAsync(server, contentLength: 1024));
            await slow[i].GetStream().WriteAsync(Encoding.ASCII.GetBytes(new string(' ', 1023)));
        }

        // All but sixteen bytes of the room are taken as soon as the server has read what was sent.
        var body = new string(' ', 100);
        while (true)
        {
            using var response = await server.SendAsync(Path, body);
            if (response.StatusCode == HttpStatusCode.ServiceUnavailable) break;
            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        }

        await RefusedAsync(server, body);
        foreach (var client in slow) client.Dispose();
        await AnsweredAsync(server);
    }

    [Fact]
    public async Task A_body_that_does_not_come_ends_with_408()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { BodyTimeout = TimeSpan.FromMilliseconds(30) }, TestModel.Source("m"));
        using var client = await BeginAsync(server, contentLength: 100);
        using var reader = new StreamReader(client.GetStream());
        Assert.StartsWith("HTTP/1.1 408", await reader.ReadLineAsync(), StringComparison.Ordinal);
        string? line;
        do line = await reader.ReadLineAsync();
        while (line?.StartsWith('{') == false);
        Assert.Contains("the body: expected 100 bytes within 0.03 s, found ", line, StringComparison.Ordinal);
        await AnsweredAsync(server);
    }

    [Fact]
    public async Task Texts_to_tokenize_have_a_limit_of_their_own()
    {
        await using var server = await TestServer.StartAsync(null, TestModel.Source("m"));
        var (status, error) = await server.FaultAsync("/tokenize", "{\"content\":\"" + new string('a', (1 << 20) + 1) + "\"}");
        Assert.Equal((400, "content"), (status, error.GetProperty("param").GetString()));
        (status, error) = await server.FaultAsync("/detokenize", "{\"tokens\":[" + string.Join(',', Enumerable.Repeat("1", (1 << 20) + 1)) + "]}");
        Assert.Equal((400, "tokens"), (status, error.GetProperty("param").GetString()));
    }

    [Fact]
    public void What_the_model_thought_goes_back_to_it_with_its_own_marks()
    {
        var format = new AnswerFormat(Reasons: true, CanSwitch: false, Tools: null);
        bool? isThinking = false;
        Assert.Equal([new(" ", false), new("<think>", true), new("Hm", false)], format.Segments(" <think>Hm", ref isThinking));
        Assert.Equal([new(" <think> ", false), new("</think>", true), new("Yes </think>", false)], format.Segments(" <think> </think>Yes </think>", ref isThinking));
        Assert.Equal([new TextSegment("<think></think>", false)], format.Segments("<think></think>", ref isThinking));
        isThinking = true;
        Assert.Equal([new TextSegment("</think>", true)], format.Segments("</think>", ref isThinking));
        isThinking = false;
        Assert.Equal([new TextSegment("<think>", false)], (format with { Reasons = false }).Segments("<think>", ref isThinking));
        Assert.Empty(format.Segments("", ref isThinking));
    }

    /// <summary>Sends the head of a request, and waits until the server has taken it up.</summary>
    private static async Task<TcpClient> BeginAsync(TestServer server, int? contentLength)
    {
        var url = server.Client.BaseAddress!;
        var client = new TcpClient();
        await client.ConnectAsync(url.Host, url.Port);
        var length = contentLength is { } count ? $"Content-Length: {count}\r\nExpect: 100-continue" : "Transfer-Encoding: chunked\r\nExpect: 100-continue";
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST {Path} HTTP/1.1\r\nHost: {url.Authority}\r\nContent-Type: application/json\r\n{length}\r\n\r\n"));

        // The server asks for the body when it begins to read it.
        var answer = new byte[25];
        await client.GetStream().ReadExactlyAsync(answer);
        Assert.StartsWith("HTTP/1.1 100", Encoding.ASCII.GetString(answer), StringComparison.Ordinal);
        return client;
    }

    private static async Task RefusedAsync(TestServer server, string body)
    {
        using var response = await server.SendAsync(Path, body);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("1", Assert.Single(response.Headers.GetValues("Retry-After")));
        await TestServer.ErrorAsync(response);
    }

    /// <summary>Answers come again; that the others have left shows a moment later.</summary>
    private static async Task AnsweredAsync(TestServer server)
    {
        while (true)
        {
            using var response = await server.SendAsync(Path, ChatCompletionsTests.Body("m", "\"max_tokens\":1"));
            if (response.StatusCode == HttpStatusCode.OK) return;
            Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        }
    }
}
