using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hadal.Server;
using Hadal.Server.Tests;
using Hadal.Tests;

namespace Hadal.Web.Tests;

/// <summary>All scenarios of <c>Browser/</c>, run once in headless Chromium against servers of this process. Chromium and its driver are installed where they are absent and can be.</summary>
public sealed class PageRun : IAsyncLifetime
{
    private readonly Dictionary<string, string?> _errors = [];
    private string? _whyNot;

    /// <summary>Where scenarios leave pictures.</summary>
    public static string Folder { get; } = Path.Combine(SharedData.RepositoryRoot, "artifacts", "browser", "pictures");

    /// <summary>The published page.</summary>
    public static string PageFolder { get; } = Path.Combine(SharedData.RepositoryRoot, "artifacts", "page", "wwwroot");

    /// <summary>Fails if a scenario did; skips, saying so, where there is no browser.</summary>
    public void Passed(string scenario)
    {
        Assert.SkipUnless(_whyNot is null, _whyNot ?? "");
        Assert.True(_errors.TryGetValue(scenario, out var error), $"the run has no scenario {scenario}; it ended early:\n{_errors.GetValueOrDefault("")}");
        Assert.True(error is null, error);
    }

    public async ValueTask InitializeAsync()
    {
        await PublishAsync();
        _whyNot = await InstallAsync();
        if (_whyNot is null) await RunAsync();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Makes the page if its sources are newer; the target is the one that publishing <c>hadal</c> uses.</summary>
    private static async Task PublishAsync()
    {
        var (exitCode, output) = await StartAsync(SharedData.RepositoryRoot, Environment.ProcessPath!, [], "msbuild", Path.Combine("src", "Hadal.Cli"), "-t:MakePage", "-p:Configuration=Release", "-v:quiet", "-nologo", "-tl:off");
        Assert.True(exitCode == 0, output);
    }

    /// <summary>The scripts with their packages, and Chromium. Returns why not, or null.</summary>
    private static async Task<string?> InstallAsync()
    {
        if (Find("node") is null || Find("npm") is null) return "needs node and npm";
        var source = Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Web.Tests", "Browser");
        var target = Path.Combine(SharedData.RepositoryRoot, "artifacts", "browser");
        Directory.CreateDirectory(target);
        var installed = Path.Combine(target, "installed-lock.json");
        var lockFile = await File.ReadAllTextAsync(Path.Combine(source, "package-lock.json"));
        foreach (var file in Directory.GetFiles(source)) File.Copy(file, Path.Combine(target, Path.GetFileName(file)), overwrite: true);
        if (!File.Exists(installed) || await File.ReadAllTextAsync(installed) != lockFile)
        {
            var (exitCode, output) = await StartAsync(target, "npm", [], "ci", "--no-audit", "--no-fund", "--ignore-scripts");
            if (exitCode != 0) return "needs the npm registry: " + output.ReplaceLineEndings(" ")[..Math.Min(200, output.Length)];
            await File.WriteAllTextAsync(installed, lockFile);
        }

        if (Chromium() is not null) return null;
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess || Find("apt-get") is null) return "needs chromium; on Debian: apt-get install chromium";
        await StartAsync(target, "apt-get", [], "-qq", "update");
        await StartAsync(target, "apt-get", [], "-qq", "install", "-y", "--no-install-recommends", "chromium");
        return Chromium() is null ? "needs chromium, which apt-get does not give" : null;
    }

    private static string? Chromium() => Find("chromium") ?? Find("chromium-browser") ?? Find("google-chrome");

    private static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    private async Task RunAsync()
    {
        var keys = Path.GetTempFileName();
        await File.WriteAllTextAsync(keys, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("let-me-in"))) + "  reader\n");
        using var pace = new SemaphoreSlim(0);
        var options = new ServerOptions { Urls = ["http://127.0.0.1:0"], PageFolder = PageFolder };

        // An answer that can be watched while it is written: each step takes 15 ms longer.
        await using var open = await HadalServer.StartAsync(
            options, [TestModel.Source("hadal-mini"), TestModel.Source("chat", "deepseek-v3.1"), TestModel.Source("reasoner", "deepseek-r1"), TestModel.Source("slow", beforeForward: () => pace.Wait(15))]);
        await using var locked = await HadalServer.StartAsync(options with { ApiKeyFile = keys }, [TestModel.Source("hadal-mini")]);
        await Task.WhenAll(open.Loaded, locked.Loaded);
        var folder = Path.Combine(SharedData.RepositoryRoot, "artifacts", "browser");
        var (exitCode, output) = await StartAsync(folder, "node", [("CHROMIUM", Chromium()!)], "page.mjs", open.Urls[0], locked.Urls[0], Folder);
        File.Delete(keys);
        foreach (var line in output.Split('\n').Where(line => line.StartsWith("{\"name\"", StringComparison.Ordinal)))
        {
            var result = JsonElement.Parse(line);
            _errors[result.GetProperty("name").GetString()!] = result.GetProperty("error").GetString();
        }

        if (exitCode != 0) _errors[""] = string.Join('\n', output.Split('\n').Where(line => !line.StartsWith('{')));
    }

    private static async Task<(int ExitCode, string Output)> StartAsync(string folder, string program, (string Name, string Value)[] environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output + await error);
    }
}
