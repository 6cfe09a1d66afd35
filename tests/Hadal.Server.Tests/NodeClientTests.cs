using System.Diagnostics;
using Hadal.Tests;

namespace Hadal.Server.Tests;

/// <summary>Clients for JavaScript, as they come from the registry; skipped, saying so, where there is no node or no registry.</summary>
public sealed class NodeClientTests(SharedServer shared)
{
    private static readonly Lazy<Task<string>> Installed = new(InstallAsync);

    [Theory]
    [InlineData("openai.mjs")]
    [InlineData("ai-sdk.mjs")]
    public async Task The_package_gets_all_its_answers(string script)
    {
        var folder = await Installed.Value;
        var (exitCode, output) = await RunAsync(folder, "node", Path.Combine(folder, script), shared.Server.Server.Urls[0]);
        Assert.True(exitCode == 0 && output.EndsWith("ok\n", StringComparison.Ordinal), output);
    }

    /// <summary>The scripts and their packages in a folder that the repository ignores.</summary>
    private static async Task<string> InstallAsync()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        Assert.SkipUnless(folders.Any(folder => File.Exists(Path.Combine(folder, "node"))) && folders.Any(folder => File.Exists(Path.Combine(folder, "npm"))), "needs node and npm");
        var source = Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Server.Tests", "Clients");
        var target = Path.Combine(SharedData.RepositoryRoot, "artifacts", "clients");
        Directory.CreateDirectory(target);
        var lockFile = await File.ReadAllTextAsync(Path.Combine(source, "package-lock.json"));
        var installed = Path.Combine(target, "package-lock.json");
        var isInstalled = File.Exists(installed) && await File.ReadAllTextAsync(installed) == lockFile && Directory.Exists(Path.Combine(target, "node_modules", "ai"));
        foreach (var file in Directory.GetFiles(source)) File.Copy(file, Path.Combine(target, Path.GetFileName(file)), overwrite: true);
        if (isInstalled) return target;
        var (exitCode, output) = await RunAsync(target, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts");
        Assert.SkipWhen(exitCode != 0, "needs the npm registry: " + output.ReplaceLineEndings(" ")[..Math.Min(200, output.Length)]);
        return target;
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(string folder, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await error + output);
    }
}
