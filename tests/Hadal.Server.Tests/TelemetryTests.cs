using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Hadal.Tests;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Hadal.Server.Tests;

/// <summary>What operators see: spans and measures in the names of OpenTelemetry's conventions, and lines of a log; no text of prompts unless asked.</summary>
public sealed class TelemetryTests
{
    private const string Secret = "whalebone-4711";

    [Fact]
    public async Task A_request_is_a_span_within_that_of_its_caller_and_is_measured()
    {
        var (spans, measures) = (new ConcurrentBag<Activity>(), new List<Metric>());
        await using var server = await TestServer.StartAsync(null, TestModel.Source("traced"));
        using var tracer = Sdk.CreateTracerProviderBuilder().AddSource("Hadal.Server").AddInMemoryExporter(new Adding(spans)).Build();
        using var meter = Sdk.CreateMeterProviderBuilder().AddMeter("Hadal.Server").AddInMemoryExporter(measures).Build();
        const string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        using (var response = await server.SendAsync("/v1/chat/completions", Chat("\"max_tokens\":5,\"temperature\":0.5,\"seed\":3,\"n\":2"), headers: [("traceparent", $"00-{trace}-00f067aa0ba902b7-01"), ("x-request-id", "mine")]))
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(400, (await server.FaultAsync("/v1/chat/completions", Chat("\"temperature\":-1"))).Status);
        await server.StreamAsync("/v1/completions", "{\"model\":\"traced\",\"prompt\":\"" + Secret + "\",\"max_tokens\":3,\"stream\":true}");
        await server.Server.StopAsync();
        tracer.ForceFlush();
        meter.ForceFlush();

        var span = Assert.Single(spans, span => span.TraceId.ToHexString() == trace);
        Assert.Equal(("chat traced", ActivityKind.Server, "00f067aa0ba902b7"), (span.DisplayName, span.Kind, span.ParentSpanId.ToHexString()));
        var tags = span.TagObjects.ToDictionary();
        Assert.Equal("chat", tags["gen_ai.operation.name"]);
        Assert.Equal("hadal", tags["gen_ai.provider.name"]);
        Assert.Equal("traced", tags["gen_ai.request.model"]);
        Assert.Equal("mine", tags["hadal.request.id"]);
        Assert.Equal((0.5, 3L, 5, 2), (tags["gen_ai.request.temperature"], tags["gen_ai.request.seed"], tags["gen_ai.request.max_tokens"], tags["gen_ai.request.choice.count"]));
        Assert.Equal(["length", "length"], Assert.IsType<string[]>(tags["gen_ai.response.finish_reasons"]));
        Assert.Equal(10, tags["gen_ai.usage.output_tokens"]);
        Assert.True((int)tags["gen_ai.usage.input_tokens"]! > 0);
        Assert.True((double)tags["gen_ai.response.time_to_first_chunk"]! > 0);
        var failed = Assert.Single(spans, span => span.Status == ActivityStatusCode.Error);
        Assert.Equal("invalid_request_error", failed.GetTagItem("error.type"));
        Assert.Single(spans, span => span.DisplayName == "text_completion traced");
        Assert.DoesNotContain(spans, span => span.TagObjects.Any(tag => tag.Value?.ToString()?.Contains(Secret, StringComparison.Ordinal) == true));

        foreach (var name in new[] { "gen_ai.server.request.duration", "gen_ai.server.time_to_first_token", "gen_ai.server.time_per_output_token", "gen_ai.client.token.usage", "hadal.server.queue.duration", "hadal.server.cache.hits", "hadal.server.speculation.accepted" })
            Assert.Contains(measures, metric => metric.Name == name);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_log_has_a_line_for_each_request_and_prompts_only_if_asked(bool logsPrompts)
    {
        var lines = new ConcurrentQueue<string>();
        await using var server = await TestServer.StartAsync(new ServerOptions { RequestLog = lines.Enqueue, LogPrompts = logsPrompts }, TestModel.Source("traced"));
        await server.PostAsync("/v1/chat/completions", Chat("\"max_tokens\":4"));
        await server.FaultAsync("/v1/chat/completions", Chat("\"max_tokens\":0"));
        await server.Server.StopAsync();
        var entries = lines.Select(line => JsonElement.Parse(line)).ToList();
        Assert.Equal(2, entries.Count);
        Assert.Equal((200, "chat", "traced", 4), (entries[0].GetProperty("status").GetInt32(), entries[0].GetProperty("operation").GetString(), entries[0].GetProperty("model").GetString(), entries[0].GetProperty("completion_tokens").GetInt32()));
        Assert.Equal("length", entries[0].GetProperty("finish_reasons")[0].GetString());
        Assert.Equal((400, "invalid_request_error"), (entries[1].GetProperty("status").GetInt32(), entries[1].GetProperty("error").GetString()));
        Assert.True(entries[0].GetProperty("duration_ms").GetDouble() >= entries[0].GetProperty("first_token_ms").GetDouble());
        Assert.All(lines, line => Assert.Equal(logsPrompts, line.Contains(Secret, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":900,\"ignore_eos\":true,\"stream\":true")]
    [InlineData("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":900,\"ignore_eos\":true")]
    [InlineData("/v1/completions", "\"prompt\":\"x\",\"max_tokens\":900,\"ignore_eos\":true,\"stream\":true")]
    public async Task A_request_that_is_left_is_logged_with_what_it_took(string path, string fields)
    {
        using var gate = new Gate();
        var lines = new ConcurrentQueue<string>();
        await using var server = await TestServer.StartAsync(new ServerOptions { RequestLog = lines.Enqueue }, TestModel.Source("traced", gate: gate));
        using var leaving = new CancellationTokenSource();
        var request = server.SendAsync(path, "{\"model\":\"traced\"," + fields + "}", leaving.Token);
        await gate.ArrivedAsync();
        gate.Open(4);
        if (fields.Contains("stream", StringComparison.Ordinal)) await request;
        while (await server.MetricAsync("hadal_kv_cache_blocks") == await server.MetricAsync("hadal_kv_cache_blocks_free")) { }
        await leaving.CancelAsync();
        try
        {
            (await request).Dispose();
        }
        catch (OperationCanceledException)
        {
        }

        for (var passes = 0; await server.MetricAsync("hadal_requests_running") > 0; passes++)
        {
            Assert.True(passes < 900);
            gate.Open(1);
        }

        gate.Open();
        await server.Server.StopAsync();
        var entry = JsonElement.Parse(Assert.Single(lines));
        Assert.Equal(("cancelled", "cancelled"), (entry.GetProperty("error").GetString(), Assert.Single(entry.GetProperty("finish_reasons").EnumerateArray()).GetString()));
        Assert.InRange(entry.GetProperty("completion_tokens").GetInt32(), 1, 899);
        Assert.True(entry.GetProperty("prompt_tokens").GetInt32() > 0);
    }

    [Fact]
    public async Task Texts_that_are_embedded_have_no_first_token()
    {
        var lines = new ConcurrentQueue<string>();
        await using var server = await TestServer.StartAsync(new ServerOptions { RequestLog = lines.Enqueue }, TestModel.Source("traced"));
        await server.PostAsync("/v1/embeddings", "{\"model\":\"traced\",\"input\":[\"x\",\"y\"]}");
        Assert.Equal(0, await server.MetricAsync("gen_ai_server_time_to_first_token_seconds_count"));
        Assert.Equal(2, await server.MetricAsync("hadal_server_queue_duration_seconds_count"));
        await server.Server.StopAsync();
        Assert.False(JsonElement.Parse(Assert.Single(lines)).TryGetProperty("first_token_ms", out _));
    }

    private static string Chat(string fields) => "{\"model\":\"traced\",\"messages\":[{\"role\":\"user\",\"content\":\"" + Secret + "\"}]," + fields + "}";

    /// <summary>Takes spans from any thread.</summary>
    private sealed class Adding(ConcurrentBag<Activity> bag) : System.Collections.ObjectModel.Collection<Activity>
    {
        protected override void InsertItem(int index, Activity item) => bag.Add(item);
    }
}
