// Load on `hadal serve` over loopback: streams at a time, each with a prompt of its own; first token, time between tokens, tokens per second.
//   dotnet run -c Release bench/serving.cs -- [--model DIR] [--streams 1,4,8,32] [--prompt 128] [--generate 64] [--threads N] [--cached]
// The program must be built: dotnet build src/Hadal.Cli -c Release. With --cached every prompt is sent once before, so that all but its end is found in the cache.
// Decoding is measured from the moment the last stream has its first token until the first stream ends. Rows for docs/results.md go to standard output.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

var (model, streams, promptLength, generated, threads, isCached) = ((string?)null, new[] { 1, 4, 8, 32 }, 128, 64, (string?)null, false);
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
        default: Console.Error.WriteLine($"serving.cs: unknown option '{args[i]}'"); return 2;
    }
}

var root = FindRoot();
var context = promptLength + generated;
List<string> arguments = ["exec", Path.Combine(root, "src", "Hadal.Cli", "bin", "Release", "net10.0", "hadal.dll"), "serve"];
if (model is not null) arguments.Add(model);
arguments.AddRange(["--urls", "http://127.0.0.1:0", "--parallel", streams.Max().ToString(CultureInfo.InvariantCulture), "--context", context.ToString(CultureInfo.InvariantCulture)]);
if (threads is not null) arguments.AddRange(["--threads", threads]);
using var server = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardError = true })!;
try
{
    string? url = null;
    while (await server.StandardError.ReadLineAsync() is { } line)
    {
        if (line.StartsWith("hadal: listening on ", StringComparison.Ordinal)) url = line["hadal: listening on ".Length..];
        else if (line.StartsWith("hadal: ready", StringComparison.Ordinal)) break;
        else Console.Error.WriteLine(line);
    }

    _ = server.StandardError.BaseStream.CopyToAsync(Stream.Null);
    using var client = new HttpClient { BaseAddress = new Uri(url ?? throw new InvalidOperationException("the server did not start")), Timeout = Timeout.InfiniteTimeSpan };
    var list = JsonElement.Parse(await client.GetStringAsync("/v1/models")).GetProperty("data")[0];
    var (name, random) = (list.GetProperty("id").GetString()!, new Random(1));

    // Code is compiled again where it runs often; what is measured comes after that.
    for (var i = 0; i < (model is null ? 6 : 1); i++) await RunAsync(client, name, [.. Enumerable.Range(0, Math.Min(4, streams.Max())).Select(_ => Prompt(random))], model is null ? generated : 8);
    Console.WriteLine("| streams | prompt | first token p50, p95, p99 (ms) | between tokens p50, p95, p99 (ms) | decoding (tokens/s) | end to end (tokens/s) |");
    Console.WriteLine("|---|---|---|---|---|---|");
    foreach (var count in streams)
    {
        List<int[]> prompts = [.. Enumerable.Range(0, count).Select(_ => Prompt(random))];
        if (isCached) await RunAsync(client, name, prompts, 1);
        var watch = Stopwatch.StartNew();
        var runs = await RunAsync(client, name, prompts, generated);
        var seconds = watch.Elapsed.TotalSeconds;
        var (begin, end) = (runs.Max(times => times[0]), runs.Min(times => times[^1]));
        var within = runs.Sum(times => times.Count(time => time > begin && time <= end));
        var between = runs.SelectMany(times => times.Zip(times.Skip(1), (a, b) => b - a)).ToList();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {count} | {promptLength}{(isCached ? " cached" : "")} | {Points([.. runs.Select(times => times[0])])} | {Points(between)} | {(end > begin ? within / (end - begin) * 1000 : 0):F1} | {count * generated / seconds:F1} |"));
    }
}
finally
{
    server.Kill();
}

return 0;

int[] Prompt(Random random) => [.. Enumerable.Range(0, promptLength).Select(_ => random.Next(100, 500))];

// Times of the tokens of each stream in milliseconds since it was asked for.
async Task<List<double>[]> RunAsync(HttpClient client, string name, List<int[]> prompts, int maxTokens)
{
    var watch = Stopwatch.StartNew();
    return await Task.WhenAll(prompts.Select(async prompt =>
    {
        // Log-probabilities make every token an event, also one without text.
        var json = $"{{\"model\":\"{name}\",\"prompt\":[{string.Join(',', prompt)}],\"max_tokens\":{maxTokens},\"ignore_eos\":true,\"temperature\":0,\"stream\":true,\"logprobs\":0}}";
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        var times = new List<double>();
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        while (await reader.ReadLineAsync() is { } line)
            if (line.StartsWith("data: {", StringComparison.Ordinal)) times.Add(watch.Elapsed.TotalMilliseconds);
        return times.Count == maxTokens ? times : throw new InvalidOperationException($"expected {maxTokens} tokens, found {times.Count}");
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
