// The one developer script: dotnet run dev.cs -- <command>
//   test [name…]     builds and runs the test projects (all, or those whose name contains a word); prints "N passed, N failed".
//                    Tests with the trait Width=all run once more at every narrower vector width, and scalar
//   peak             what this machine can do: read bandwidth and products per second (bench/peak.cs)
//   check            white space, then build (which holds the code to the style of .editorconfig) and tests
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics;
using System.Xml.Linq;

var root = FindRoot();
var command = args.Length > 0 ? args[0] : "check";
return command switch
{
    "test" => Test(args[1..]),
    "check" => Check(),
    "peak" => Run("dotnet", ["run", "-c", "Release", Path.Combine("bench", "peak.cs"), "--", .. args[1..]]),
    _ => Usage(command),
};

int Usage(string unknown)
{
    Console.Error.WriteLine($"dev.cs: unknown command '{unknown}'; use test [name…], check or peak");
    return 2;
}

// Without the projects loaded, white space takes seconds; names and usings are the build's to report.
int Check() =>
    Run("dotnet", ["format", "whitespace", ".", "--folder", "--verify-no-changes", "--exclude", "artifacts"]) is var format and not 0 ? format : Test([]);

int Test(string[] words)
{
    if (Run("dotnet", ["build", "Hadal.slnx", "-c", "Release", "-v", "quiet", "--nologo", "-tl:off"]) is var build and not 0) return build;

    int passed = 0, failed = 0, skipped = 0;
    foreach (var project in Directory.GetDirectories(Path.Combine(root, "tests"), "*.Tests").Order())
    {
        var name = Path.GetFileName(project);
        if (words.Length > 0 && !words.Any(word => name.Contains(word, StringComparison.OrdinalIgnoreCase))) continue;
        var dll = Directory.GetFiles(Path.Combine(project, "bin", "Release"), name + ".dll", SearchOption.AllDirectories).FirstOrDefault();
        if (dll is null) continue;

        if (name == "Hadal.Cli.Tests") InstallLinker();
        var widths = name == "Hadal.Inference.Tests" ? NarrowerWidths().Prepend((Width: NativeWidth(), Variable: null)) : [(NativeWidth(), null)];
        foreach (var (width, variable) in widths) RunTests(name, dll, width, variable);
    }

    Console.WriteLine(skipped > 0 ? $"{passed} passed, {failed} failed, {skipped} skipped" : $"{passed} passed, {failed} failed");
    return failed > 0 || passed == 0 ? 1 : 0;

    void RunTests(string name, string dll, int width, string? variable)
    {
        var title = variable is null ? name : $"{name}, {(width == 0 ? "scalar" : width + " bit")}";
        var report = Path.Combine(root, "artifacts", "tests", variable is null ? name + ".xml" : $"{name}.{width}.xml");
        Directory.CreateDirectory(Path.GetDirectoryName(report)!);
        File.Delete(report);
        var watch = Stopwatch.StartNew();
        var environment = new Dictionary<string, string> { ["HADAL_EXPECT_WIDTH"] = width.ToString(CultureInfo.InvariantCulture) };
        if (variable is not null) environment[variable] = "0";
        var exit = Run("dotnet", ["exec", dll, "-noLogo", "-noColor", "-result-xml", report, .. variable is null ? Array.Empty<string>() : ["-trait", "Width=all"]], environment);
        if (!File.Exists(report))
        {
            Console.WriteLine($"{title}: no report (exit code {exit})");
            failed++;
            return;
        }

        foreach (var assembly in XDocument.Load(report).Descendants("assembly"))
        {
            passed += Count(assembly, "passed");
            failed += Count(assembly, "failed") + Count(assembly, "errors");
            skipped += Count(assembly, "skipped") + Count(assembly, "not-run");
        }

        Console.WriteLine($"{title}: {watch.Elapsed.TotalSeconds:F1} s");
    }

    static int Count(XElement element, string attribute) =>
        int.Parse(element.Attribute(attribute)?.Value ?? "0", CultureInfo.InvariantCulture);
}

// Native compilation needs a C linker. A bare Debian machine, as CI has it, gets one; elsewhere its test skips and says so.
void InstallLinker()
{
    var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
    bool Has(string program) => folders.Any(folder => File.Exists(Path.Combine(folder, program)));
    if (!OperatingSystem.IsLinux() || Has("gcc") || Has("clang") || !Has("apt-get") || !Environment.IsPrivilegedProcess) return;
    Console.WriteLine("installing gcc and libc6-dev, which native compilation links with");
    if (Run("apt-get", ["-qq", "update"]) == 0) Run("apt-get", ["-qq", "install", "-y", "--no-install-recommends", "gcc", "libc6-dev"]);
}

// The width that this machine runs at, and the variables that make the run time choose a narrower one.
int NativeWidth() =>
    Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0;

IEnumerable<(int Width, string? Variable)> NarrowerWidths() =>
    new (int Width, string? Variable)[] { (256, "DOTNET_EnableAVX512"), (128, "DOTNET_EnableAVX2"), (0, "DOTNET_EnableHWIntrinsic") }
        .Where(choice => choice.Width < NativeWidth());

int Run(string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
{
    var start = new ProcessStartInfo(file, arguments) { WorkingDirectory = root };
    foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
    using var process = Process.Start(start)!;
    process.WaitForExit();
    return process.ExitCode;
}

static string FindRoot()
{
    var folder = Directory.GetCurrentDirectory();
    while (!File.Exists(Path.Combine(folder, "Hadal.slnx")))
        folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("run dev.cs inside the repository");
    return folder;
}
