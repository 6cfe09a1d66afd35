using System.Net;
using System.Security.Cryptography;
using System.Text;
using Hadal.Inference.Engine;
using Hadal.Server.Http;
using Hadal.Tests;

namespace Hadal.Server.Tests;

/// <summary>What one key may take of a server that others use, too.</summary>
public sealed class FairShareTests
{
    private const string Chat = "/v1/chat/completions";
    private static readonly TextGeneratorOptions EightPlaces = new() { MaxConcurrent = 2, MaxQueued = 6 };

    [Fact]
    public async Task A_key_that_takes_all_it_can_get_keeps_nobody_out()
    {
        using var gate = new Gate();
        await using var server = await StartAsync("a", EightPlaces, gate, "a", "b", "c");
        using var many = await SendAsync(server, "a", Chat, Answers(4));
        Assert.Equal(HttpStatusCode.OK, many.StatusCode);
        using var more = await SendAsync(server, "a", Chat, Answers(1));
        Assert.Equal(HttpStatusCode.TooManyRequests, more.StatusCode);
        Assert.True(int.Parse(Assert.Single(more.Headers.GetValues("Retry-After")), System.Globalization.CultureInfo.InvariantCulture) >= 1);
        Assert.Equal("rate_limit_exceeded", (await TestServer.ErrorAsync(more)).GetProperty("code").GetString());
        using var texts = await SendAsync(server, "a", "/v1/embeddings", """{"model":"m","input":["x","y"]}""");
        Assert.Equal(HttpStatusCode.TooManyRequests, texts.StatusCode);

        using var other = await SendAsync(server, "b", Chat, Answers(2));
        using var third = await SendAsync(server, "c", Chat, Answers(1));
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (other.StatusCode, third.StatusCode));
        gate.Open();
        foreach (var stream in new[] { many, other, third }) await TestServer.EventsAsync(stream);
        using var again = await SendAsync(server, "a", Chat, Answers(4));
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
        await TestServer.EventsAsync(again);
    }

    [Theory]
    [InlineData(Chat, """{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":1,"n":5}""", "n", "at most 4")]
    [InlineData("/v1/completions", """{"model":"m","prompt":["1","2","3","4","5"],"max_tokens":1}""", "prompt", "at most 4")]
    [InlineData("/v1/completions", """{"model":"m","prompt":["1","2","3"],"n":2,"max_tokens":1}""", "n", "at most 4")]
    public async Task What_one_key_could_never_have_is_refused_by_name(string path, string json, string field, string expected)
    {
        await using var server = await StartAsync("a", EightPlaces, null, "a", "b");
        using var response = await SendAsync(server, "a", path, json);
        var error = await TestServer.ErrorAsync(response);
        Assert.Equal((HttpStatusCode.BadRequest, field), (response.StatusCode, error.GetProperty("param").GetString()));
        Assert.Contains(expected, error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_one_key_may_have_counts_answers_and_prompts()
    {
        using var gate = new Gate();
        await using var server = await StartAsync("a", new TextGeneratorOptions(), gate, "a max-concurrent=3", "b");
        using var tooMany = await SendAsync(server, "a", Chat, Answers(4));
        Assert.Equal((HttpStatusCode.BadRequest, "n"), (tooMany.StatusCode, (await TestServer.ErrorAsync(tooMany)).GetProperty("param").GetString()));
        using var two = await SendAsync(server, "a", Chat, Answers(2));
        using var later = await SendAsync(server, "a", "/v1/completions", """{"model":"m","prompt":["1","2"],"max_tokens":1}""");
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.TooManyRequests), (two.StatusCode, later.StatusCode));
        using var one = await SendAsync(server, "a", Chat, Answers(1));
        Assert.Equal(HttpStatusCode.OK, one.StatusCode);
        gate.Open();
        await TestServer.EventsAsync(two);
        await TestServer.EventsAsync(one);
        using var three = await SendAsync(server, "a", Chat, Answers(3));
        Assert.Equal(HttpStatusCode.OK, three.StatusCode);
        await TestServer.EventsAsync(three);
    }

    [Theory]
    [InlineData("a max-concurrent=1")]
    [InlineData("a")]
    public async Task Texts_to_embed_take_turns_in_the_places_of_a_key(string key)
    {
        using var gate = new Gate();
        await using var server = await StartAsync("a", EightPlaces, gate, key, "b");
        var texts = SendAsync(server, "a", "/v1/embeddings", $$"""{"model":"m","input":[{{string.Join(',', Enumerable.Range(0, 100).Select(i => $"\"text {i}\""))}}]}""");
        await gate.ArrivedAsync();
        using var other = await SendAsync(server, "b", Chat, Answers(3));
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        gate.Open();
        using var response = await texts;
        Assert.Equal(100, System.Text.Json.JsonElement.Parse(await response.Content.ReadAsStringAsync()).GetProperty("data").GetArrayLength());
        await TestServer.EventsAsync(other);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("a")]
    [InlineData("a|a")]
    public async Task Who_is_alone_may_fill_the_queue(string? keys)
    {
        using var gate = new Gate();
        await using var server = await StartAsync("a", EightPlaces, gate, keys?.Split('|') ?? []);
        using var all = await SendAsync(server, "a", Chat, Answers(8));
        Assert.Equal(HttpStatusCode.OK, all.StatusCode);
        using var more = await SendAsync(server, "a", Chat, Answers(1));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, more.StatusCode);
        gate.Open();
        await TestServer.EventsAsync(all);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_key_alone_fills_the_batch_of_a_small_queue_and_leaves_the_queue_to_others(int queue)
    {
        using var gate = new Gate();
        await using var server = await StartAsync("a", new TextGeneratorOptions { MaxConcurrent = 4, MaxQueued = queue }, gate, "a", "b");
        using var all = await SendAsync(server, "a", Chat, Answers(4));
        Assert.Equal(HttpStatusCode.OK, all.StatusCode);
        using var more = await SendAsync(server, "a", Chat, Answers(1));
        using var other = await SendAsync(server, "b", Chat, Answers(1));
        Assert.Equal(queue == 0 ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.TooManyRequests, more.StatusCode);
        Assert.Equal(queue == 0 ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK, other.StatusCode);
        gate.Open();
        await TestServer.EventsAsync(all);
        if (queue > 0) await TestServer.EventsAsync(other);
    }

    [Fact]
    public async Task Who_reads_the_end_of_an_answer_finds_its_place_free()
    {
        await using var server = await StartAsync("a", EightPlaces, null, "a max-concurrent=1", "b");
        foreach (var (path, json, end) in new[]
            {
                (Chat, Answers(1), "data: [DONE]"), ("/v1/completions", """{"model":"m","prompt":"1","max_tokens":2,"stream":true}""", "data: [DONE]"),
                ("/v1/responses", """{"model":"m","input":"1","max_output_tokens":16,"stream":true}""", "event: response.completed|event: response.incomplete"),
            })
        {
            for (var i = 0; i < 20; i++)
            {
                using var response = await SendAsync(server, "a", path, json);
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
                using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
                while (await reader.ReadLineAsync() is { } line && !end.Split('|').Contains(line)) { }
            }
        }
    }

    [Fact]
    public void Requests_at_work_and_bodies_are_shared_as_places_are()
    {
        using var model = TestModel.Source("m", options: EightPlaces).Open();
        using var state = new ServerState(new ServerOptions { MaxBodyBytes = 1024 }, new ModelCatalog(model, TimeProvider.System), keys: null);
        var (one, other) = (new Caller("one", int.MaxValue), new Caller("other", int.MaxValue));
        for (var i = 0; i < (64 + 8) / 2; i++)
        {
            state.Arrive(one);
            state.Enter(one);
        }

        Assert.Equal(429, Assert.Throws<ApiException>(() => state.Arrive(one)).Status);
        state.Arrive(other);
        state.Enter(other);
        state.HoldBodies(one, 8 * 1024);
        Assert.Equal(429, Assert.Throws<ApiException>(() => state.HoldBodies(one, 1)).Status);
        state.HoldBodies(other, 1024);
        Assert.Equal(503, Assert.Throws<ApiException>(() => state.HoldBodies(other, 8 * 1024)).Status);
    }

    [Fact]
    public void A_measured_wait_is_told_in_whole_seconds()
    {
        var full = new GenerationException(GenerationFault.QueueFull, "full") { RetryAfter = TimeSpan.FromSeconds(6.2) };
        Assert.Equal((503, 7), (ApiException.Of(full).Status, ApiException.Of(full).RetryAfterSeconds));
        var share = new GenerationException(GenerationFault.ShareFull, "full") { RetryAfter = TimeSpan.FromDays(1) };
        Assert.Equal((429, 600), (ApiException.Of(share).Status, ApiException.Of(share).RetryAfterSeconds));
        Assert.Equal(1, ApiException.Of(new GenerationException(GenerationFault.QueueFull, "full")).RetryAfterSeconds);
    }

    private static string Answers(int count) => $$"""{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":2,"stream":true,"n":{{count}}}""";

    /// <summary>A server with keys, whose texts are the first words of their names.</summary>
    private static async Task<TestServer> StartAsync(string owner, TextGeneratorOptions options, Gate? gate, params string[] keys)
    {
        if (keys.Length == 0) return await TestServer.StartAsync(null, TestModel.Source("m", options: options, gate: gate));
        var file = Path.GetTempFileName();
        await File.WriteAllLinesAsync(file, keys.Select((key, index) => $"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(index > 0 && key == owner ? key + index : key.Split(' ')[0])))} {key}"));
        var server = await TestServer.StartAsync(new ServerOptions { ApiKeyFile = file }, TestModel.Source("m", options: options, gate: gate));
        File.Delete(file);
        return server;
    }

    private static Task<HttpResponseMessage> SendAsync(TestServer server, string key, string path, string json) => server.SendAsync(path, json, default, ("x-api-key", key));
}
