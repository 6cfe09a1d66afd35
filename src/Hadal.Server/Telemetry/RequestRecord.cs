using System.Buffers;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Hadal.Inference.Engine;
using Hadal.Server.Http;

namespace Hadal.Server.Telemetry;

/// <summary>What a request asked for and what became of it: a span of the source <c>Hadal.Server</c> in the names of OpenTelemetry's conventions for generative models (1.41), and a
/// line of JSON for the operator's log.</summary>
/// <remarks>Neither holds text of a prompt or an answer, but for the log where the operator asked for it. Answers of one request may be noted from several threads.</remarks>
internal sealed class RequestRecord : IDisposable
{
    /// <summary>Name of the source of spans.</summary>
    public const string SourceName = "Hadal.Server";

    /// <summary>Bytes of a body that the log takes at most.</summary>
    private const int MostLoggedBytes = 64 << 10;

    private static readonly ActivitySource Source = new(SourceName);

    private readonly RequestScope _scope;
    private readonly string _operation;
    private readonly Activity? _span;
    private readonly List<string> _finishReasons = [];
    private readonly Lock _gate = new();
    private string? _body;
    private int _promptTokens;
    private int _cachedTokens;
    private int _completionTokens;
    private int _reasoningTokens;
    private TimeSpan _queue;
    private TimeSpan? _firstToken;

    /// <summary>Begins the span, within that of the caller where the request names one.</summary>
    /// <param name="scope">The request.</param>
    /// <param name="operation">What it is about.</param>
    public RequestRecord(RequestScope scope, string operation)
    {
        (_scope, _operation) = (scope, operation);
        var headers = scope.Http.Request.Headers;
        var parent = Activity.Current?.Context ?? (ActivityContext.TryParse(headers.TraceParent, headers.TraceState, isRemote: true, out var remote) ? remote : default);
        _span = Source.StartActivity(operation, ActivityKind.Server, parent);
        _span?.SetTag("gen_ai.operation.name", operation).SetTag("gen_ai.provider.name", "hadal").SetTag("hadal.request.id", scope.Http.Response.Headers["x-request-id"].ToString());
    }

    /// <summary>Notes the body, if the operator wants prompts in the log.</summary>
    public void Read(ReadOnlySpan<byte> body)
    {
        if (_scope.Server.Options is { RequestLog: not null, LogPrompts: true }) _body = Encoding.UTF8.GetString(body[..Math.Min(body.Length, MostLoggedBytes)]);
    }

    /// <summary>Notes what is asked for.</summary>
    /// <param name="model">The model's name.</param>
    /// <param name="options">How it shall answer; null where it does not write.</param>
    /// <param name="choices">Answers wanted.</param>
    /// <param name="isStream">Whether the answer is streamed.</param>
    public void Asked(string model, GenerationOptions? options = null, int choices = 1, bool isStream = false)
    {
        if (_span is null) return;
        _span.DisplayName = $"{_operation} {model}";
        _span.SetTag("gen_ai.request.model", model).SetTag("gen_ai.response.model", model);
        if (options is null) return;
        _span.SetTag("gen_ai.request.temperature", options.Sampling.Temperature).SetTag("gen_ai.request.top_p", options.Sampling.TopP).SetTag("gen_ai.request.stream", isStream);
        if (options.Sampling.TopK > 0) _span.SetTag("gen_ai.request.top_k", options.Sampling.TopK);
        if (options.MaxTokens is { } maxTokens) _span.SetTag("gen_ai.request.max_tokens", maxTokens);
        if (options.Sampling.Seed is { } seed) _span.SetTag("gen_ai.request.seed", unchecked((long)seed));
        if (options.Sampling.FrequencyPenalty != 0) _span.SetTag("gen_ai.request.frequency_penalty", options.Sampling.FrequencyPenalty);
        if (options.Sampling.PresencePenalty != 0) _span.SetTag("gen_ai.request.presence_penalty", options.Sampling.PresencePenalty);
        if (choices > 1) _span.SetTag("gen_ai.request.choice.count", choices);
    }

    /// <summary>Notes an answer that has ended.</summary>
    /// <param name="usage">What the engine counted; of an answer of several generations, that of the first.</param>
    /// <param name="completionTokens">Tokens of the answer.</param>
    /// <param name="reasoningTokens">Of them, those that were thought.</param>
    /// <param name="finishReason">Why it ended; null for an embedding.</param>
    public void Answered(GenerationUsage usage, int completionTokens, int reasoningTokens, string? finishReason)
    {
        lock (_gate)
        {
            _promptTokens += usage.PromptTokens;
            _cachedTokens += usage.CachedTokens;
            _completionTokens += completionTokens;
            _reasoningTokens += reasoningTokens;
            if (finishReason is not null) _finishReasons.Add(finishReason);
            if (usage.QueueTime > _queue) _queue = usage.QueueTime;
            if (usage.TimeToFirstToken > TimeSpan.Zero && !(_firstToken <= usage.TimeToFirstToken)) _firstToken = usage.TimeToFirstToken;
        }
    }

    /// <summary>Ends the span and writes the line.</summary>
    /// <param name="error">What the request ended with, or null.</param>
    public void End(string? error)
    {
        EndSpan(error);
        if (_scope.Server.Options.RequestLog is { } log) log(Line(error));
    }

    /// <inheritdoc/>
    public void Dispose() => _span?.Dispose();

    private void EndSpan(string? error)
    {
        if (_span is null) return;
        _span.SetTag("gen_ai.usage.input_tokens", _promptTokens).SetTag("gen_ai.usage.output_tokens", _completionTokens).SetTag("gen_ai.usage.cache_read.input_tokens", _cachedTokens);
        if (_reasoningTokens > 0) _span.SetTag("gen_ai.usage.reasoning.output_tokens", _reasoningTokens);
        if (_finishReasons.Count > 0) _span.SetTag("gen_ai.response.finish_reasons", _finishReasons.ToArray());
        if (_firstToken is { } firstToken) _span.SetTag("gen_ai.response.time_to_first_chunk", firstToken.TotalSeconds);
        _span.SetTag("hadal.queue.duration", _queue.TotalSeconds).SetTag("http.response.status_code", _scope.Http.Response.StatusCode);
        if (error is not null) _span.SetTag("error.type", error).SetStatus(ActivityStatusCode.Error);
        _span.Stop();
    }

    private string Line(string? error)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer, JsonBody.Options))
        {
            json.WriteStartObject();
            json.WriteString("time", _scope.Server.Options.Clock.GetUtcNow());
            json.WriteString("request_id", _scope.Http.Response.Headers["x-request-id"].ToString());
            if (_span is not null) json.WriteString("trace_id", _span.TraceId.ToHexString());
            json.WriteString("operation", _operation);
            json.WriteString("model", _scope.Model);
            json.WriteString("key", _scope.Caller.Name);
            json.WriteNumber("status", _scope.Http.Response.StatusCode);
            json.WriteString("error", error);
            json.WriteNumber("prompt_tokens", _promptTokens);
            json.WriteNumber("cached_tokens", _cachedTokens);
            json.WriteNumber("completion_tokens", _completionTokens);
            json.WriteStartArray("finish_reasons");
            foreach (var reason in _finishReasons) json.WriteStringValue(reason);
            json.WriteEndArray();
            json.WriteNumber("queue_ms", Math.Round(_queue.TotalMilliseconds, 3));
            if (_firstToken is { } firstToken) json.WriteNumber("first_token_ms", Math.Round(firstToken.TotalMilliseconds, 3));
            json.WriteNumber("duration_ms", Math.Round(_scope.Server.Options.Clock.GetElapsedTime(_scope.Started).TotalMilliseconds, 3));
            if (_body is not null) json.WriteString("body", _body);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
