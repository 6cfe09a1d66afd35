using System.Globalization;
using System.Text;
using Hadal.Cli.Hub;

namespace Hadal.Cli.Tests.Hub;

/// <summary>Hubs that cut, stall, lie and lead astray.</summary>
public sealed class HostileHubTests : PullTests
{
    private const int Large = (17 << 20) + 5, Segments = 2;

    [Fact]
    public void A_large_file_comes_in_ranges_at_once()
    {
        GiveWeights(Large);
        Assert.Equal(0, Pull().ExitCode);
        AssertPulled();
        var ranges = Hub.Downloads.Where(request => request.Target.EndsWith("safetensors", StringComparison.Ordinal)).Select(request => request.Range!.Value).Order().ToList();
        Assert.Equal(Segments, ranges.Count);
        Assert.Equal([(0, (16 << 20) - 1), (16 << 20, Large - 1)], ranges);
    }

    [Fact]
    public void A_connection_that_is_cut_goes_on_where_it_stopped()
    {
        GiveWeights(Large);
        var cuts = 7;
        Hub.Answer = request => request.Range is { To: > 1000 } && Interlocked.Decrement(ref cuts) >= 0 ? Hub.FileReply(request) with { CutAfter = (1 << 20) + 7 } : null;
        var outcome = Pull();
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains("own/tiny/model.safetensors: the connection ", outcome.Error, StringComparison.Ordinal);
        AssertPulled();
        // Nothing came twice.
        Assert.Equal(Large + 2 + Hub.TrueListing().Length, Hub.Sent);
    }

    [Fact]
    public void A_connection_that_is_cut_again_and_again_ends_with_one_line_and_what_came_stays()
    {
        GiveWeights(100_000);
        Hub.Answer = request => request.Range is { To: > 10 } ? Hub.FileReply(request) with { CutAfter = 1000 } : null;
        var outcome = Pull();
        Assert.Equal(1, outcome.ExitCode);
        Assert.EndsWith(", 5 times; what was downloaded stays, the same command goes on with it\n", outcome.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Snapshot));
        Hub.Answer = _ => null;
        Assert.Equal(95_000, Pull("--dry-run", "--json").Done().Json.GetProperty("download_bytes").GetInt64());
        var sent = Hub.Sent;
        Assert.Equal(0, Pull().ExitCode);
        AssertPulled();
        Assert.Equal(95_000, Hub.Sent - sent - Hub.TrueListing().Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(70_000)]
    public async Task A_silence_is_noticed_told_and_not_waited_out(int before)
    {
        GiveWeights(200_000);
        var stalls = 1;
        var again = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var never = new TaskCompletionSource();
        Hub.Answer = request =>
        {
            if (request.Range is not { To: > 10 }) return null;
            if (Interlocked.Decrement(ref stalls) >= 0) return Hub.FileReply(request) with { HoldAfter = before, Release = never.Task };
            again.TrySetResult();
            return null;
        };
        var pull = Task.Run(() => Pull("--include", "model.safetensors"));
        while (!Hub.Downloads.Any() || Counted(200_000) < before || !Clock.Expire()) await Task.Yield();
        await again.Task;
        var outcome = await pull;
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains($"nothing came for {QuickClock.PatienceSeconds} s (HF_HUB_DOWNLOAD_TIMEOUT); trying again", outcome.Error, StringComparison.Ordinal);
        AssertPulled();
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(Large)]
    public void A_server_without_ranges_gives_the_whole_file(int length)
    {
        GiveWeights(length);
        Hub.Answer = request => request.Range is not null ? Hub.FileReply(request with { Headers = new Dictionary<string, string>() }) : null;
        Assert.Equal(0, Pull().ExitCode);
        AssertPulled();
    }

    [Fact]
    public void What_does_not_have_its_hash_is_refused_and_nothing_of_it_stays()
    {
        GiveWeights(5000);
        Hub.Answer = request => request.Range is { To: > 10 } ? Hub.FileReply(request) with { Body = Content(5000, seed: 9) } : null;
        Assert.Contains("does not have the hash", Last(Pull(), 1), StringComparison.Ordinal);
        Assert.DoesNotContain(Directory.GetFiles(Path.Combine(Repository, "blobs")), path => new FileInfo(path).Length >= 5000);
        Assert.False(Directory.Exists(Snapshot));
        Assert.False(File.Exists(Path.Combine(Repository, "refs", "main")));
    }

    [Fact]
    public void A_small_file_is_checked_by_git_s_hash()
    {
        GiveWeights(10);
        Hub.Answer = request => request.Target.EndsWith("config.json", StringComparison.Ordinal) ? Hub.FileReply(request) with { Body = "[]"u8.ToArray() } : null;
        Assert.Contains("own/tiny/config.json: what http", Last(Pull(), 1), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Content-Range", "bytes 1-4999/5000", "expected 'bytes 0-4999/5000', found 'bytes 1-4999/5000'")]
    [InlineData("Content-Range", "bytes 0-4999/6000", "found 'bytes 0-4999/6000'")]
    [InlineData("Content-Range", "", "expected 'bytes 0-4999/5000', found ''")]
    [InlineData("Content-Length", "5001", "expected 5000 bytes, found 5001 announced")]
    [InlineData("Content-Encoding", "gzip", "came as gzip, expected the bytes as they are")]
    public void An_answer_to_another_question_is_refused(string header, string value, string expected)
    {
        GiveWeights(5000);
        Hub.Answer = request =>
        {
            if (request.Range is not { To: > 10 }) return null;
            var reply = Hub.FileReply(request);
            reply.Headers[header] = value;
            if (value.Length == 0) reply.Headers.Remove(header);
            return reply;
        };
        Assert.Contains(expected, Last(Pull(), 1), StringComparison.Ordinal);
        Assert.False(Directory.Exists(Snapshot));
    }

    [Theory]
    [InlineData(401, "", false, "not found at {hub}, or not public (401); check the name, or set HF_TOKEN to a token that may read it")]
    [InlineData(401, "", true, "{hub} does not accept the token (401); check HF_TOKEN and the name of the model")]
    [InlineData(403, "GatedRepo", true, "access is not granted (403); accept the model's terms at {hub}/own/tiny with the account of the token in HF_TOKEN")]
    [InlineData(404, "RepoNotFound", false, "not found at {hub} (404); check the name and the revision")]
    [InlineData(404, "RevisionNotFound", false, "{hub} has the model, but no revision 'main' (404)")]
    [InlineData(418, "", false, "{hub} answered with status 418")]
    public void A_refusal_is_one_line_that_says_what_to_do(int status, string code, bool hasToken, string expected)
    {
        GiveWeights(10);
        Hub.Answer = _ => HubReply.Of(status, ("X-Error-Code", code));
        var outcome = hasToken ? Run(["pull", "own/tiny"], ("HF_TOKEN", "hf_secret")) : Pull();
        Assert.Equal($"hadal: own/tiny: {expected.Replace("{hub}", Hub.Url, StringComparison.Ordinal)}", outcome.Fault(1));
        Assert.Single(Hub.Requests);
    }

    [Theory]
    [InlineData(429, "2")]
    [InlineData(503, null)]
    public void What_may_pass_is_tried_again(int status, string? after)
    {
        GiveWeights(10);
        var refusals = 3;
        Hub.Answer = _ => Interlocked.Decrement(ref refusals) < 0 ? null : after is null ? HubReply.Of(status) : HubReply.Of(status, ("Retry-After", after));
        var outcome = Pull();
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains($"({status}); trying again in {after ?? "0.5"} s (2 of 5)", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_hub_that_wants_nobody_for_an_hour_is_not_asked_again()
    {
        Hub.Answer = _ => HubReply.Of(429, ("Retry-After", "3600"));
        Assert.EndsWith("takes no more requests now (429); come again in 3600 s, what was downloaded stays", Pull().Fault(1), StringComparison.Ordinal);
        Assert.Single(Hub.Requests);
    }

    [Fact]
    public async Task The_token_goes_to_the_hub_and_to_nobody_else()
    {
        GiveWeights(5000);
        await using var other = new TestHub { Files = Hub.Files };
        Hub.Answer = request => request.Target.Contains("/resolve/", StringComparison.Ordinal) ? HubReply.Of(307, ("Location", other.Url + request.Target)) : null;
        Assert.Equal(0, Run(["pull", "own/tiny"], ("HF_TOKEN", " hf_secret\n")).ExitCode);
        AssertPulled();
        Assert.All(Hub.Requests, request => Assert.Equal("Bearer hf_secret", request.Headers["authorization"]));
        Assert.NotEmpty(other.Requests);
        Assert.All(other.Requests, request => Assert.False(request.Headers.ContainsKey("authorization")));
    }

    [Fact]
    public async Task A_signed_address_that_has_expired_is_asked_for_again()
    {
        GiveWeights(5000);
        var refusals = 2;
        await using var store = new TestHub { Files = Hub.Files };
        store.Answer = _ => Interlocked.Decrement(ref refusals) >= 0 ? HubReply.Of(403) : null;
        Hub.Answer = request => request.Target.Contains("/resolve/", StringComparison.Ordinal) ? HubReply.Of(302, ("Location", store.Url + request.Target)) : null;
        var outcome = Pull();
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains($"127.0.0.1, where {Hub.Url} led to, answered with status 403; trying again", outcome.Error, StringComparison.Ordinal);
        AssertPulled();
        store.Answer = _ => HubReply.Of(404);
        Hub.Files["other.json"] = "[]"u8.ToArray();
        Assert.Contains("own/tiny/other.json: 127.0.0.1, where ", Last(Pull(), 1), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_listed_and_not_there_is_named()
    {
        GiveWeights(10);
        Hub.Listing = Hub.TrueListing().Replace("config.json", "gone.json", StringComparison.Ordinal);
        Assert.Contains("own/tiny/gone.json: ", Last(Pull(), 1), StringComparison.Ordinal);
        Assert.Contains("lists this file and does not have it (404)", Last(Pull(), 1), StringComparison.Ordinal);
    }

    [Fact]
    public void A_large_file_has_fewer_and_longer_segments()
    {
        var folder = Directory.CreateTempSubdirectory("hadal-");
        using (var partial = PartialFile.Open(Path.Combine(folder.FullName, "x"), new HubFile("x", (1L << 30) + 5, new string('0', 64))))
        {
            Assert.Equal((17, 1L << 30, 5), (partial.SegmentCount, partial.BeginOf(16), partial.LengthOf(16)));
            partial.Append(16, [1, 2]);
        }

        Assert.Equal(2, PartialFile.BytesIn(Path.Combine(folder.FullName, "x"), new HubFile("x", (1L << 30) + 5, new string('0', 64))));
        folder.Delete(recursive: true);
    }

    [Fact]
    public void The_token_is_found_in_the_file_of_the_hub_s_tools_and_left_at_home_when_told_so()
    {
        GiveWeights(10);
        var home = Path.GetDirectoryName(Cache)!;
        File.WriteAllText(Path.Combine(home, "token"), "hf_file\n");
        Run(["pull", "own/tiny", "--dry-run"], ("HF_HOME", home));
        Run(["pull", "own/tiny", "--dry-run"], ("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"));
        Assert.Equal(["Bearer hf_file", null], Hub.Requests.Select(request => request.Headers.GetValueOrDefault("authorization")));
        Assert.Contains("HF_TOKEN: expected a token", Run(["pull", "own/tiny"], ("HF_TOKEN", "a\r\nX-Evil: b")).Fault(1), StringComparison.Ordinal);
    }

    [Fact]
    public void Redirects_are_followed_within_the_hub_but_not_for_ever()
    {
        GiveWeights(10);
        Hub.Answer = request => request.Target.EndsWith("?again", StringComparison.Ordinal) || !request.Target.Contains("/resolve/", StringComparison.Ordinal) ? null : HubReply.Of(302, ("Location", request.Target + "?again"));
        Hub.Files["config.json?again"] = Hub.Files["config.json"];
        Hub.Files["model.safetensors?again"] = Hub.Files["model.safetensors"];
        Hub.Listing = Hub.TrueListing().Replace("?again", "x", StringComparison.Ordinal);
        Assert.Equal(0, Pull("--include", "config.json", "--include", "model.safetensors").ExitCode);
        Hub.Answer = _ => HubReply.Of(302, ("Location", "/again"));
        Assert.Contains("leads through more than 10 redirects", Pull().Fault(1), StringComparison.Ordinal);
        Hub.Answer = _ => HubReply.Of(302, ("Location", "file:///etc/passwd"));
        Assert.Contains("leads to file://, expected https", Pull().Fault(1), StringComparison.Ordinal);
    }

    [Fact]
    public void Encryption_is_not_left()
    {
        Assert.Throws<HubFault>(() => HubClient.Follow(new Uri("https://a/x"), new Uri("http://a/x"), "x"));
        Assert.Equal("https://b/y", HubClient.Follow(new Uri("https://a/x"), new Uri("//b/y", UriKind.RelativeOrAbsolute), "x").ToString());
    }

    [Theory]
    [InlineData("../x.json")]
    [InlineData("/etc/x.json")]
    [InlineData("a/../../x.json")]
    [InlineData("a\\\\..\\\\x.json")]
    [InlineData("a//x.json")]
    [InlineData("./x.json")]
    [InlineData("x\\u0000.json")]
    public void A_name_that_leads_out_of_the_folder_ends_everything(string name)
    {
        GiveWeights(10);
        Hub.Listing = Hub.TrueListing().Replace("config.json", name, StringComparison.Ordinal);
        Assert.Contains("leads out of the model's folder; nothing was downloaded", Pull().Fault(1), StringComparison.Ordinal);
        Assert.Empty(Hub.Downloads);
        Assert.False(Directory.Exists(Cache));
    }

    [Theory]
    [InlineData("CON.json")]
    [InlineData("a:b.json")]
    [InlineData("a\\u001b[2J.json")]
    [InlineData("aux/config.json")]
    [InlineData("dot./x.json")]
    public void A_name_that_some_system_cannot_have_is_refused(string name)
    {
        GiveWeights(10);
        Hub.Listing = Hub.TrueListing().Replace("config.json", name, StringComparison.Ordinal);
        Assert.Contains("cannot be used on every system; leave it out with --exclude", Pull("--include", "*").Fault(1), StringComparison.Ordinal);
        Assert.Equal(0, Pull("--include", "*", "--exclude", "*.json").ExitCode);
    }

    [Fact]
    public void Names_that_differ_in_case_only_are_refused()
    {
        GiveWeights(10);
        Hub.Files["Config.json"] = "[]"u8.ToArray();
        Assert.Contains("'config.json' and 'Config.json' are one on some systems", Pull().Fault(1), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<html>")]
    [InlineData("[]")]
    [InlineData("""{"sha":"../../x","siblings":[]}""")]
    [InlineData("""{"sha":"0123456789ABCDEF0123456789abcdef01234567","siblings":[]}""")]
    [InlineData("""{"sha":"0123456789abcdef0123456789abcdef01234567"}""")]
    [InlineData("""{"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"a.json"}]}""")]
    [InlineData("""{"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"a.json","size":1,"blobId":"../../../x"}]}""")]
    [InlineData("""{"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"a.json","size":1,"lfs":{"sha256":"sha256:ab","size":1}}]}""")]
    [InlineData("""{"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"a.json","size":-1,"blobId":"0123456789abcdef0123456789abcdef01234567"}]}""")]
    [InlineData("""{"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"a.json","size":1e300,"blobId":"0123456789abcdef0123456789abcdef01234567"}]}""")]
    [InlineData("""{"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"\ud800.json","size":1,"blobId":"0123456789abcdef0123456789abcdef01234567"}]}""")]
    public void A_list_that_makes_no_sense_is_refused(string listing)
    {
        Hub.Listing = listing;
        Assert.Matches("^hadal: own/tiny at http://127.0.0.1:[0-9]+: (expected|the answer is not valid JSON)", Pull().Fault(1));
        Assert.Empty(Hub.Downloads);
    }

    [Fact]
    public void A_list_without_end_is_bounded()
    {
        var spaces = string.Create(CultureInfo.InvariantCulture, $"{33 << 20:x}\r\n{new string(' ', 33 << 20)}\r\n");
        Hub.Answer = _ => new HubReply(200, Encoding.ASCII.GetBytes(spaces)) { Headers = new() { ["Transfer-Encoding"] = "chunked" } };
        Assert.Contains("has more than 32.0 MiB", Pull().Fault(1), StringComparison.Ordinal);
    }

    [Fact]
    public void What_an_earlier_download_left_wrong_is_downloaded_again()
    {
        var weights = GiveWeights(100_000);
        Hub.Answer = request => request.Range is { From: 0, To: > 10 } ? Hub.FileReply(request) with { CutAfter = 90_000 } : request.Range is { From: > 0 } ? HubReply.Of(404) : null;
        Assert.Equal(1, Pull().ExitCode);

        // Smaller files that were on their way when the weights failed may have left something, too.
        var partial = Assert.Single(Partials(), path => Path.GetFileName(path).StartsWith(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(weights)), StringComparison.Ordinal));
        using (var file = File.OpenWrite(partial)) file.WriteByte((byte)(Hub.Files["model.safetensors"][0] ^ 1));
        Hub.Answer = _ => null;
        var outcome = Pull();
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains("what an earlier download left does not have the right hash", outcome.Error, StringComparison.Ordinal);
        AssertPulled();
    }

    [Fact]
    public void A_link_where_a_download_is_to_be_is_not_followed()
    {
        var weights = GiveWeights(1000);
        var victim = Path.Combine(Path.GetDirectoryName(Cache)!, "victim");
        File.WriteAllText(victim, "mine");
        var blobs = Directory.CreateDirectory(Path.Combine(Repository, "blobs")).FullName;
        File.CreateSymbolicLink(Path.Combine(blobs, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(weights)) + ".hadal.incomplete"), victim);
        Assert.Equal(0, Pull().ExitCode);
        Assert.Equal("mine", File.ReadAllText(victim));
        AssertPulled();
    }

    private static string Last(Outcome outcome, int exitCode)
    {
        Assert.Equal(exitCode, outcome.ExitCode);
        return outcome.Error.Split('\n')[^2];
    }
}
