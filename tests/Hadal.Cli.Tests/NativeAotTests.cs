using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Hadal.Cli.Tests.Hub;
using Hadal.Inference.Kernels;
using Hadal.Tests;

namespace Hadal.Cli.Tests;

/// <summary>The program compiled ahead of time. Publishing takes minutes of processor time, so one test has it all.</summary>
public sealed class NativeAotTests
{
    [Fact]
    public async Task The_native_program_computes_the_same_at_the_full_width_of_the_machine_and_pulls()
    {
        var program = Publish(InstructionSetOrSkip());
        using var doctor = HadalProcess.StartProgram(program, "doctor", "--json");
        var json = JsonElement.Parse(doctor.Output.ReadToEnd());
        Assert.True(json.GetProperty("native_aot").GetBoolean());
        // Code for wide vectors is folded away where the compiler was not told of the instruction set; kernels would be scalar or narrow.
        Assert.Equal(VectorWidth.Bits, json.GetProperty("vector_width").GetInt32());
        Assert.True(json.GetProperty("self_check").GetProperty("ok").GetBoolean(), json.GetProperty("self_check").GetRawText());
        Assert.Equal(0, doctor.End().ExitCode);

        foreach (var command in new[] { "run {0} -p Hello --temperature 0 --max-tokens 16", "inspect {0} --json", "logits {0} --token-ids 1,2,3 --json", "run no/such -p x", "run {0} --top-p 7 -p x", "bench -h" })
        {
            string[] arguments = [.. command.Split(' ').Select(word => word.Replace("{0}", GoldenData.PathOf("deepseek-v3/hf"), StringComparison.Ordinal))];
            using var native = HadalProcess.StartProgram(program, arguments);
            native.Input.Close();
            var text = native.Output.ReadToEnd();
            var (exitCode, error) = native.End();
            var expected = TestShell.Run("", arguments);
            Assert.Equal((expected.ExitCode, expected.Text), (exitCode, text));
            Assert.Equal(expected.Error.Length > 0, error.Length > 0);
        }

        await PullAsync(program);
    }

    private static async Task PullAsync(string program)
    {
        await using var hub = new TestHub { Files = Directory.GetFiles(GoldenData.PathOf("deepseek-v3/hf")).ToDictionary(path => Path.GetFileName(path), File.ReadAllBytes) };
        var cache = Directory.CreateTempSubdirectory("hadal-").FullName;
        foreach (var (command, expected) in new[] { ("pull own/tiny --json", TestHub.Commit), ("list --json", "\"quantization\":\"f32\""), ("run own/tiny -p Hello --max-tokens 3 --json", "\"finish_reason\""), ("remove own/tiny --yes --json", TestHub.Commit) })
        {
            using var native = HadalProcess.StartShell($"HF_ENDPOINT={hub.Url} HF_HUB_CACHE='{cache}' '{program}' {command}");
            var text = native.Output.ReadToEnd();
            Assert.Equal(0, native.End().ExitCode);
            Assert.Contains(expected, text, StringComparison.Ordinal);
        }

        Directory.Delete(cache, recursive: true);
    }

    /// <summary>The least instruction set that has vectors of this machine's width.</summary>
    private static string InstructionSetOrSkip()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64, "publishes for linux-x64 only");
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        Assert.SkipUnless(
            folders.Any(folder => File.Exists(Path.Combine(folder, "gcc")) || File.Exists(Path.Combine(folder, "clang"))),
            "needs a linker: gcc with libc6-dev, or clang; on Debian: apt-get install gcc libc6-dev");
        Assert.SkipUnless(VectorWidth.Bits >= 256, "needs a processor with AVX2");
        return VectorWidth.Bits == 512 ? "x86-64-v4" : "x86-64-v3";
    }

    private static string Publish(string instructionSet)
    {
        // A folder of its own keeps the intermediate files of the ordinary build as they are.
        var artifacts = Path.Combine(SharedData.RepositoryRoot, "artifacts", "native");
        var output = Path.Combine(artifacts, instructionSet);
        var start = new ProcessStartInfo(Environment.ProcessPath!,
        [
            "publish", Path.Combine(SharedData.RepositoryRoot, "src", "Hadal.Cli"), "-c", "Release", "-r", "linux-x64", "-v", "quiet", "--nologo", "-tl:off", "--artifacts-path", artifacts,
            "-o", output, "-p:PublishAot=true", $"-p:IlcInstructionSet={instructionSet}", "-p:NuGetLockFilePath=obj/native.lock.json", "-p:RestoreLockedMode=false",
        ])
        { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var log = process.StandardOutput.ReadToEnd() + error.GetAwaiter().GetResult();
        process.WaitForExit();
        Assert.SkipWhen(
            log.Contains("NU1101", StringComparison.Ordinal) || log.Contains("NU1301", StringComparison.Ordinal),
            "needs the package runtime.linux-x64.Microsoft.DotNet.ILCompiler, which the package source does not give");
        Assert.True(process.ExitCode == 0, log);
        return Path.Combine(output, "hadal");
    }
}
