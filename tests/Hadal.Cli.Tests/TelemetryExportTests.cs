using System.Net;
using System.Text;

namespace Hadal.Cli.Tests;

/// <summary>What <c>hadal serve</c> sends through OpenTelemetry's own exporter, as a collector receives it.</summary>
public sealed class TelemetryExportTests
{
    private const string Secret = "whalebone-4711";
    private const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";

    [Theory]
    [InlineData("http/protobuf")]
    [InlineData("grpc")]
    public async Task Spans_and_measures_arrive_at_a_collector_under_the_names_of_the_conventions(string protocol)
    {
        await using var collector = await Collector.StartAsync(isGrpc: protocol == "grpc");
        var environment = new Dictionary<string, string> { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.Url, ["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol, ["OTEL_SERVICE_NAME"] = "plant" };
        using var process = HadalProcess.StartService(environment, "serve", "--urls", "http://127.0.0.1:0", "--threads", "1");
        var url = (await process.ReadErrorUntilAsync("hadal: listening on "))["hadal: listening on ".Length..];
        await process.ReadErrorUntilAsync("hadal: ready");
        using var client = new HttpClient { BaseAddress = new Uri(url), DefaultRequestHeaders = { { "traceparent", $"00-{Trace}-00f067aa0ba902b7-01" } } };
        const string messages = "\"model\":\"hadal-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"" + Secret + "\"}]";
        Assert.Equal(HttpStatusCode.OK, await AskAsync("chat/completions", $"{{{messages},\"max_tokens\":5,\"temperature\":0.5,\"ignore_eos\":true}}"));
        Assert.Equal(HttpStatusCode.BadRequest, await AskAsync("chat/completions", $"{{{messages},\"temperature\":-1}}"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync("embeddings", $"{{\"model\":\"hadal-mini\",\"input\":\"{Secret}\"}}"));
        process.Terminate();
        Assert.Equal(0, process.End().ExitCode);

        // Resource, scope, span: fields 1, 2 and 2 of the messages around them.
        Assert.Equal("plant", collector.Traces.SelectMany(request => request.Messages(1, 1)).First().Attributes(1)["service.name"]);
        Assert.Equal("Hadal.Server", collector.Traces.SelectMany(request => request.Messages(1, 2, 1)).First().Text(1));
        var spans = collector.Traces.SelectMany(request => request.Messages(1, 2, 2)).ToList();
        Assert.Equal(["chat", "chat hadal-mini", "embeddings hadal-mini"], spans.Select(span => span.Text(5)).Order());
        Assert.All(spans, span => Assert.Equal((Trace, 2UL), (Convert.ToHexStringLower(span.Bytes(1)), span.Number(6))));
        var chat = spans.Single(span => span.Text(5) == "chat hadal-mini").Attributes(9);
        Assert.Equal(
            ("chat", "hadal", "hadal-mini", "5", "length", "0.5"),
            (chat["gen_ai.operation.name"], chat["gen_ai.provider.name"], chat["gen_ai.request.model"], chat["gen_ai.usage.output_tokens"], chat["gen_ai.response.finish_reasons"], chat["gen_ai.request.temperature"]));
        Assert.Equal("invalid_request_error", spans.Single(span => span.Text(5) == "chat").Attributes(9)["error.type"]);

        // Metrics: name 1, unit 3, a histogram's points 9 and 1 with count 4, sum 5, bounds 7 and attributes 9.
        var metrics = collector.Metrics.SelectMany(request => request.Messages(1, 2, 2)).GroupBy(metric => metric.Text(1)).ToDictionary(group => group.Key, group => group.Last());
        var durations = metrics["gen_ai.server.request.duration"];
        Assert.Equal("s", durations.Text(3));
        Assert.Equal(3UL, durations.Messages(9, 1).Aggregate(0UL, (sum, point) => sum + point.Number(4)));
        Assert.All(durations.Messages(9, 1), point => Assert.Equal(14 * sizeof(double), point.Bytes(7).Length));
        Assert.Contains(durations.Messages(9, 1), point => point.Attributes(9).GetValueOrDefault("error.type") == "invalid_request_error");
        var answered = metrics["gen_ai.client.token.usage"].Messages(9, 1).Single(point => point.Attributes(9) is var labels && labels["gen_ai.token.type"] == "output" && labels["gen_ai.operation.name"] == "chat");
        Assert.Equal((1UL, 5), (answered.Number(4), answered.Real(5)));
        Assert.Equal("{token}", metrics["gen_ai.client.token.usage"].Text(3));
        Assert.Equal(1UL, Assert.Single(metrics["gen_ai.server.time_to_first_token"].Messages(9, 1)).Number(4));
        Assert.Equal(1UL, Assert.Single(metrics["gen_ai.server.time_per_output_token"].Messages(9, 1)).Number(4));
        Assert.Contains("hadal.server.cache.hits", metrics.Keys);
        Assert.DoesNotContain(Secret, collector.Everything, StringComparison.Ordinal);

        async Task<HttpStatusCode> AskAsync(string path, string json)
        {
            using var response = await client.PostAsync("/v1/" + path, new StringContent(json, Encoding.UTF8, "application/json"));
            return response.StatusCode;
        }
    }
}
