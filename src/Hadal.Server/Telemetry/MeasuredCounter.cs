using System.Diagnostics.Metrics;

namespace Hadal.Server.Telemetry;

/// <summary>A counter that listeners of its meter see, and that keeps its own sums for whoever reads text.</summary>
internal sealed class MeasuredCounter(Meter meter, string name, string unit, string description)
{
    private readonly Counter<long> _instrument = meter.CreateCounter<long>(name, unit, description);
    private readonly Dictionary<string, (KeyValuePair<string, object?>[] Labels, long Sum)> _series = [];
    private readonly Lock _gate = new();

    /// <summary>Counts.</summary>
    public void Add(long count, KeyValuePair<string, object?>[] labels)
    {
        _instrument.Add(count, labels);
        var key = PrometheusText.Labels(labels);
        lock (_gate) _series[key] = (labels, _series.GetValueOrDefault(key).Sum + count);
    }

    /// <summary>Writes what was counted.</summary>
    public void WriteTo(PrometheusText text)
    {
        var name = PrometheusText.Name(_instrument.Name, _instrument.Unit) + "_total";
        text.Family(name, "counter", _instrument.Description ?? "");
        lock (_gate)
            foreach (var (labels, sum) in _series.Values) text.Sample(name, labels, sum);
    }
}
