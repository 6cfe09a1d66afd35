// The same logits from the kernels of another processor: a program for arm64 under an emulator beside the one of this machine, on every checkpoint below a folder, in both arithmetics.
//   apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross clang lld
//   dotnet publish src/Hadal.Cli -c Release -r linux-arm64 -p:PublishAot=true -p:SysRoot=/ -p:LinkerFlavor=lld -p:CppCompilerAndLinker=clang -p:ObjCopyName=aarch64-linux-gnu-objcopy -p:IlcInstructionSet=dotprod -o artifacts/arm64
//   QEMU_LD_PREFIX=/usr/aarch64-linux-gnu dotnet run bench/arm64.cs -- artifacts/arm64/hadal [--models tests/Golden] [--emulator "qemu-aarch64 -cpu max"]
// The program of this machine is the build in src/Hadal.Cli. Prints the largest difference of each checkpoint, as a share of its largest logit.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

var (program, models, emulator) = ((string?)null, "tests/Golden", "qemu-aarch64 -cpu max");
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--models" when i + 1 < args.Length: models = args[++i]; break;
        case "--emulator" when i + 1 < args.Length: emulator = args[++i]; break;
        default: program = args[i]; break;
    }
}

if (program is null || !File.Exists(program))
{
    Console.Error.WriteLine($"arm64.cs: expected the program for arm64, found {program ?? "nothing"}; the first lines of the file say how it is made");
    return 2;
}

var files = Directory.EnumerateFiles(models, "*.gguf", SearchOption.AllDirectories)
    .Concat(Directory.EnumerateFiles(models, "config.json", SearchOption.AllDirectories).Select(file => Path.GetDirectoryName(file)!).Where(folder => Directory.EnumerateFiles(folder, "*.safetensors").Any()))
    .Order(StringComparer.Ordinal).ToList();
string[] here = ["dotnet", "exec", Path.Combine("src", "Hadal.Cli", "bin", "Release", "net10.0", "hadal.dll")];
foreach (var arithmetic in (string[])["exact", "integer"])
{
    var differences = new List<double>();
    foreach (var file in files)
    {
        string[] work = ["logits", file, "--token-ids", "1,5,9,33,7,250,12,3,44,17,90,2,8,61,5,19,100,77", "--arithmetic", arithmetic, "--json"];
        if (Logits([.. here, .. work]) is not { } expected || Logits([.. emulator.Split(' '), program, .. work]) is not { } found) return 1;
        differences.Add(expected.Zip(found, (a, b) => Math.Abs(a - b)).Max() / expected.Max(Math.Abs));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{arithmetic} {Path.GetRelativePath(models, file)}: {differences[^1]:E1}"));
    }

    differences.Sort();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{arithmetic}: {differences.Count} checkpoints, median {differences[differences.Count / 2]:E1}, largest {differences[^1]:E1}"));
}

return 0;

static double[]? Logits(string[] command)
{
    using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true })!;
    var text = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    return process.ExitCode == 0 ? [.. JsonElement.Parse(text).GetProperty("logits").EnumerateArray().SelectMany(row => row.EnumerateArray()).Select(value => value.GetDouble())] : null;
}
