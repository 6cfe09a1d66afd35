using Microsoft.AspNetCore.Http;

namespace Hadal.Server.Endpoints;

/// <summary><c>GET /openapi.json</c>: the routes, the fields they take and the answers they give.</summary>
internal static class OpenApi
{
    /// <summary>Sends the document.</summary>
    public static async Task ShowAsync(HttpContext http)
    {
        http.Response.ContentType = "application/json";
        var document = typeof(OpenApi).Assembly.GetManifestResourceStream("openapi.json")!;
        await using (document.ConfigureAwait(false)) await document.CopyToAsync(http.Response.Body, http.RequestAborted).ConfigureAwait(false);
    }
}
