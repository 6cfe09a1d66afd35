using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Hadal.Cli;

/// <summary>Sends spans and measures to a collector, as OpenTelemetry's own variables say: <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>, <c>…_PROTOCOL</c>, <c>…_HEADERS</c>,
/// <c>OTEL_SERVICE_NAME</c> and the others. Without an endpoint nothing is started.</summary>
internal sealed class Telemetry : IDisposable
{
    private const string Name = "Hadal.Server";

    private readonly TracerProvider? _spans;
    private readonly MeterProvider? _measures;

    private Telemetry(bool sendsSpans, bool sendsMeasures)
    {
        if (sendsSpans) _spans = Sdk.CreateTracerProviderBuilder().AddSource(Name).AddOtlpExporter().Build();
        if (sendsMeasures) _measures = Sdk.CreateMeterProviderBuilder().AddMeter(Name).AddOtlpExporter().Build();
    }

    /// <summary>Starts what the environment asks for; null where it asks for nothing.</summary>
    public static Telemetry? FromEnvironment()
    {
        if (Variable("OTEL_SDK_DISABLED") == "true") return null;
        var spans = Asks("TRACES");
        var measures = Asks("METRICS");
        return spans || measures ? new Telemetry(spans, measures) : null;

        static bool Asks(string signal) =>
            Variable($"OTEL_{signal}_EXPORTER") is null or "otlp" && (Variable("OTEL_EXPORTER_OTLP_ENDPOINT") ?? Variable($"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")) is not null;

        static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
    }

    /// <summary>Sends what is left and stops.</summary>
    public void Dispose()
    {
        _spans?.Dispose();
        _measures?.Dispose();
    }
}
