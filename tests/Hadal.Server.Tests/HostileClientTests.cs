using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Hadal.Server.Tests;

/// <summary>Clients that speak HTTP badly on purpose, byte by byte over a socket of their own. The server answers with a status or closes, and goes on answering others.</summary>
public sealed class HostileClientTests(SharedServer shared)
{
    private const string Body = """{"model":"hadal-mini","messages":[{"role":"user","content":"x"}],"max_tokens":1}""";
    private readonly TestServer _server = shared.Server;

    [Theory]
    [InlineData("HELLO\r\n\r\n")]
    [InlineData("GET /health/live\r\n\r\n")]
    [InlineData("GET /health/live HTTP/1.1\r\n\r\n")]
    [InlineData("GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")]
    [InlineData("GET /health/live HTTP/1.1\r\nHost: localhost\r\nX Y: b\r\n\r\n")]
    [InlineData("GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: a\r\n folded\r\n\r\n")]
    [InlineData("GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n")]
    [InlineData("GET /health/live HTTP/1.1\r\nHost: localhost\r\n: b\r\n\r\n")]
    [InlineData("GET http://evil.example/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")]
    [InlineData("GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n")]
    [InlineData("GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n")]
    [InlineData("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")]
    [InlineData("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n{}")]
    [InlineData("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n{}")]
    [InlineData("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, identity\r\n\r\n{}")]
    [InlineData("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")]
    [InlineData("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n")]
    [InlineData("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n")]
    [InlineData("\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003")]
    public async Task What_is_no_request_is_refused_with_400(string request)
    {
        var answer = await ExchangeAsync(Encoding.Latin1.GetBytes(request));
        Assert.True(answer.StartsWith("HTTP/1.1 400 ", StringComparison.Ordinal), $"{request} gave {answer}");
    }

    [Theory]
    [InlineData(40_000, 1, 431)]
    [InlineData(10, 200, 431)]
    public async Task Headers_are_bounded(int length, int count, int expected)
    {
        var headers = string.Concat(Enumerable.Range(0, count).Select(i => string.Create(CultureInfo.InvariantCulture, $"X-{i}: {new string('a', length)}\r\n")));
        Assert.StartsWith($"HTTP/1.1 {expected} ", await ExchangeAsync($"GET /health/live HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_line_is_bounded() =>
        Assert.StartsWith("HTTP/1.1 414 ", await ExchangeAsync($"GET /{new string('a', 100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n"), StringComparison.Ordinal);

    [Theory]
    [InlineData("text/plain", 415)]
    [InlineData("multipart/form-data; boundary=x", 415)]
    [InlineData("application/x-www-form-urlencoded", 415)]
    [InlineData("application/jsonp", 415)]
    [InlineData("application/json; charset=utf-16", 415)]
    [InlineData("application/json; charset=\"iso-8859-1\"", 415)]
    [InlineData("application/json;;;=", 415)]
    [InlineData("application/json; charset=UTF-8", 200)]
    [InlineData("application/json; charset=\"utf-8\"", 200)]
    [InlineData("APPLICATION/JSON", 200)]
    public async Task Only_json_in_utf_8_is_read(string contentType, int expected) => Assert.StartsWith($"HTTP/1.1 {expected} ", await PostAsync(Body, contentType), StringComparison.Ordinal);

    [Fact]
    public async Task Two_requests_at_once_get_two_answers_in_order()
    {
        var one = Request(Body.Replace("hadal-mini", "first", StringComparison.Ordinal), "application/json", close: false);
        var two = Request(Body.Replace("hadal-mini", "second", StringComparison.Ordinal), "application/json", close: true);
        var answers = await ExchangeAsync(one + two);
        Assert.Equal(2, answers.Split("HTTP/1.1 404 ").Length - 1);
        Assert.True(answers.IndexOf("'first'", StringComparison.Ordinal) < answers.IndexOf("'second'", StringComparison.Ordinal), answers);
    }

    [Fact]
    public async Task A_body_that_says_two_lengths_hides_no_second_request()
    {
        // Whoever in front of the server believed the length would take the rest for the body of this request, or for one of another caller.
        var hidden = "0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        var answer = await ExchangeAsync($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {hidden.Length}\r\nTransfer-Encoding: chunked\r\n\r\n{hidden}");
        Assert.DoesNotContain("\"object\":\"list\"", answer, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_in_chunks_of_one_byte_is_one_body()
    {
        var chunks = string.Concat(Body.Select(unit => $"1;x=\"y\"\r\n{unit}\r\n"));
        var answer = await ExchangeAsync($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(10_000)]
    [InlineData(3_000_000)]
    public async Task Deep_json_is_refused_and_costs_nothing(int depth)
    {
        var answer = await PostAsync("{\"model\":" + new string('[', depth), "application/json");
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.True(answer.Length < 2000, "the error repeats what was sent");
    }

    [Theory]
    [InlineData("\"model\":\"a\\r\\nX-Evil: 1\\r\\n\\r\\n<script>\"", 404)]
    [InlineData("\"model\":\"hadal-mini\",\"user\":\"a\\r\\nX-Evil: 1\"", 200)]
    [InlineData("\"model\":\"hadal-mini\",\"a\\r\\nX-Evil: 1\":1", 400)]
    public async Task Line_ends_in_fields_stay_in_the_body(string fields, int expected)
    {
        var answer = await PostAsync($"{{{fields},\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],\"max_tokens\":1}}", "application/json");
        Assert.StartsWith($"HTTP/1.1 {expected} ", answer, StringComparison.Ordinal);
        var (head, body) = (answer.Split("\r\n\r\n")[0], answer[answer.IndexOf('{', StringComparison.Ordinal)..(answer.LastIndexOf('}') + 1)]);
        Assert.DoesNotContain("X-Evil", head, StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.Object, JsonElement.Parse(body).ValueKind);
        Assert.Contains("Content-Type: application/json", head, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \u00ff\u00fe\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("GET /v1/models/\u00ff\u00fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")]
    [InlineData("GET /v1/models/%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")]
    [InlineData("GET /v1/models/x?\u00ff=%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")]
    public async Task Bytes_that_are_no_text_are_a_fault_of_the_client(string request)
    {
        var answer = await ExchangeAsync(Encoding.Latin1.GetBytes(request));
        Assert.True(answer.StartsWith("HTTP/1.1 400 ", StringComparison.Ordinal) || answer.StartsWith("HTTP/1.1 404 ", StringComparison.Ordinal), answer);
    }

    [Fact]
    public async Task No_spelling_of_a_path_gets_around_the_key()
    {
        var folder = Directory.CreateTempSubdirectory("hadal-keys-");
        var file = Path.Combine(folder.FullName, "keys");
        await File.WriteAllTextAsync(file, $"{new string('a', 64)} someone\n");
        await using var server = await TestServer.StartAsync(new ServerOptions { ApiKeyFile = file }, TestModel.Source("hadal-mini"));
        string[] requests =
        [
            "GET /v1/../metrics", "GET /health/live/../../metrics", "GET /health/live/%2e%2e/ready", "GET //metrics", "GET /health/live/metrics", "GET /metrics?/health/live", "GET /metrics;/health/live",
            "GET /METRICS", "GET /health/live%00/../metrics", "TRACE /v1/models", "OPTIONS *", "OPTIONS /v1/models", "CONNECT localhost", "HEAD /metrics",
        ];
        foreach (var request in requests)
        {
            var answer = await ExchangeAsync(Encoding.Latin1.GetBytes($"{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), server);
            Assert.Matches("^HTTP/1.1 (400|401|404|405) ", answer);
            Assert.DoesNotContain("hadal_", answer, StringComparison.Ordinal);
        }

        Assert.StartsWith("HTTP/1.1 405 ", await ExchangeAsync(Encoding.Latin1.GetBytes("FOO /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), server), StringComparison.Ordinal);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Connections_that_say_little_or_leave_in_the_middle_keep_nobody_out()
    {
        await using var server = await TestServer.StartAsync(null, TestModel.Source("hadal-mini"));
        var slow = new List<Socket>();
        for (var i = 0; i < 200; i++)
        {
            var socket = await ConnectAsync(server);
            slow.Add(socket);
            var part = (i % 4) switch
            {
                0 => "GET /health/li",
                1 => "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-A",
                2 => $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{Body}",
                _ => "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
            };
            await socket.SendAsync(Encoding.Latin1.GetBytes(part));
        }

        Assert.StartsWith("HTTP/1.1 200 ", await ExchangeAsync(Encoding.Latin1.GetBytes(Request(Body, "application/json", close: true)), server), StringComparison.Ordinal);
        foreach (var socket in slow) socket.Dispose();
        Assert.StartsWith("HTTP/1.1 200 ", await ExchangeAsync(Encoding.Latin1.GetBytes(Request(Body, "application/json", close: true)), server), StringComparison.Ordinal);
        while (await server.MetricAsync("hadal_requests_running") + await server.MetricAsync("hadal_requests_waiting") > 0) await Task.Yield();
        await server.Server.StopAsync();
    }

    [Fact]
    public async Task Bodies_that_are_announced_and_do_not_come_take_no_room()
    {
        await using var server = await TestServer.StartAsync(null, TestModel.Source("hadal-mini"));
        var slow = new List<Socket>();
        foreach (var length in Enumerable.Repeat("Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", 20).Concat(Enumerable.Repeat("Content-Length: 10000000\r\n\r\n{", 20)))
        {
            var socket = await ConnectAsync(server);
            slow.Add(socket);
            await socket.SendAsync(Encoding.Latin1.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}"));
        }

        for (var i = 0; i < 5; i++)
            Assert.StartsWith("HTTP/1.1 200 ", await ExchangeAsync(Encoding.Latin1.GetBytes(Request(Body, "application/json", close: true)), server), StringComparison.Ordinal);
        foreach (var socket in slow) socket.Dispose();
    }

    [Theory]
    [InlineData("Content-Length: 12000000\r\n\r\n", "")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\nb71b00\r\n", "\r\n0\r\n\r\n")]
    public async Task A_client_that_reads_only_when_it_has_written_all_is_told_that_it_is_too_much(string head, string end)
    {
        // More than the system's buffers hold on either side: with nobody reading, writing would never end, and on a connection that is closed the answer is lost.
        using var socket = await ConnectAsync(_server);
        await socket.SendAsync(Encoding.Latin1.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{head}"));
        await socket.SendAsync(Encoding.Latin1.GetBytes(new string(' ', 12_000_000) + end));
        var answer = await ReadAsync(socket);
        Assert.StartsWith("HTTP/1.1 413 ", answer, StringComparison.Ordinal);
        Assert.Contains("expected at most 10485760 bytes", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_that_waits_to_be_asked_for_is_not_asked_for_where_it_is_too_large()
    {
        using var socket = await ConnectAsync(_server);
        await socket.SendAsync(Encoding.Latin1.GetBytes("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 12000000\r\n\r\n"));
        var answer = new byte[13];
        await socket.ReceiveAsync(answer);
        Assert.Equal("HTTP/1.1 413 ", Encoding.ASCII.GetString(answer));
    }

    [Fact]
    public async Task A_body_that_ends_early_is_nobody_s_answer()
    {
        using var socket = await ConnectAsync(_server);
        await socket.SendAsync(Encoding.Latin1.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {Body.Length + 1}\r\n\r\n{Body}"));
        socket.Shutdown(SocketShutdown.Send);
        Assert.DoesNotContain("200 OK", await ReadAsync(socket), StringComparison.Ordinal);
    }

    private static string Request(string body, string contentType, bool close) => string.Create(
        CultureInfo.InvariantCulture,
        $"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{(close ? "Connection: close\r\n" : "")}Content-Type: {contentType}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}");

    private Task<string> PostAsync(string body, string contentType) => ExchangeAsync(Request(body, contentType, close: true));

    private Task<string> ExchangeAsync(string request) => ExchangeAsync(Encoding.UTF8.GetBytes(request));

    /// <summary>Sends bytes and reads whatever comes until the server closes.</summary>
    private async Task<string> ExchangeAsync(byte[] request, TestServer? server = null)
    {
        using var socket = await ConnectAsync(server ?? _server);
        var reading = ReadAsync(socket);
        try
        {
            await socket.SendAsync(request);
        }
        catch (SocketException)
        {
            // It may say no and close before it has everything.
        }

        return await reading;
    }

    private static async Task<Socket> ConnectAsync(TestServer server)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, new Uri(server.Server.Urls[0]).Port);
        return socket;
    }

    private static async Task<string> ReadAsync(Socket socket)
    {
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer) is var count and > 0) answer.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }
        catch (SocketException)
        {
            // Closed with bytes unread: what was said before counts.
        }

        return answer.ToString();
    }
}
