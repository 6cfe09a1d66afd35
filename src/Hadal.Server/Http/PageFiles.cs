using System.Collections.Frozen;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;

namespace Hadal.Server.Http;

/// <summary>The files of the page, each with its compressed forms. Nothing else is served: a path is looked up among those that were there at the start.</summary>
internal sealed class PageFiles
{
    /// <summary>Scripts and styles come from here only, and the page speaks to this server only. WebAssembly counts as a script. Styles within elements are set by the page's own components.</summary>
    public const string ContentPolicy =
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

    private const string Start = "index.html";

    private static readonly FrozenDictionary<string, string> MediaTypes = new Dictionary<string, string>
    {
        [".css"] = "text/css; charset=utf-8", [".html"] = "text/html; charset=utf-8", [".js"] = "text/javascript; charset=utf-8", [".json"] = "application/json", [".svg"] = "image/svg+xml", [".wasm"] = "application/wasm",
    }.ToFrozenDictionary();

    private static readonly (string Name, string Ending)[] Encodings = [("br", ".br"), ("gzip", ".gz")];

    private readonly FrozenDictionary<string, PageFile> _files;

    private PageFiles(FrozenDictionary<string, PageFile> files) => _files = files;

    /// <summary>Lists a folder.</summary>
    /// <exception cref="IOException">It cannot be read, or has no <c>index.html</c>.</exception>
    public static PageFiles Open(string folder)
    {
        if (!File.Exists(Path.Combine(folder, Start))) throw new IOException($"{folder}: expected the page with an index.html; dotnet publish src/Hadal.Web -c Release makes it");
        var files = new Dictionary<string, PageFile>(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            if (!MediaTypes.TryGetValue(Path.GetExtension(path), out var mediaType)) continue;
            var name = Path.GetRelativePath(folder, path).Replace('\\', '/');
            files.Add("/" + name, new PageFile(path, mediaType, IsNamedByContent(name) ? null : Tag(path), [.. Encodings.Where(encoding => File.Exists(path + encoding.Ending))]));
        }

        files.Add("/", files["/" + Start]);
        return new PageFiles(files.ToFrozenDictionary(StringComparer.Ordinal));
    }

    /// <summary>Answers a request for a file of the page.</summary>
    /// <returns>False where it is about something else.</returns>
    public async Task<bool> TryServeAsync(HttpContext http)
    {
        var isHead = HttpMethods.IsHead(http.Request.Method);
        if ((!isHead && !HttpMethods.IsGet(http.Request.Method)) || !_files.TryGetValue(http.Request.Path.Value ?? "", out var file)) return false;
        var headers = http.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers.ContentSecurityPolicy = ContentPolicy;
        headers["Referrer-Policy"] = "no-referrer";
        headers.Vary = "Accept-Encoding";

        // A name that changes with the content is right for ever; other files are asked for anew and mostly found unchanged.
        headers.CacheControl = file.Tag is null ? "public, max-age=31536000, immutable" : "no-cache";
        var encoding = file.Encodings.FirstOrDefault(encoding => Accepts(http.Request, encoding.Name));
        if (file.Tag is { } tag)
        {
            headers.ETag = $"\"{tag}{encoding.Ending}\"";
            if (http.Request.Headers.IfNoneMatch.ToString().Contains(headers.ETag.ToString(), StringComparison.Ordinal))
            {
                http.Response.StatusCode = StatusCodes.Status304NotModified;
                return true;
            }
        }

        var path = file.Path + encoding.Ending;
        if (encoding.Name is not null) headers.ContentEncoding = encoding.Name;
        http.Response.ContentType = file.MediaType;
        http.Response.ContentLength = new FileInfo(path).Length;
        if (!isHead) await http.Response.SendFileAsync(path, http.RequestAborted).ConfigureAwait(false);
        return true;
    }

    private static bool Accepts(HttpRequest request, string encoding)
    {
        foreach (var item in request.Headers.AcceptEncoding.ToString().Split(','))
        {
            var parts = item.Split(';', 2, StringSplitOptions.TrimEntries);
            if (parts[0].Equals(encoding, StringComparison.OrdinalIgnoreCase)) return parts.Length == 1 || parts[1].Replace(" ", "", StringComparison.Ordinal) is not ("q=0" or "q=0.0" or "q=0.00" or "q=0.000");
        }

        return false;
    }

    /// <summary>Whether the name holds a hash of the content, as the .NET SDK writes it: <c>name.0123456789.wasm</c>.</summary>
    private static bool IsNamedByContent(string name)
    {
        const int hashLength = 10;
        if (!name.StartsWith("_framework/", StringComparison.Ordinal)) return false;
        var parts = name.Split('.');
        return parts.Length >= 3 && parts[^2].Length == hashLength && parts[^2].All(unit => char.IsAsciiDigit(unit) || char.IsAsciiLetterLower(unit));
    }

    private static string Tag(string path) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)).AsSpan(0, 12));

    /// <param name="Path">Where it lies.</param>
    /// <param name="MediaType">What it is.</param>
    /// <param name="Tag">A hash of its content; null where its name has one.</param>
    /// <param name="Encodings">Compressed forms beside it, the shortest first.</param>
    private sealed record PageFile(string Path, string MediaType, string? Tag, (string Name, string Ending)[] Encodings);
}
