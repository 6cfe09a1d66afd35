// Load on `hadal serve` over loopback: streams at a time, each with a prompt of its own; first token, time between tokens, tokens per second.
//   dotnet run -c Release bench/serving.cs -- [--model DIR|FILE] [--streams 1,4,8,32] [--prompt 128] [--generate 64] [--threads N] [--cached] [--peer LLAMA-SERVER] [--speculate off|auto|on]
// The program must be built: dotnet build src/Hadal.Cli -c Release. With --cached every prompt is sent once before, so that all but its end is found in the cache.
// With --peer the same requests go to llama-server on the same .gguf file before and after Hadal, one server at a time, so that a slow minute of the machine shows.
// Decoding is measured from the moment the last stream has its first token until the first stream ends. Rows for docs/results.md go to standard output.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

var (model, streams, promptLength, generated, threads, isCached, peer, speculation) = ((string?)null, new[] { 1, 4, 8, 32 }, 128, 64, (string?)null, false, (string?)null, "auto");
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--model": model = Path.GetFullPath(args[++i]); break;
        case "--streams": streams = [.. args[++i].Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture))]; break;
        case "--prompt": promptLength = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--generate": generated = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--threads": threads = args[++i]; break;
        case "--cached": isCached = true; break;
        case "--peer": peer = Path.GetFullPath(args[++i]); break;
        case "--speculate": speculation = args[++i]; break;
        default: Console.Error.WriteLine($"serving.cs: unknown option '{args[i]}'"); return 2;
    }
}

var root = FindRoot();
var context = promptLength + generated;
Console.WriteLine("| server | streams | prompt | first token p50, p95, p99 (ms) | between tokens p50, p95, p99 (ms) | decoding (tokens/s) | end to end (tokens/s) |");
Console.WriteLine("|---|---|---|---|---|---|---|");
if (peer is not null) await MeasureAsync("llama-server", StartPeer);
await MeasureAsync("hadal", StartHadal);
if (peer is not null) await MeasureAsync("llama-server", StartPeer);
return 0;

(Process Server, string Url) StartHadal()
{
    List<string> arguments = ["exec", Path.Combine(root, "src", "Hadal.Cli", "bin", "Release", "net10.0", "hadal.dll"), "serve"];
    if (model is not null) arguments.Add(model);
    arguments.AddRange(["--urls", "http://127.0.0.1:0", "--parallel", Number(streams.Max()), "--context", Number(context), "--speculate", speculation]);
    if (threads is not null) arguments.AddRange(["--threads", threads]);
    var server = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardError = true })!;
    string? url = null;
    while (server.StandardError.ReadLine() is { } line)
    {
        if (line.StartsWith("hadal: listening on ", StringComparison.Ordinal)) url = line["hadal: listening on ".Length..];
        else if (line.StartsWith("hadal: ready", StringComparison.Ordinal)) break;
        else Console.Error.WriteLine(line);
    }

    _ = server.StandardError.BaseStream.CopyToAsync(Stream.Null);
    return (server, url ?? throw new InvalidOperationException("the server did not start"));
}

(Process Server, string Url) StartPeer()
{
    const string url = "http://127.0.0.1:18099";
    string[] arguments = ["-m", model!, "--port", "18099", "-t", threads ?? "2", "-tb", threads ?? "2", "-np", Number(streams.Max()), "-c", Number((context + 8) * streams.Max()), "-cb", "--no-webui"];
    var server = Process.Start(new ProcessStartInfo(peer!, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
    _ = server.StandardError.BaseStream.CopyToAsync(Stream.Null);
    _ = server.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
    return (server, url);
}

static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

async Task MeasureAsync(string kind, Func<(Process Server, string Url)> start)
{
    var (server, url) = start();
    using var _ = server;
    try
    {
        using var client = new HttpClient { BaseAddress = new Uri(url), Timeout = Timeout.InfiniteTimeSpan };
        while (!await IsReadyAsync(client)) await Task.Delay(50);
        var list = JsonElement.Parse(await client.GetStringAsync("/v1/models")).GetProperty("data")[0];
        var (name, random) = (list.GetProperty("id").GetString()!.Replace("\\", "\\\\", StringComparison.Ordinal), new Random(1));

        // Code is compiled again where it runs often; what is measured comes after that.
        for (var i = 0; i < (model is null ? 6 : 1); i++) await RunAsync(kind, client, name, [.. Enumerable.Range(0, Math.Min(4, streams.Max())).Select(_ => Prompt(random))], model is null ? generated : 8);
        foreach (var count in streams)
        {
            List<int[]> prompts = [.. Enumerable.Range(0, count).Select(_ => Prompt(random))];
            if (isCached) await RunAsync(kind, client, name, prompts, 1);
            var watch = Stopwatch.StartNew();
            var runs = await RunAsync(kind, client, name, prompts, generated);
            var seconds = watch.Elapsed.TotalSeconds;
            var (begin, end) = (runs.Max(times => times[0]), runs.Min(times => times[^1]));
            var within = runs.Sum(times => times.Count(time => time > begin && time <= end));
            var between = runs.SelectMany(times => times.Zip(times.Skip(1), (a, b) => b - a)).ToList();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {kind} | {count} | {promptLength}{(isCached ? " cached" : "")} | {Points([.. runs.Select(times => times[0])])} | {Points(between)} | {(end > begin ? within * (generated / runs.Average(times => times.Count)) / (end - begin) * 1000 : 0):F1} | {count * generated / seconds:F1} |"));
        }
    }
    finally
    {
        server.Kill();
        await server.WaitForExitAsync();
    }
}

static async Task<bool> IsReadyAsync(HttpClient client)
{
    try
    {
        using var response = await client.GetAsync("/health");
        return response.IsSuccessStatusCode;
    }
    catch (HttpRequestException)
    {
        return false;
    }
}

int[] Prompt(Random random) => [.. Enumerable.Range(0, promptLength).Select(_ => random.Next(100, 500))];

// Times of the tokens of each stream in milliseconds since it was asked for.
async Task<List<double>[]> RunAsync(string kind, HttpClient client, string name, List<int[]> prompts, int maxTokens)
{
    var watch = Stopwatch.StartNew();
    return await Task.WhenAll(prompts.Select(async prompt =>
    {
        // Log-probabilities make every token an event, also one without text.
        var json = $"{{\"model\":\"{name}\",\"prompt\":[{string.Join(',', prompt)}],\"max_tokens\":{maxTokens},\"ignore_eos\":true,\"temperature\":0,\"stream\":true,\"logprobs\":0{(kind == "llama-server" ? ",\"n_predict\":" + Number(maxTokens) + ",\"cache_prompt\":true" : "")}}}";
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        var times = new List<double>();
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        while (await reader.ReadLineAsync() is { } line)
            if (line.StartsWith("data: {", StringComparison.Ordinal)) times.Add(watch.Elapsed.TotalMilliseconds);
        // llama-server sends no event for half a character; its tokens are counted as if they were spread evenly over its events.
        return times.Count == maxTokens || (kind == "llama-server" && times.Count > 1) ? times : throw new InvalidOperationException($"expected {maxTokens} tokens, found {times.Count}");
    }));
}

static string Points(List<double> values)
{
    values.Sort();
    return string.Join(", ", ((double[])[0.5, 0.95, 0.99]).Select(share => values[Math.Min(values.Count - 1, (int)(share * values.Count))].ToString("F1", CultureInfo.InvariantCulture)));
}

static string FindRoot()
{
    var folder = Directory.GetCurrentDirectory();
    while (!File.Exists(Path.Combine(folder, "Hadal.slnx")))
        folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("run serving.cs inside the repository");
    return folder;
}
