using System.Net;
using System.Text;
using System.Text.Json;

[assembly: AssemblyFixture(typeof(Hadal.Server.Tests.SharedServer))]

namespace Hadal.Server.Tests;

/// <summary>A server on a free port of this machine, and a client for it.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private TestServer(HadalServer server)
    {
        Server = server;
        Client = new HttpClient(new DocumentedAnswers(new SocketsHttpHandler { MaxResponseDrainSize = 0 })) { BaseAddress = new Uri(server.Urls[0]), Timeout = Timeout.InfiniteTimeSpan };
    }

    public HadalServer Server { get; }

    public HttpClient Client { get; }

    public static async Task<TestServer> StartAsync(ServerOptions? options, params ModelSource[] models)
    {
        var server = await HadalServer.StartAsync((options ?? new ServerOptions()) with { Urls = ["http://127.0.0.1:0"] }, models);
        await server.Loaded;
        return new TestServer(server);
    }

    /// <summary>Posts JSON.</summary>
    public Task<HttpResponseMessage> SendAsync(string path, string json, CancellationToken cancellation = default, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
    }

    /// <summary>Posts JSON and reads the answer, which must be a success.</summary>
    public async Task<JsonElement> PostAsync(string path, string json)
    {
        using var response = await SendAsync(path, json);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        return JsonElement.Parse(text);
    }

    /// <summary>Posts JSON and reads the error, whose four members must be there.</summary>
    public async Task<(int Status, JsonElement Error)> FaultAsync(string path, string json)
    {
        using var response = await SendAsync(path, json);
        return ((int)response.StatusCode, await ErrorAsync(response));
    }

    /// <summary>The error object of a response.</summary>
    public static async Task<JsonElement> ErrorAsync(HttpResponseMessage response)
    {
        var error = JsonElement.Parse(await response.Content.ReadAsStringAsync()).GetProperty("error");
        Assert.Equal(["message", "type", "param", "code"], error.EnumerateObject().Select(member => member.Name));
        return error;
    }

    /// <summary>Posts JSON and reads the data of all events; the last is <c>[DONE]</c> and left out.</summary>
    public async Task<List<JsonElement>> StreamAsync(string path, string json)
    {
        using var response = await SendAsync(path, json);
        Assert.True(response.StatusCode == HttpStatusCode.OK, await (response.StatusCode == HttpStatusCode.OK ? Task.FromResult("") : response.Content.ReadAsStringAsync()));
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        return await EventsAsync(response);
    }

    /// <summary>The data of all events of a stream.</summary>
    public static async Task<List<JsonElement>> EventsAsync(HttpResponseMessage response)
    {
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var events = new List<JsonElement>();
        var isDone = false;
        while (await reader.ReadLineAsync() is { } line)
        {
            Assert.False(isDone && line.Length > 0, "something came behind [DONE]");
            if (line is "data: [DONE]") isDone = true;
            else if (line.StartsWith("data: ", StringComparison.Ordinal)) events.Add(JsonElement.Parse(line[6..]));
            else Assert.True(line.Length == 0 || line[0] == ':', line);
        }

        foreach (var item in events) ApiDocument.Own.Check(response, item);
        Assert.True(isDone, "the stream has no [DONE]");
        return events;
    }

    /// <summary>A number of <c>/metrics</c>, summed over its labels.</summary>
    public async Task<double> MetricAsync(string name) => (await Client.GetStringAsync("/metrics")).Split('\n')
        .Where(line => line.StartsWith(name + "{", StringComparison.Ordinal))
        .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
    }
}

/// <summary>One server for all tests that change nothing: hadal-mini as it is, and with templates that reason and call tools.</summary>
public sealed class SharedServer : IAsyncLifetime
{
    internal TestServer Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await TestServer.StartAsync(
        null, TestModel.Source("hadal-mini"), TestModel.Source("chat", "deepseek-v3.1"), TestModel.Source("reasoner", "deepseek-r1"), TestModel.Source("tagged", "qwen"));

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
