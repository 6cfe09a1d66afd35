// The one developer script: dotnet run dev.cs -- <command>
//   test [name…]     builds and runs the test projects (all, or those whose name contains a word); prints "N passed, N failed"
//   check            format check, build and tests
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

using System.Diagnostics;
using System.Globalization;
using System.Xml.Linq;

var root = FindRoot();
var command = args.Length > 0 ? args[0] : "check";
return command switch
{
    "test" => Test(args[1..]),
    "check" => Check(),
    _ => Usage(command),
};

int Usage(string unknown)
{
    Console.Error.WriteLine($"dev.cs: unknown command '{unknown}'; use test [name…] or check");
    return 2;
}

int Check() => Run("dotnet", ["format", "Hadal.slnx", "--verify-no-changes", "--no-restore"]) is var format and not 0 ? format : Test([]);

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

        var report = Path.Combine(root, "artifacts", "tests", name + ".xml");
        Directory.CreateDirectory(Path.GetDirectoryName(report)!);
        File.Delete(report);
        var watch = Stopwatch.StartNew();
        var exit = Run("dotnet", ["exec", dll, "-noLogo", "-noColor", "-result-xml", report]);
        if (!File.Exists(report))
        {
            Console.WriteLine($"{name}: no report (exit code {exit})");
            failed++;
            continue;
        }

        foreach (var assembly in XDocument.Load(report).Descendants("assembly"))
        {
            passed += Count(assembly, "passed");
            failed += Count(assembly, "failed") + Count(assembly, "errors");
            skipped += Count(assembly, "skipped") + Count(assembly, "not-run");
        }

        Console.WriteLine($"{name}: {watch.Elapsed.TotalSeconds:F1} s");
    }

    Console.WriteLine(skipped > 0 ? $"{passed} passed, {failed} failed, {skipped} skipped" : $"{passed} passed, {failed} failed");
    return failed > 0 || passed == 0 ? 1 : 0;

    static int Count(XElement element, string attribute) =>
        int.Parse(element.Attribute(attribute)?.Value ?? "0", CultureInfo.InvariantCulture);
}

int Run(string file, IEnumerable<string> arguments)
{
    using var process = Process.Start(new ProcessStartInfo(file, arguments) { WorkingDirectory = root })!;
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
