using System.Diagnostics.Metrics;
using Hadal.Inference.Engine;
using Hadal.Server.Http;

namespace Hadal.Server.Telemetry;

/// <summary>Measures in the names of OpenTelemetry's conventions for generative models (1.41), as instruments of the meter <c>Hadal.Server</c>, and as text for Prometheus.</summary>
/// <remarks>Labels come from closed sets only: operations, models that are served, kinds of errors.</remarks>
internal sealed class ServerMetrics : IDisposable
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Hadal.Server";

    private static readonly double[] DurationBounds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
    private static readonly double[] FirstTokenBounds = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
    private static readonly double[] PerTokenBounds = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
    private static readonly double[] TokenBounds = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];

    private readonly Meter _meter = new(MeterName);
    private readonly MeasuredHistogram _duration;
    private readonly MeasuredHistogram _firstToken;
    private readonly MeasuredHistogram _perToken;
    private readonly MeasuredHistogram _queue;
    private readonly MeasuredHistogram _tokens;
    private readonly MeasuredCounter _cached;
    private readonly MeasuredCounter _guessed;
    private readonly MeasuredCounter _accepted;

    public ServerMetrics()
    {
        _duration = new(_meter, "gen_ai.server.request.duration", "s", "From a request's arrival to the end of its answer.", DurationBounds);
        _firstToken = new(_meter, "gen_ai.server.time_to_first_token", "s", "From a request's arrival in the engine to its first token.", FirstTokenBounds);
        _perToken = new(_meter, "gen_ai.server.time_per_output_token", "s", "Between tokens after the first, mean of an answer.", PerTokenBounds);
        _queue = new(_meter, "hadal.server.queue.duration", "s", "From a request's arrival in the engine until it was taken up.", DurationBounds);
        _tokens = new(_meter, "gen_ai.client.token.usage", "{token}", "Tokens of a request.", TokenBounds);
        _cached = new(_meter, "hadal.server.cache.hits", "{token}", "Tokens of prompts that were found in the cache.");
        _guessed = new(_meter, "hadal.server.speculation.guesses", "{token}", "Tokens that were guessed.");
        _accepted = new(_meter, "hadal.server.speculation.accepted", "{token}", "Guesses that were right; each saved a step.");
    }

    /// <summary>Counts a request that has ended.</summary>
    public void RecordRequest(RequestScope scope, string? error) =>
        _duration.Record(scope.Server.Options.Clock.GetElapsedTime(scope.Started).TotalSeconds, Labels(scope, ("error.type", error)));

    /// <summary>Counts an answer that has ended.</summary>
    public void RecordAnswer(RequestScope scope, GenerationUsage usage, int completionTokens)
    {
        var labels = Labels(scope);
        _queue.Record(usage.QueueTime.TotalSeconds, labels);
        if (usage.TimeToFirstToken > TimeSpan.Zero) _firstToken.Record(usage.TimeToFirstToken.TotalSeconds, labels);
        if (usage.CompletionTokens > 1) _perToken.Record((usage.TotalTime - usage.TimeToFirstToken).TotalSeconds / (usage.CompletionTokens - 1), labels);
        _tokens.Record(usage.PromptTokens, Labels(scope, ("gen_ai.token.type", "input")));
        _cached.Add(usage.CachedTokens, labels);
        _guessed.Add(usage.GuessedTokens, labels);
        _accepted.Add(usage.AcceptedTokens, labels);
        _tokens.Record(completionTokens, Labels(scope, ("gen_ai.token.type", "output")));
    }

    /// <summary>Everything measured so far as Prometheus reads it.</summary>
    public string Prometheus(ModelCatalog catalog)
    {
        var text = new PrometheusText();
        foreach (var histogram in (MeasuredHistogram[])[_duration, _firstToken, _perToken, _queue, _tokens]) histogram.WriteTo(text);
        foreach (var counter in (MeasuredCounter[])[_cached, _guessed, _accepted]) counter.WriteTo(text);
        foreach (var (name, help, read) in (ReadOnlySpan<(string, string, Func<EngineStatus, double>)>)
            [
                ("hadal_requests_running", "Requests that are computed.", status => status.RunningCount),
                ("hadal_requests_waiting", "Requests that wait for a place.", status => status.WaitingCount),
                ("hadal_kv_cache_blocks_free", "Blocks of the cache that nobody holds.", status => status.FreeBlockCount),
                ("hadal_kv_cache_blocks", "Blocks of the cache.", status => status.BlockCount),
            ])
        {
            text.Family(name, "gauge", help);
            foreach (var model in catalog.Ready) text.Sample(name, [new("model", model.Name)], read(model.Generator.Status));
        }

        return text.ToString();
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    private static KeyValuePair<string, object?>[] Labels(RequestScope scope, (string Name, string? Value)? extra = null)
    {
        var labels = new List<KeyValuePair<string, object?>> { new("gen_ai.operation.name", scope.Operation), new("gen_ai.provider.name", "hadal") };
        if (scope.Model is { } model) labels.Add(new("gen_ai.request.model", model));
        if (extra is ({ } name, { } value)) labels.Add(new(name, value));
        return [.. labels];
    }
}
