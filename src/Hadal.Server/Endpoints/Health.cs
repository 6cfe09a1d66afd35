using Hadal.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Hadal.Server.Endpoints;

/// <summary>What tells other machines how the server is.</summary>
internal static class Health
{
    /// <summary><c>GET /health/live</c>: the process answers.</summary>
    public static Task LiveAsync(HttpContext http) => WriteAsync(http, 200, "ok");

    /// <summary><c>GET /health/ready</c>: requests would be worked on.</summary>
    public static Task ReadyAsync(HttpContext http)
    {
        var reason = RequestPipeline.ScopeOf(http).Server.WhyNotReady();
        if (reason is not null) http.Response.Headers.RetryAfter = "2";
        return WriteAsync(http, reason is null ? 200 : 503, reason ?? "ok");
    }

    /// <summary><c>GET /metrics</c>: text for Prometheus.</summary>
    public static Task MetricsAsync(HttpContext http)
    {
        var server = RequestPipeline.ScopeOf(http).Server;
        http.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return http.Response.WriteAsync(server.Metrics.Prometheus(server.Catalog), http.RequestAborted);
    }

    private static Task WriteAsync(HttpContext http, int status, string word) => JsonBody.WriteAsync(
        http,
        json =>
        {
            json.WriteStartObject();
            json.WriteString("status", word);
            json.WriteEndObject();
        },
        status);
}
