using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Hadal.Cli.Tests;

/// <summary>What stands at the other end of OpenTelemetry's exporter: takes what a collector takes, over HTTP or gRPC, and keeps it.</summary>
internal sealed class Collector : IAsyncDisposable
{
    /// <summary>In front of a message of gRPC: whether it is compressed, and its length.</summary>
    private const int GrpcHeadLength = 5;

    private readonly WebApplication _app;
    private readonly bool _isGrpc;
    private readonly ConcurrentQueue<(string Path, byte[] Body)> _received = [];

    private Collector(WebApplication app, bool isGrpc) => (_app, _isGrpc) = (app, isGrpc);

    /// <summary>For <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>.</summary>
    public string Url => _app.Urls.First();

    /// <summary>Bodies of <c>ExportTraceServiceRequest</c>.</summary>
    public IEnumerable<WireMessage> Traces => Received("/v1/traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export");

    /// <summary>Bodies of <c>ExportMetricsServiceRequest</c>.</summary>
    public IEnumerable<WireMessage> Metrics => Received("/v1/metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");

    /// <summary>All bytes that came.</summary>
    public string Everything => string.Concat(_received.Select(item => Encoding.Latin1.GetString(item.Body)));

    public static async Task<Collector> StartAsync(bool isGrpc)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = isGrpc ? HttpProtocols.Http2 : HttpProtocols.Http1));
        var app = builder.Build();
        var collector = new Collector(app, isGrpc);
        app.Run(collector.TakeAsync);
        await app.StartAsync();
        return collector;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext http)
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        _received.Enqueue((http.Request.Path.Value!, body.ToArray()[(_isGrpc ? GrpcHeadLength : 0)..]));
        http.Response.ContentType = _isGrpc ? "application/grpc" : "application/x-protobuf";
        if (!_isGrpc) return;
        await http.Response.Body.WriteAsync(new byte[GrpcHeadLength], http.RequestAborted);
        http.Response.AppendTrailer("grpc-status", "0");
    }

    private IEnumerable<WireMessage> Received(string httpPath, string grpcPath) =>
        _received.Where(item => item.Path == (_isGrpc ? grpcPath : httpPath)).Select(item => new WireMessage(item.Body));
}

/// <summary>A message of protocol buffers, whose fields are known by their numbers.</summary>
internal sealed class WireMessage
{
    private readonly List<(int Number, ulong Value, byte[] Bytes)> _fields = [];

    public WireMessage(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var key = Varint(ref bytes);
            var (number, value, content) = ((int)(key >> 3), 0UL, Array.Empty<byte>());
            switch (key & 7)
            {
                case 0:
                    value = Varint(ref bytes);
                    break;
                case 1:
                    value = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
                    bytes = bytes[8..];
                    break;
                case 2:
                    var length = (int)Varint(ref bytes);
                    content = bytes[..length].ToArray();
                    bytes = bytes[length..];
                    break;
                case 5:
                    value = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
                    bytes = bytes[4..];
                    break;
                default:
                    throw new FormatException($"no kind of field: {key & 7}");
            }

            _fields.Add((number, value, content));
        }
    }

    public ulong Number(int field) => _fields.LastOrDefault(item => item.Number == field).Value;

    public double Real(int field) => BitConverter.UInt64BitsToDouble(Number(field));

    public byte[] Bytes(int field) => _fields.LastOrDefault(item => item.Number == field).Bytes ?? [];

    public string Text(int field) => Encoding.UTF8.GetString(Bytes(field));

    public IEnumerable<WireMessage> Messages(int field) => _fields.Where(item => item.Number == field).Select(item => new WireMessage(item.Bytes));

    /// <summary>Messages at the end of a path of fields.</summary>
    public IEnumerable<WireMessage> Messages(params ReadOnlySpan<int> path)
    {
        IEnumerable<WireMessage> at = [this];
        foreach (var field in path) at = at.SelectMany(message => message.Messages(field)).ToList();
        return at;
    }

    /// <summary>Pairs of a name and a value, as OpenTelemetry has them.</summary>
    public Dictionary<string, string> Attributes(int field) => Messages(field).ToDictionary(pair => pair.Text(1), pair => Shown(pair.Messages(2).First()));

    private static string Shown(WireMessage value) => value._fields[0].Number switch
    {
        1 => value.Text(1),
        3 => ((long)value.Number(3)).ToString(CultureInfo.InvariantCulture),
        4 => value.Real(4).ToString("R", CultureInfo.InvariantCulture),
        5 => string.Join(',', value.Messages(5, 1).Select(Shown)),
        _ => value.Number(2) == 1 ? "true" : "false",
    };

    private static ulong Varint(ref ReadOnlySpan<byte> bytes)
    {
        var value = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            var next = bytes[0];
            bytes = bytes[1..];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
    }
}
