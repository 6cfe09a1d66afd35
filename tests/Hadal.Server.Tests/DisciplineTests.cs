using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Hadal.Inference.Engine;
using Hadal.Server.Http;
using Hadal.Tests;

namespace Hadal.Server.Tests;

/// <summary>What the server promises its operator.</summary>
public sealed class DisciplineTests
{
    private const string Path = "/v1/chat/completions";
    private static readonly string Short = ChatCompletionsTests.Body("m", "\"max_tokens\":4,\"temperature\":0");
    private static readonly string Streamed = ChatCompletionsTests.Body("m", "\"max_tokens\":4,\"temperature\":0,\"stream\":true");
    private static readonly string Long = ChatCompletionsTests.Body("m", "\"max_tokens\":900,\"ignore_eos\":true,\"stream\":true");

    [Fact]
    public async Task A_full_queue_says_so_at_once_and_when_to_come_again()
    {
        using var gate = new Gate();
        await using var server = await TestServer.StartAsync(null, TestModel.Source("m", options: new TextGeneratorOptions { MaxConcurrent = 1, MaxQueued = 1 }, gate: gate));
        var first = server.PostAsync(Path, Short);
        await gate.ArrivedAsync();
        var second = server.SendAsync(Path, Streamed);
        Assert.Equal(HttpStatusCode.OK, (await second).StatusCode);
        using var third = await server.SendAsync(Path, Short);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, third.StatusCode);
        Assert.Equal("1", Assert.Single(third.Headers.GetValues("Retry-After")));
        Assert.Equal("server_is_overloaded", (await TestServer.ErrorAsync(third)).GetProperty("code").GetString());
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await server.SendAsync(Path, ChatCompletionsTests.Body("m", "\"n\":2"))).StatusCode);
        var (status, error) = await server.FaultAsync(Path, ChatCompletionsTests.Body("m", "\"n\":3"));
        Assert.Equal((400, "n"), (status, error.GetProperty("param").GetString()));
        gate.Open();
        await first;
        await TestServer.EventsAsync(await second);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_client_that_leaves_takes_its_work_along(bool streams)
    {
        using var gate = new Gate();
        await using var server = await TestServer.StartAsync(null, TestModel.Source("m", options: new TextGeneratorOptions { MaxConcurrent = 1 }, gate: gate));
        var blocks = await server.MetricAsync("hadal_kv_cache_blocks");
        using var leaving = new CancellationTokenSource();
        var requests = Enumerable.Range(0, 3).Select(_ => server.SendAsync(Path, streams ? Long : Long.Replace("\"stream\":true", "\"stream\":false", StringComparison.Ordinal), leaving.Token)).ToList();
        if (streams) foreach (var request in requests) await request;
        await gate.ArrivedAsync();
        while (await server.MetricAsync("hadal_requests_running") + await server.MetricAsync("hadal_requests_waiting") < 3) { }
        await leaving.CancelAsync();
        foreach (var request in requests)
            try
            {
                (await request).Dispose();
            }
            catch (OperationCanceledException)
            {
            }

        // One pass is under way; each of the three would need 900.
        var passes = 0;
        for (; await server.MetricAsync("hadal_requests_running") + await server.MetricAsync("hadal_requests_waiting") > 0; passes++) gate.Open(1);
        Assert.True(passes < 900);
        Assert.Equal(blocks, await server.MetricAsync("hadal_kv_cache_blocks_free"));
        gate.Open();
        await server.PostAsync(Path, Short);
        Assert.Contains("error_type=\"cancelled\"", await server.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silence_is_filled_with_comments()
    {
        using var gate = new Gate();
        await using var server = await TestServer.StartAsync(new ServerOptions { KeepAliveInterval = TimeSpan.FromMilliseconds(20) }, TestModel.Source("m", gate: gate));
        using var response = await server.SendAsync(Path, Streamed);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var comments = 0;
        while (comments < 3) if (await reader.ReadLineAsync() is ": keep-alive") comments++;
        gate.Open();
        Assert.EndsWith("data: [DONE]\n\n", await reader.ReadToEndAsync(), StringComparison.Ordinal);
        Assert.Equal(1, await server.MetricAsync("gen_ai_server_request_duration_seconds_count"));
    }

    [Fact]
    public async Task Streams_that_have_begun_end_whole_while_the_server_drains()
    {
        using var gate = new Gate();
        await using var server = await TestServer.StartAsync(null, TestModel.Source("m", gate: gate));
        using var stream = await server.SendAsync(Path, Streamed);
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("/health/ready")).StatusCode);
        var stopping = server.Server.StopAsync();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await server.Client.GetAsync("/health/ready")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("/health/live")).StatusCode);
        using var late = await server.SendAsync(Path, Short);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "5"), (late.StatusCode, Assert.Single(late.Headers.GetValues("Retry-After"))));
        Assert.False(stopping.IsCompleted);
        gate.Open();
        var events = await TestServer.EventsAsync(stream);
        Assert.Equal("length", events[^1].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        await stopping;
    }

    [Fact]
    public async Task What_does_not_end_in_the_time_of_draining_ends_with_an_error_event()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { DrainTimeout = TimeSpan.Zero }, TestModel.Source("m"));
        using var stream = await server.SendAsync(Path, Long);
        await server.Server.StopAsync();
        var events = await TestServer.EventsAsync(stream);
        Assert.Equal("service_unavailable_error", events[^1].GetProperty("error").GetProperty("type").GetString());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_answer_that_takes_too_long_is_ended(bool streams)
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { RequestTimeout = TimeSpan.FromMilliseconds(1) }, TestModel.Source("m"));
        using var response = await server.SendAsync(Path, streams ? Long : Long.Replace("\"stream\":true", "\"stream\":false", StringComparison.Ordinal));
        var error = response.StatusCode == HttpStatusCode.OK ? (await TestServer.EventsAsync(response))[^1].GetProperty("error") : await TestServer.ErrorAsync(response);
        Assert.Equal("request_timeout", error.GetProperty("code").GetString());
    }

    [Fact]
    public async Task A_body_beyond_the_limit_is_refused_with_and_without_a_length()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { MaxBodyBytes = 4096 }, TestModel.Source("m"));
        var json = "{\"model\":\"" + new string('m', 10_000) + "\"}";
        var (status, error) = await server.FaultAsync(Path, json);
        Assert.Equal((413, "request_too_large"), (status, error.GetProperty("code").GetString()));
        Assert.StartsWith("the body: expected at most 4096 bytes, found 10012; ", error.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Contains("--max-body", error.GetProperty("message").GetString(), StringComparison.Ordinal);
        using var request = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        request.Headers.TransferEncodingChunked = true;
        using var response = await server.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.StartsWith("the body: expected at most 4096 bytes, found ", (await TestServer.ErrorAsync(response)).GetProperty("message").GetString(), StringComparison.Ordinal);

        // The largest one that is taken is read to its last byte.
        Assert.Equal(404, (await server.FaultAsync(Path, "{\"model\":\"" + new string('m', 4096 - 12) + "\"}")).Status);
        Assert.Equal(413, (await server.FaultAsync(Path, "{\"model\":\"" + new string('m', 4096 - 11) + "\"}")).Status);
    }

    [Fact]
    public async Task Keys_are_asked_for_everywhere_but_for_liveness_and_change_without_a_restart()
    {
        var file = System.IO.Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "# keys\n" + Hash("first") + "  -\n");
        using var gate = new Gate();
        var log = new List<string>();
        await using var server = await TestServer.StartAsync(new ServerOptions { ApiKeyFile = file, Log = log.Add }, TestModel.Source("m", gate: gate));
        foreach (var path in new[] { "/v1/models", "/models/m", "/metrics", "/v1/metrics", "/health", "/health/ready", "/v1/health/ready", "/v1/health/live/x", "/v1/nothing", "/" })
            Assert.Equal(HttpStatusCode.Unauthorized, (await server.Client.GetAsync(path)).StatusCode);
        foreach (var path in new[] { Path, "/v1/completions", "/tokenize", "/detokenize", "/beta/completions" })
            Assert.Equal(HttpStatusCode.Unauthorized, (await server.SendAsync(path, Short, default, ("Authorization", "Bearer wrong"))).StatusCode);
        foreach (var path in new[] { "/health/live", "/v1/health/live" }) Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync(path)).StatusCode);

        var held = server.SendAsync(Path, Short, default, ("Authorization", "Bearer first"));
        await gate.ArrivedAsync();
        await File.WriteAllTextAsync(file, Hash("second") + " plant max-concurrent=1\n");
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.SendAsync(Path, Short, default, ("Authorization", "Bearer first"))).StatusCode);
        using var stream = await server.SendAsync(Path, Streamed, default, ("x-api-key", "second"));
        Assert.Equal(HttpStatusCode.OK, stream.StatusCode);
        using var beyond = await server.SendAsync(Path, Short, default, ("x-api-key", "second"));
        Assert.Equal((HttpStatusCode.TooManyRequests, "1"), (beyond.StatusCode, Assert.Single(beyond.Headers.GetValues("Retry-After"))));

        await File.WriteAllTextAsync(file, "nonsense here\n");
        gate.Open();
        Assert.Equal(HttpStatusCode.OK, (await held).StatusCode);
        await TestServer.EventsAsync(stream);
        Assert.Equal(HttpStatusCode.OK, (await server.SendAsync(Path, Short, default, ("x-api-key", "second"))).StatusCode);
        Assert.Contains("64 hexadecimal digits", Assert.Single(log), StringComparison.Ordinal);
        File.Delete(file);
    }

    [Fact]
    public async Task A_file_of_keys_that_could_not_be_read_is_tried_again_and_an_empty_one_lets_nobody_in()
    {
        var file = System.IO.Path.GetTempFileName();
        await File.WriteAllTextAsync(file, Hash("first") + "\n");
        var log = new List<string>();
        await using var server = await TestServer.StartAsync(new ServerOptions { ApiKeyFile = file, Log = log.Add }, TestModel.Source("m"));
        await File.WriteAllTextAsync(file, Hash("second") + " plant\n");
        using (new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.None))
        {
            Assert.Equal(HttpStatusCode.OK, await StatusAsync("first"));
            Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("second"));
            Assert.Contains("stay as they were", Assert.Single(log), StringComparison.Ordinal);
        }

        Assert.Equal(HttpStatusCode.OK, await StatusAsync("second"));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("first"));
        await File.WriteAllTextAsync(file, "");
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("second"));
        File.Delete(file);

        async Task<HttpStatusCode> StatusAsync(string key)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/models") { Headers = { { "x-api-key", key } } };
            using var response = await server.Client.SendAsync(request);
            return response.StatusCode;
        }
    }

    [Fact]
    public async Task A_body_that_does_not_come_does_not_hold_up_the_end()
    {
        await using var server = await TestServer.StartAsync(new ServerOptions { DrainTimeout = TimeSpan.Zero }, TestModel.Source("m"));
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", server.Client.BaseAddress!.Port);
        using var reader = new StreamReader(client.GetStream());
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"POST {Path} HTTP/1.1\r\nHost: 127.0.0.1:{server.Client.BaseAddress.Port}\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"));

        // The server says so when it begins to read.
        Assert.Equal("HTTP/1.1 100 Continue", await reader.ReadLineAsync());
        await reader.ReadLineAsync();
        var stopping = server.Server.StopAsync();
        Assert.Equal("HTTP/1.1 503 Service Unavailable", await reader.ReadLineAsync());
        client.Close();
        await stopping;
    }

    [Theory]
    [InlineData("", "expected at least one key")]
    [InlineData("abc", "line 1: expected the SHA-256")]
    [InlineData("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 a max-concurrent=0", "max-concurrent=N")]
    [InlineData("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  - a b", "line 1: expected a hash, one name, max-concurrent=N and may=adapters, found 'b' behind the name 'a'")]
    public async Task A_file_of_keys_that_cannot_be_used_stops_the_start(string text, string expected)
    {
        var file = System.IO.Path.GetTempFileName();
        await File.WriteAllTextAsync(file, text);
        var fault = await Assert.ThrowsAsync<FormatException>(() => TestServer.StartAsync(new ServerOptions { ApiKeyFile = file }, TestModel.Source("m")));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        File.Delete(file);
    }

    [Theory]
    [InlineData("  -", "HASH8", int.MaxValue)]
    [InlineData("", "HASH8", int.MaxValue)]
    [InlineData("  - plant", "plant", int.MaxValue)]
    [InlineData("  - plant max-concurrent=3", "plant", 3)]
    [InlineData("  - max-concurrent=3 plant", "plant", 3)]
    [InlineData("  - max-concurrent=3", "HASH8", 3)]
    [InlineData(" *- plant", "plant", int.MaxValue)]
    [InlineData("  key.txt max-concurrent=3", "key.txt", 3)]
    [InlineData(" max-concurrent=3", "HASH8", 3)]
    public async Task A_line_of_sha256sum_may_have_a_name_and_a_bound_behind_it(string rest, string name, int maxConcurrent)
    {
        var file = System.IO.Path.GetTempFileName();
        await File.WriteAllTextAsync(file, Hash("first") + rest + "\n");
        var caller = new ApiKeys(file, _ => { }).Find("first");
        Assert.Equal((name.Replace("HASH8", Hash("first")[..8], StringComparison.Ordinal), maxConcurrent), (caller!.Name, caller.MaxConcurrent));
        File.Delete(file);
    }

    [Fact]
    public async Task A_file_of_keys_that_is_not_there_is_named_and_how_one_is_made()
    {
        var fault = await Assert.ThrowsAsync<FileNotFoundException>(() => TestServer.StartAsync(new ServerOptions { ApiKeyFile = "/no/such/keys" }, TestModel.Source("m")));
        Assert.StartsWith("/no/such/keys: there is no such file of keys; ", fault.Message, StringComparison.Ordinal);
        Assert.Contains("sha256sum", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://0.0.0.0:0")]
    [InlineData("http://*:0")]
    [InlineData("ftp://127.0.0.1")]
    [InlineData("https://127.0.0.1:0")]
    public async Task Other_machines_are_let_in_only_when_that_is_said(string url)
    {
        var fault = await Assert.ThrowsAsync<ArgumentException>(() => HadalServer.StartAsync(new ServerOptions { Urls = [url] }, [TestModel.Source("m")]));
        Assert.Contains(url, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Requests_for_a_model_that_is_being_loaded_are_told_to_come_again()
    {
        using var loading = new ManualResetEventSlim();
        var source = TestModel.Source("m");
        await using var server = await HadalServer.StartAsync(new ServerOptions { Urls = ["http://127.0.0.1:0"] }, [source with
        {
            Open = () =>
            {
                loading.Wait();
                return source.Open();
            },
        }]);
        using var client = new HttpClient { BaseAddress = new Uri(server.Urls[0]) };
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/health/live")).StatusCode);
        using var ready = await client.GetAsync("/health/ready");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "2"), (ready.StatusCode, Assert.Single(ready.Headers.GetValues("Retry-After"))));
        using var early = await client.PostAsync(Path, new StringContent(Short, Encoding.UTF8, "application/json"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "2"), (early.StatusCode, Assert.Single(early.Headers.GetValues("Retry-After"))));
        loading.Set();
        await server.Loaded;
        using var late = await client.PostAsync(Path, new StringContent(Short, Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.OK, late.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/health/ready")).StatusCode);
    }

    [Fact]
    public async Task A_request_that_fails_fails_alone_and_says_nothing_of_the_inside()
    {
        var isBroken = true;
        using var gate = new Gate();
        gate.Open();
        var log = new List<string>();
        await using var server = await TestServer.StartAsync(new ServerOptions { Log = log.Add }, Broken(() => { if (isBroken) throw new InvalidOperationException("/secret/path"); }));
        var (status, error) = await server.FaultAsync(Path, Short);
        Assert.Equal((500, "server_error"), (status, error.GetProperty("type").GetString()));
        Assert.DoesNotContain("secret", error.GetRawText(), StringComparison.Ordinal);
        Assert.Contains("/secret/path", Assert.Single(log), StringComparison.Ordinal);
        isBroken = false;
        await server.PostAsync(Path, Short);
    }

    private static ModelSource Broken(Action beforeForward) => TestModel.Source("m", beforeForward: beforeForward);

    private static string Hash(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
