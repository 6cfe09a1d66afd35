using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Hadal.Server.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Hadal.Server.Http;

/// <summary>What surrounds every route: request ids, errors in one form, doors, and measures.</summary>
internal sealed class RequestPipeline(ServerState server)
{
    private const int MaxRequestIdLength = 64;

    /// <summary>The route that answers without a key and while the server stops, behind each of the roots.</summary>
    public const string LivePath = "/health/live";

    private static readonly string[] LivePaths = [.. HadalServer.Roots.Select(root => root + LivePath)];

    /// <summary>Handles a request; what goes wrong becomes an error in OpenAI's form.</summary>
    public async Task InvokeAsync(HttpContext http, RequestDelegate next)
    {
        var started = server.Options.Clock.GetTimestamp();
        http.Response.Headers["x-request-id"] = RequestId(http);
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.OnStarting(() =>
        {
            http.Response.Headers["openai-processing-ms"] = ((long)server.Options.Clock.GetElapsedTime(started).TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
            return Task.CompletedTask;
        });
        try
        {
            var isLive = LivePaths.Contains(http.Request.Path.Value, StringComparer.OrdinalIgnoreCase);
            if (!isLive) CheckOrigin(http);
            var caller = isLive ? Caller.Anyone : Authenticate(http);
            using var scope = new RequestScope(http, server, caller);
            http.Items[typeof(RequestScope)] = scope;
            await next(http).ConfigureAwait(false);
            if (!http.Response.HasStarted && http.GetEndpoint() is null or { DisplayName: "405 HTTP Method Not Supported" }) await WriteUnknownAsync(http).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The client has gone; nobody would read an answer.
        }
        catch (Exception fault) when (!http.Response.HasStarted)
        {
            // Whatever it was, the client gets one object, and the operator's log has the cause.
            await WriteFaultAsync(http, fault).ConfigureAwait(false);
        }
    }

    /// <summary>A route that works for the caller: it is counted, bounded, measured, and refused while the server stops.</summary>
    public static RequestDelegate Work(string operation, Func<RequestScope, Task> handle) => async http =>
    {
        var scope = ScopeOf(http);
        scope.Operation = operation;
        scope.Server.Arrive(scope.Caller);
        using var record = new RequestRecord(scope, operation);
        scope.Record = record;
        try
        {
            await handle(scope).ConfigureAwait(false);
        }
        catch (Exception fault) when (!http.Response.HasStarted && scope.ErrorOf(fault, operation == "chat" ? "messages" : operation is "embeddings" or "classify" or "responses" ? "input" : "prompt") is { } error)
        {
            http.Items[typeof(ApiException)] = error;
            await JsonBody.WriteErrorAsync(http, error).ConfigureAwait(false);
        }
        finally
        {
            scope.Server.Leave(scope.Caller, scope.HasEntered, scope.SequenceCount);
            scope.Server.Metrics.RecordRequest(scope, ErrorType(http));
            record.End(ErrorType(http));
        }
    };

    /// <summary>The scope of a request.</summary>
    public static RequestScope ScopeOf(HttpContext http) => (RequestScope)http.Items[typeof(RequestScope)]!;

    /// <summary>Notes an error that a stream ended with.</summary>
    public static void NoteError(HttpContext http, ApiException error) => http.Items[typeof(ApiException)] = error;

    private static string? ErrorType(HttpContext http) =>
        http.RequestAborted.IsCancellationRequested ? "cancelled" : http.Items[typeof(ApiException)] is ApiException error ? error.Code ?? error.Type : null;

    private static async Task WriteUnknownAsync(HttpContext http)
    {
        var isMethod = http.GetEndpoint() is not null;
        await JsonBody.WriteErrorAsync(http, isMethod
            ? new ApiException(405, $"this route does not take {http.Request.Method[..Math.Min(16, http.Request.Method.Length)]}")
            : new ApiException(404, "there is no such route", code: "unknown_url")).ConfigureAwait(false);
    }

    private async Task WriteFaultAsync(HttpContext http, Exception fault)
    {
        var error = ApiException.Of(fault);
        if (error is { Status: 500, InnerException: { } cause }) server.Options.Log($"{http.Response.Headers["x-request-id"]}: {cause.GetType().Name}: {cause.Message}");
        await JsonBody.WriteErrorAsync(http, error).ConfigureAwait(false);
    }

    /// <summary>The caller's own id where it is a plain word, else one of ours.</summary>
    private static string RequestId(HttpContext http)
    {
        var given = http.Request.Headers["x-request-id"].ToString();
        var isWord = given.Length is > 0 and <= MaxRequestIdLength && given.All(unit => char.IsAsciiLetterOrDigit(unit) || unit is '-' or '_' or '.');
        return isWord ? given : "req_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));
    }

    private Caller Authenticate(HttpContext http)
    {
        if (server.Keys is not { } keys) return Caller.Anyone;
        const string scheme = "Bearer ";
        var authorization = http.Request.Headers.Authorization.ToString();
        var key = authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) ? authorization[scheme.Length..].Trim() : http.Request.Headers["x-api-key"].ToString();
        if (key.Length == 0) throw new ApiException(401, "an API key is needed: Authorization: Bearer KEY", code: "missing_api_key");
        return keys.Find(key) ?? throw new ApiException(401, "this API key is not known", code: "invalid_api_key");
    }

    /// <summary>A page of another site may neither make the browser ask (its Origin shows it) nor pretend that its own name is this server's.</summary>
    private void CheckOrigin(HttpContext http)
    {
        var host = http.Request.Host;
        if (server.Keys is null && server.Options.IsLoopbackOnly && !IsLoopbackName(host.Host)) throw new ApiException(403, "the Host header does not name this machine");
        if (http.Request.Headers.Origin is { Count: > 0 } origin && (!Uri.TryCreate(origin.ToString(), UriKind.Absolute, out var site) || !string.Equals(site.Authority, host.Value, StringComparison.OrdinalIgnoreCase)))
            throw new ApiException(403, "requests of pages from other sites are not answered");
    }

    private static bool IsLoopbackName(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));
}
