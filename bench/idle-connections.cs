// Connections that send half a header or half a body and then nothing: what they cost the server, whether others are answered meanwhile, and when they are closed.
//   dotnet build src/Hadal.Cli -c Release
//   dotnet run -c Release bench/idle-connections.cs [-- --count 9000]
// Each end takes a file descriptor of its process: see ulimit -n.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;

var count = args is ["--count", var given] ? int.Parse(given, CultureInfo.InvariantCulture) : 9000;
string[] halves =
[
    "GET /health/live HTTP/1.1\r\nHost: local",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
];
var program = Path.Combine(Root(), "src", "Hadal.Cli", "bin", "Release", "net10.0", "hadal.dll");
using var server = Process.Start(new ProcessStartInfo(Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal) ? Environment.ProcessPath : "dotnet", ["exec", program, "serve", "--urls", "http://127.0.0.1:0", "--threads", "1"]) { RedirectStandardError = true })!;
try
{
    string? address = null;
    while (await server.StandardError.ReadLineAsync() is { } line && !line.Contains("ready", StringComparison.Ordinal))
        if (line.IndexOf("http://", StringComparison.Ordinal) is var at and >= 0) address = line[at..];
    using var client = new HttpClient { BaseAddress = new Uri(address!) };
    await AskAsync();
    await ReportAsync("before");
    var idle = new List<Socket>();
    for (var i = 0; i < count; i++)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, client.BaseAddress.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes(halves[i % halves.Length]));
        idle.Add(socket);
    }

    await ReportAsync($"{count} open");
    var watch = Stopwatch.StartNew();
    await Task.WhenAll(idle.Select(EndAsync));
    await ReportAsync(string.Create(CultureInfo.InvariantCulture, $"all closed by the server after {watch.Elapsed.TotalSeconds:F0} s"));

    async Task ReportAsync(string what)
    {
        var milliseconds = await AskAsync();
        server.Refresh();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {server.WorkingSet64 >> 20} MiB resident, another caller's answer of 8 tokens after {milliseconds:F0} ms"));
    }

    async Task<double> AskAsync()
    {
        var watch = Stopwatch.StartNew();
        using var response = await client.PostAsJsonAsync("/v1/chat/completions", new { model = "hadal-mini", max_tokens = 8, messages = new[] { new { role = "user", content = "The sea" } } });
        response.EnsureSuccessStatusCode();
        await response.Content.ReadAsStringAsync();
        return watch.Elapsed.TotalMilliseconds;
    }
}
finally
{
    server.Kill();
}

static async Task EndAsync(Socket socket)
{
    using var _ = socket;
    var buffer = new byte[256];
    try
    {
        while (await socket.ReceiveAsync(buffer) > 0) { }
    }
    catch (SocketException)
    {
        // Closed with a reset, which is closed.
    }
}

static string Root([CallerFilePath] string path = "") => Path.GetDirectoryName(Path.GetDirectoryName(path))!;
