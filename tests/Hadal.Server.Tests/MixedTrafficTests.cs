using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Tests;

namespace Hadal.Server.Tests;

/// <summary>Everything at once: answers, streams that are left, bad requests, full queues, two models, adapters that come and go, guessed tokens, an idle cache that is too small.
/// HADAL_SOAK_SECONDS makes it go on for longer; then memory has to stay where it was after a tenth of the time.</summary>
public sealed class MixedTrafficTests : IDisposable
{
    /// <summary>Growth of memory that counts as none, in bytes: the run time keeps and gives back pages as it likes.</summary>
    private const long FlatBytes = 48L << 20;

    private static readonly string[] Models = ["m", "first", "second", "chat"];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    private const int Rounds = 4, Together = 24;
    private static readonly string[] Prompts = ["The sea", "In winter the birds", "Once there was a king who", "Iron is", string.Join(' ', Enumerable.Repeat("whale", 60)), string.Join(' ', Enumerable.Repeat("whale", 61))];

    [Fact]
    public async Task No_answer_changes_by_a_byte_and_nothing_is_left_behind()
    {
        var limits = new TextGeneratorOptions { MaxConcurrent = 4, MaxQueued = 6, MaxBatchTokens = 48, MaxUnreadChunks = 4 };
        var path = Path.Combine(SharedData.RepositoryRoot, "models", "hadal-mini");
        var (given, passing) = (_folder.CreateSubdirectory("given").FullName, _folder.CreateSubdirectory("passing").FullName);
        var adapters = new Dictionary<string, string> { ["first"] = TestAdapter.Write(given, "first", 1) };
        var source = new ModelSource("m", () => ServedModel.Open("m", path, limits, new EngineOptions { ThreadCount = 2, MaxSequences = 1 }, adapters), [.. adapters.Keys]);
        TestAdapter.Write(passing, "second", 2);
        await using var server = await TestServer.StartAsync(new ServerOptions { AdapterFolder = passing }, source, TestModel.Source("chat", "deepseek-v3.1", limits, contexts: 1));
        TestAdapter.Write(passing, "first", 1);
        var expected = new Dictionary<(string Model, int Prompt), string>();
        foreach (var model in Models)
            for (var prompt = 0; prompt < Prompts.Length; prompt++) expected[(model, prompt)] = (await AnswerAsync(server, model, prompt))!;
        Assert.Equal(3, Models[..3].Select(model => expected[(model, 0)]).Distinct().Count());
        var blocks = await server.MetricAsync("hadal_kv_cache_blocks");
        (long Managed, long Resident)? before = null;
        var sent = 0L;
        var random = new Random(5);
        var (answered, refused, swapped) = (0, 0, 0);
        var clock = TimeProvider.System;
        var begin = clock.GetTimestamp();
        var seconds = double.Parse(Environment.GetEnvironmentVariable("HADAL_SOAK_SECONDS") ?? "0", CultureInfo.InvariantCulture);
        for (var round = 0; round < Rounds || clock.GetElapsedTime(begin).TotalSeconds < seconds; round++)
        {
            if (before is null && seconds > 0 && clock.GetElapsedTime(begin).TotalSeconds > seconds / 10) before = Memory();
            sent += Together;
            var swap = SwapAsync(server, expected, random.Next(Prompts.Length));
            await Task.WhenAll(Enumerable.Range(0, Together).Select(i => (Kind: i % 6, Model: Models[random.Next(Models.Length)], Prompt: random.Next(Prompts.Length), Cut: random.Next(1, 12))).ToList()
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
                        case 5:
                            await AskPassingAsync(server, expected, request.Prompt);
                            break;
                        default:
                            var answer = await AnswerAsync(server, request.Model, request.Prompt, isStream: request.Kind == 3);
                            if (answer is null) Interlocked.Increment(ref refused);
                            else Assert.Equal(expected[(request.Model, request.Prompt)], answer);
                            if (answer is not null) Interlocked.Increment(ref answered);
                            break;
                    }
                }));
            swapped += await swap;
        }

        Assert.True(answered > Rounds * 4, $"{answered} answered");
        Assert.True(refused > 0, "the queue was never full");
        Assert.True(swapped > 0, "no adapter that came and went has answered");
        while (await server.MetricAsync("hadal_requests_running") + await server.MetricAsync("hadal_requests_waiting") > 0) { }
        Assert.Equal(blocks, await server.MetricAsync("hadal_kv_cache_blocks_free"));
        await server.Server.StopAsync();
        if (before is not { } start) return;
        var end = Memory();
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{seconds} s: {sent} requests, {answered} answers compared, {refused} refused by a full queue, {swapped} answers of adapters that came and went compared; managed {start.Managed >> 10} then {end.Managed >> 10} KiB, resident {start.Resident >> 20} then {end.Resident >> 20} MiB"));
        Assert.InRange(end.Managed - start.Managed, long.MinValue, FlatBytes);
        Assert.InRange(end.Resident - start.Resident, long.MinValue, FlatBytes);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static (long Managed, long Resident) Memory()
    {
        var managed = GC.GetTotalMemory(forceFullCollection: true);
        using var process = Process.GetCurrentProcess();
        return (managed, process.WorkingSet64);
    }

    /// <summary>Loads an adapter over HTTP, asks for it, puts another one in its place, asks again and unloads it, while others are answered.</summary>
    /// <returns>Answers that were compared.</returns>
    private static async Task<int> SwapAsync(TestServer server, Dictionary<(string Model, int Prompt), string> expected, int prompt)
    {
        var count = 0;
        foreach (var name in (string[])["first", "second"])
        {
            await LoadAsync(server, "passing", name);
            if (await AnswerAsync(server, "passing", prompt) is not { } answer) continue;
            Assert.Equal(expected[(name, prompt)], answer);
            count++;
        }

        using var unloaded = await server.SendAsync("/v1/unload_lora_adapter", """{"lora_name":"passing"}""");
        Assert.Equal(HttpStatusCode.OK, unloaded.StatusCode);
        Assert.Equal(404, (await server.FaultAsync("/v1/chat/completions", Body("passing", prompt, "\"temperature\":0"))).Status);
        return count;
    }

    /// <summary>Asks for the adapter that comes and goes: the answer is of one of the two that have the name by turns, or there is none.</summary>
    private static async Task AskPassingAsync(TestServer server, Dictionary<(string Model, int Prompt), string> expected, int prompt)
    {
        using var response = await server.SendAsync("/v1/chat/completions", Body("passing", prompt, "\"temperature\":0"));
        if (response.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.NotFound) return;
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        Assert.Contains(ChatCompletionsTests.Content(JsonElement.Parse(text)), new[] { expected[("first", prompt)], expected[("second", prompt)] });
    }

    private static async Task LoadAsync(TestServer server, string name, string folder)
    {
        using var loaded = await server.SendAsync("/v1/load_lora_adapter", $"{{\"lora_name\":\"{name}\",\"lora_path\":\"{folder}\"}}");
        Assert.True(loaded.StatusCode == HttpStatusCode.OK, await loaded.Content.ReadAsStringAsync());
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
