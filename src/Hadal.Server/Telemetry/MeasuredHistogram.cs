using System.Diagnostics.Metrics;

namespace Hadal.Server.Telemetry;

/// <summary>A histogram that listeners of its meter see, and that keeps its own counts for whoever reads text.</summary>
internal sealed class MeasuredHistogram
{
    private readonly Histogram<double> _instrument;
    private readonly double[] _bounds;
    private readonly Dictionary<string, Series> _series = [];
    private readonly Lock _gate = new();

    public MeasuredHistogram(Meter meter, string name, string unit, string description, double[] bounds)
    {
        _bounds = bounds;
        _instrument = meter.CreateHistogram(name, unit, description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });
    }

    /// <summary>Counts a value.</summary>
    public void Record(double value, KeyValuePair<string, object?>[] labels)
    {
        _instrument.Record(value, labels);
        var key = PrometheusText.Labels(labels);
        lock (_gate)
        {
            if (!_series.TryGetValue(key, out var series)) _series.Add(key, series = new Series(labels, new long[_bounds.Length + 1]));
            var bucket = Array.FindIndex(_bounds, bound => value <= bound);
            series.Counts[bucket < 0 ? _bounds.Length : bucket]++;
            series.Sum += value;
        }
    }

    /// <summary>Writes what was counted.</summary>
    public void WriteTo(PrometheusText text)
    {
        var name = PrometheusText.Name(_instrument.Name, _instrument.Unit);
        text.Family(name, "histogram", _instrument.Description ?? "");
        lock (_gate)
        {
            foreach (var series in _series.Values)
            {
                var count = 0L;
                for (var i = 0; i < _bounds.Length; i++) text.Sample(name + "_bucket", [.. series.Labels, new("le", _bounds[i])], count += series.Counts[i]);
                count += series.Counts[^1];
                text.Sample(name + "_bucket", [.. series.Labels, new("le", "+Inf")], count);
                text.Sample(name + "_sum", series.Labels, series.Sum);
                text.Sample(name + "_count", series.Labels, count);
            }
        }
    }

    private sealed class Series(KeyValuePair<string, object?>[] labels, long[] counts)
    {
        public KeyValuePair<string, object?>[] Labels => labels;

        public long[] Counts => counts;

        public double Sum { get; set; }
    }
}
