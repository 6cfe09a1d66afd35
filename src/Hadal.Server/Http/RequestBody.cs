using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Hadal.Server.Http;

/// <summary>Reads the JSON of a request. The size is bounded by the server's limit before and while it is read.</summary>
internal static class RequestBody
{
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 64, AllowDuplicateProperties = false };

    /// <summary>Reads a body, takes a place for the request once it is whole, and checks it.</summary>
    /// <exception cref="OperationCanceledException">The request was ended.</exception>
    /// <exception cref="ApiException">It is too large or did not come in time, there is no room for it or no place for the request, the server stops, it is not JSON in UTF-8, has a key twice, or is no object.</exception>
    public static async Task<JsonDocument> ReadAsync(RequestScope scope)
    {
        var request = scope.Http.Request;
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type) || !type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
            throw new ApiException(415, "Content-Type: expected application/json");
        if (type.Charset.Length > 0 && !type.Charset.AsSpan().Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase)) throw new ApiException(415, "Content-Type: expected the charset utf-8");
        if (request.Headers.ContentEncoding is { Count: > 0 } encoding && encoding != "identity")
            throw new ApiException(415, "Content-Encoding: expected none, bodies are read as they are");
        if (request.ContentLength > scope.Server.Options.MaxBodyBytes) throw TooLarge(scope, FormattableString.Invariant($"{request.ContentLength}"));
        var result = await ReadAllAsync(scope).ConfigureAwait(false);
        try
        {
            scope.Enter();
            return Parse(scope, result.Buffer);
        }
        finally
        {
            request.BodyReader.AdvanceTo(result.Buffer.End);
        }
    }

    private static async Task<ReadResult> ReadAllAsync(RequestScope scope)
    {
        var options = scope.Server.Options;
        using var tooLate = new CancellationTokenSource(options.BodyTimeout, options.Clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(scope.Cancel.Token, scope.Server.Draining, tooLate.Token);
        try
        {
            var reader = scope.Http.Request.BodyReader;
            while (true)
            {
                // Room is taken for what has come, not for what was announced: a body that never comes keeps nobody out.
                var result = await reader.ReadAsync(either.Token).ConfigureAwait(false);
                var isHeld = false;
                try
                {
                    if (result.Buffer.Length > options.MaxBodyBytes) throw TooLarge(scope, FormattableString.Invariant($"{result.Buffer.Length} or more"));
                    scope.HoldBody(result.Buffer.Length);
                    isHeld = true;
                }
                finally
                {
                    if (!isHeld) reader.AdvanceTo(result.Buffer.End);
                }

                if (result.IsCompleted) return result;
                reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            }
        }
        catch (OperationCanceledException) when (!scope.Cancel.IsCancellationRequested)
        {
            if (scope.Server.IsDraining) throw ServerState.IsStopping();
            var length = scope.Http.Request.ContentLength is { } announced ? FormattableString.Invariant($"{announced} bytes") : "its end";
            throw new ApiException(
                408, FormattableString.Invariant($"the body: expected {length} within {options.BodyTimeout.TotalSeconds:0.###} s, found {scope.BodyBytes} bytes; send it without pauses, or over a faster connection"), code: "request_timeout");
        }
        catch (IOException fault) when (fault is not BadHttpRequestException)
        {
            // So the host reports, among others, a chunk whose length no number can hold.
            throw new ApiException(400, "the body does not follow HTTP: it ended early, or its chunks have no length that can be read", cause: fault);
        }
    }

    private static ApiException TooLarge(RequestScope scope, string found)
    {
        // What is still on its way is not waited for to the end, so that nothing can follow on this connection.
        scope.Http.Response.Headers.Connection = "close";
        return new ApiException(
            413, FormattableString.Invariant($"the body: expected at most {scope.Server.Options.MaxBodyBytes} bytes, found {found}; send less, or have the limit raised (hadal serve --max-body, ServerOptions.MaxBodyBytes)"),
            code: "request_too_large");
    }

    private static JsonDocument Parse(RequestScope scope, in ReadOnlySequence<byte> body)
    {
        var bytes = body.ToArray();
        scope.Record?.Read(bytes);
        if (!Utf8.IsValid(bytes)) throw ApiException.Invalid(null, "the body is not UTF-8");
        JsonDocument? document = null;
        try
        {
            CheckSurrogates(bytes);
            document = JsonDocument.Parse(bytes, Options);
            if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        }
        catch (JsonException fault)
        {
            throw ApiException.Invalid(null, $"the body is not the JSON expected: {fault.Message}");
        }

        document.Dispose();
        throw ApiException.Invalid(null, "the body is expected to be a JSON object");
    }

    /// <summary>Refuses escapes that stand for half a character; whoever reads the texts later need not think of them.</summary>
    private static void CheckSurrogates(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IndexOf("\\ud"u8) < 0 && bytes.IndexOf("\\uD"u8) < 0) return;
        var reader = new Utf8JsonReader(bytes);
        while (reader.Read())
        {
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName) || !reader.ValueIsEscaped) continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException)
            {
                throw ApiException.Invalid(null, "the body has half of a surrogate pair; expected Unicode text");
            }
        }
    }
}
