using System.Globalization;
using System.Net;
using System.Text.Json;
using Hadal.Inference.Engine;

namespace Hadal.Server.Tests;

/// <summary>Everything at once: answers, streams that are left, bad requests, full queues, two models, an idle cache that is too small.
/// HADAL_SOAK_SECONDS makes it go on for longer.</summary>
public sealed class MixedTrafficTests
{
    private const int Rounds = 4, Together = 24;
    private static readonly string[] Prompts = ["The sea", "In winter the birds", "Once there was a king who", "Iron is", string.Join(' ', Enumerable.Repeat("whale", 60)), string.Join(' ', Enumerable.Repeat("whale", 61))];

    [Fact]
    public async Task No_answer_changes_by_a_byte_and_nothing_is_left_behind()
    {
        var limits = new TextGeneratorOptions { MaxConcurrent = 4, MaxQueued = 6, MaxBatchTokens = 48, MaxUnreadChunks = 4 };
        await using var server = await TestServer.StartAsync(null, TestModel.Source("m", options: limits, contexts: 1), TestModel.Source("chat", "deepseek-v3.1", limits, contexts: 1));
        var expected = new Dictionary<(string Model, int Prompt), string>();
        foreach (var model in new[] { "m", "chat" })
            for (var prompt = 0; prompt < Prompts.Length; prompt++) expected[(model, prompt)] = (await AnswerAsync(server, model, prompt))!;
        var blocks = await server.MetricAsync("hadal_kv_cache_blocks");
        var random = new Random(5);
        var (answered, refused) = (0, 0);
        var clock = TimeProvider.System;
        var begin = clock.GetTimestamp();
        var seconds = double.Parse(Environment.GetEnvironmentVariable("HADAL_SOAK_SECONDS") ?? "0", CultureInfo.InvariantCulture);
        for (var round = 0; round < Rounds || clock.GetElapsedTime(begin).TotalSeconds < seconds; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, Together).Select(i => (Kind: i % 6, Model: random.Next(2) == 0 ? "m" : "chat", Prompt: random.Next(Prompts.Length), Cut: random.Next(1, 12))).ToList()
                .Select(async request =>
                {
                    switch (request.Kind)
                    {
                        case 0:
                            await LeaveAsync(server, request.Model, request.Prompt, request.Cut);
                            break;
                        case 1:
                            Assert.Equal(400, (await server.FaultAsync("/v1/chat/completions", Body(request.Model, request.Prompt, "\"temperature\":-1"))).Status);
                            break;
                        case 2:
                            await CallAsync(server);
                            break;
                        default:
                            var answer = await AnswerAsync(server, request.Model, request.Prompt, isStream: request.Kind == 3);
                            if (answer is null) Interlocked.Increment(ref refused);
                            else Assert.Equal(expected[(request.Model, request.Prompt)], answer);
                            if (answer is not null) Interlocked.Increment(ref answered);
                            break;
                    }
                }));
        }

        Assert.True(answered > Rounds * 4, $"{answered} answered");
        Assert.True(refused > 0, "the queue was never full");
        while (await server.MetricAsync("hadal_requests_running") + await server.MetricAsync("hadal_requests_waiting") > 0) { }
        Assert.Equal(blocks, await server.MetricAsync("hadal_kv_cache_blocks_free"));
        await server.Server.StopAsync();
    }

    private static string Body(string model, int prompt, string fields) => $"{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"{Prompts[prompt]}\"}}],\"max_tokens\":24,{fields}}}";

    /// <summary>The answer at temperature 0; null where the queue was full.</summary>
    private static async Task<string?> AnswerAsync(TestServer server, string model, int prompt, bool isStream = false)
    {
        using var response = await server.SendAsync("/v1/chat/completions", Body(model, prompt, "\"temperature\":0,\"stream\":" + (isStream ? "true" : "false")));
        if (response.StatusCode == HttpStatusCode.ServiceUnavailable)
        {
            await TestServer.ErrorAsync(response);
            return null;
        }

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        if (!isStream) return ChatCompletionsTests.Content(JsonElement.Parse(await response.Content.ReadAsStringAsync()));
        return string.Concat((await TestServer.EventsAsync(response)).Select(chunk => chunk.GetProperty("choices")[0].GetProperty("delta").TryGetProperty("content", out var text) ? text.GetString() : ""));
    }

    private static async Task LeaveAsync(TestServer server, string model, int prompt, int lines)
    {
        using var response = await server.SendAsync("/v1/chat/completions", Body(model, prompt, "\"stream\":true"));
        if (response.StatusCode == HttpStatusCode.ServiceUnavailable) return;
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        for (var i = 0; i < lines; i++) await reader.ReadLineAsync();
    }

    private static async Task CallAsync(TestServer server)
    {
        using var response = await server.SendAsync("/v1/chat/completions", Body("chat", 0,
            "\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"parameters\":{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}}},{\"type\":\"function\",\"function\":{\"name\":\"b\",\"parameters\":{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}}}]"));
        if (response.StatusCode == HttpStatusCode.ServiceUnavailable) return;
        var call = JsonElement.Parse(await response.Content.ReadAsStringAsync()).GetProperty("choices")[0].GetProperty("message").GetProperty("tool_calls")[0].GetProperty("function");
        Assert.Equal("{}", call.GetProperty("arguments").GetString());
    }
}
