using System.IO.Compression;
using System.Net;

namespace Hadal.Server.Tests;

/// <summary>How the files of the page are served; what they do is tested in a browser.</summary>
public sealed class PageTests : IAsyncLifetime
{
    private const string Script = "_framework/app.0123456789.js";
    private readonly string _folder = Directory.CreateTempSubdirectory("hadal-page-").FullName;
    private TestServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "page", "_framework"));
        await File.WriteAllTextAsync(Path.Combine(_folder, "secret.html"), "secret");
        await File.WriteAllTextAsync(Path.Combine(_folder, "page", "notes.txt"), "not a file of a page");
        await File.WriteAllTextAsync(Path.Combine(_folder, "page", "index.html"), "<p>page</p>");
        await File.WriteAllTextAsync(Path.Combine(_folder, "page", Script), "let a = 1;");
        await using (var packed = new BrotliStream(File.Create(Path.Combine(_folder, "page", Script + ".br")), CompressionLevel.Optimal)) packed.Write("let a = 1;"u8);
        await File.WriteAllTextAsync(Path.Combine(_folder, "keys"), new string('0', 64) + "  nobody\n");
        _server = await TestServer.StartAsync(new ServerOptions { PageFolder = Path.Combine(_folder, "page"), ApiKeyFile = Path.Combine(_folder, "keys") }, TestModel.Source("hadal-mini"));
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task The_page_needs_no_key_and_may_run_its_own_scripts_only()
    {
        using var response = await _server.Client.GetAsync("/");
        Assert.Equal("<p>page</p>", await response.Content.ReadAsStringAsync());
        Assert.Equal("text/html", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal("no-cache", response.Headers.CacheControl!.ToString());
        var policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
        Assert.Contains("script-src 'self' 'wasm-unsafe-eval';", policy, StringComparison.Ordinal);
        Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);

        using var again = new HttpRequestMessage(HttpMethod.Get, "/index.html");
        again.Headers.IfNoneMatch.Add(response.Headers.ETag!);
        using var unchanged = await _server.Client.SendAsync(again);
        Assert.Equal(HttpStatusCode.NotModified, unchanged.StatusCode);

        using var api = await _server.Client.GetAsync("/v1/models");
        Assert.Equal(HttpStatusCode.Unauthorized, api.StatusCode);
    }

    [Theory]
    [InlineData("br", "br")]
    [InlineData("gzip, deflate, br;q=0.9", "br")]
    [InlineData("br;q=0", null)]
    [InlineData("gzip", null)]
    [InlineData("", null)]
    public async Task What_has_a_hash_in_its_name_is_kept_for_ever_and_sent_compressed_to_who_takes_it(string accepted, string? encoding)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/" + Script);
        if (accepted.Length > 0) request.Headers.TryAddWithoutValidation("Accept-Encoding", accepted);
        using var response = await _server.Client.SendAsync(request);
        Assert.Equal("public, max-age=31536000, immutable", response.Headers.CacheControl!.ToString());
        Assert.Equal(encoding is null ? [] : [encoding], response.Content.Headers.ContentEncoding);
        Assert.Equal("text/javascript", response.Content.Headers.ContentType!.MediaType);
        var bytes = await response.Content.ReadAsByteArrayAsync();
        if (encoding is not null)
        {
            using var plain = new MemoryStream();
            await using var packed = new BrotliStream(new MemoryStream(bytes), CompressionMode.Decompress);
            await packed.CopyToAsync(plain);
            bytes = plain.ToArray();
        }

        Assert.Equal("let a = 1;"u8, bytes);
    }

    [Fact]
    public async Task The_head_of_a_file_has_its_length_and_no_body()
    {
        using var response = await _server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/" + Script));
        Assert.Equal(10, response.Content.Headers.ContentLength);
        Assert.Empty(await response.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData("/notes.txt")]
    [InlineData("/%2e%2e/secret.html")]
    [InlineData("/..%2fsecret.html")]
    [InlineData("/_framework/../../secret.html")]
    [InlineData("/INDEX.HTML")]
    [InlineData("/_framework/app.0123456789.js.br")]
    [InlineData("/_framework")]
    public async Task Nothing_but_the_files_of_the_page_is_served(string path)
    {
        using var response = await _server.Client.GetAsync(path);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Fact]
    public async Task A_folder_without_a_page_ends_the_start_in_one_line()
    {
        var fault = await Assert.ThrowsAsync<IOException>(() => TestServer.StartAsync(new ServerOptions { PageFolder = _folder }, TestModel.Source("hadal-mini")));
        Assert.Contains("index.html", fault.Message, StringComparison.Ordinal);
    }
}
