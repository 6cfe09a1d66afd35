// What a training loses when the power goes: a run in an ext4 file system of its own, shut down at random moments with everything that was not yet flushed, resumed, and compared with an undisturbed one.
//   dotnet build src/Hadal.Train -c Release
//   dotnet run -c Release bench/power-cuts.cs -- [--cuts 30] [--preload LIBRARY] [--keep yes]
// Needs Linux, root, loop devices and mkfs.ext4. A cut is ext4's own shutdown (EXT4_IOC_SHUTDOWN), as the tests of Linux file systems use it: from one moment to the next nothing more reaches the disk, neither data nor journal;
// what the processor held is dropped, the journal is replayed by the next mount. Every other cut hits a disk mounted with data=writeback,noauto_da_alloc, which writes names before contents wherever nobody flushes; the journal is
// written every five minutes only, so that what lasts is what was flushed. --preload LIBRARY, one in which fsync does nothing, shows that the cuts find what is lost without it:
//   echo 'int fsync(int f) { return 0; } int fdatasync(int f) { return 0; }' | gcc -shared -fPIC -x c - -o none.so
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property AllowUnsafeBlocks=true
#:property RestorePackagesWithLockFile=false

using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;

const int StepsPerCut = 12, Interval = 3;
var (cuts, preload, keeps) = (30, "", false);
for (var i = 0; i + 1 < args.Length; i += 2)
{
    switch (args[i])
    {
        case "--cuts": cuts = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--preload": preload = args[i + 1]; break;
        case "--keep": keeps = args[i + 1] == "yes"; break;
        default: Console.Error.WriteLine($"power-cuts.cs: unknown option {args[i]}; there are --cuts N, --preload LIBRARY and --keep yes"); return 2;
    }
}

var program = Path.GetFullPath(Path.Combine("src", "Hadal.Train", "bin", "Release", "net10.0", "hadal-train"));
if (!File.Exists(program)) { Console.Error.WriteLine($"power-cuts.cs: {program}: expected the trainer; build it with dotnet build src/Hadal.Train -c Release"); return 2; }
var folder = Directory.CreateTempSubdirectory("hadal-power-");
string image = Path.Combine(folder.FullName, "disk.img"), mount = Path.Combine(folder.FullName, "disk"), config = Path.Combine(folder.FullName, "lora.json"), plain = Path.Combine(folder.FullName, "undisturbed");
var random = new Random(1);
var steps = cuts * StepsPerCut;
var isMounted = false;
try
{
    File.WriteAllLines(Path.Combine(folder.FullName, "train.jsonl"), Enumerable.Range(0, 200).Select(index => FormattableString.Invariant($"{{\"text\": \"Number {index} is followed by number {index + 1}.\"}}")));
    File.WriteAllText(config, JsonSerializer.Serialize(new
    {
        output = plain, model = Path.GetFullPath(Path.Combine("models", "hadal-mini")), train = new[] { new { path = "train.jsonl" } }, held_out = 0.1, steps, sequence_length = 64, batch_sequences = 1,
        learning_rate = 1e-3, checkpoint_every_steps = Interval, evaluate_every_steps = 7, log_every_steps = 1, thread_count = 1, lora = new { r = 4, lora_alpha = 8, lora_dropout = 0.1, target_modules = "all-linear" },
    }));
    if (Trainer(plain).Ended() is { Code: not 0 } failed) { Console.Error.WriteLine($"power-cuts.cs: the undisturbed run ended with {failed.Code}: {failed.Said}"); return 1; }

    using (var file = File.Create(image)) file.SetLength(512 << 20);
    Run("mkfs.ext4", "-q", "-F", image);
    Directory.CreateDirectory(mount);
    Mount(0);
    var output = Path.Combine(mount, "out");
    var (lost, late, ends) = (new List<long>(), 0, new List<string>());
    for (var cut = 0; cut < cuts; cut++)
    {
        var begin = Step(output);
        using var trainer = Trainer(output);
        var target = Math.Min(begin + random.Next(0, 2 * StepsPerCut), steps - 1);
        while (!trainer.HasExited && Step(output) < target) Thread.Sleep(1);
        for (var until = Stopwatch.GetTimestamp() + (random.Next(0, 400) * Stopwatch.Frequency / 1000); !trainer.HasExited && Stopwatch.GetTimestamp() < until;) Thread.Sleep(1);
        var seen = Step(output);
        PowerOff(mount);
        if (!trainer.HasExited) trainer.Kill();
        var (code, said) = trainer.Ended();
        if (code is not (0 or 137 or 1)) ends.Add($"{code}: {said}");
        Run("umount", mount);
        isMounted = false;
        Mount(cut + 1);
        var left = Checkpoints(output).DefaultIfEmpty(0).Max();
        lost.Add(seen - left);
        if (seen - left > Interval) late++;
    }

    var last = Trainer(output).Ended();
    var differences = last.Code != 0 ? [$"the last run ended with {last.Code}: {last.Said}"] : Differences(plain, output);
    Console.WriteLine($"{cuts} cuts in {steps} steps, a checkpoint every {Interval}; steps lost by a cut: {string.Join(' ', lost.GroupBy(count => count).OrderBy(group => group.Key).Select(group => $"{group.Key} ({group.Count()} times)"))}; more than an interval {late} times");
    foreach (var end in ends) Console.WriteLine($"ended with {end}");
    Console.WriteLine(differences.Count == 0 ? "weights, optimiser state, adapter and log (but for tokens per second) are those of the undisturbed run" : $"DIFFERENT: {string.Join("; ", differences)}");
    return late == 0 && differences.Count == 0 && ends.Count == 0 ? 0 : 1;
}
finally
{
    if (isMounted) Run("umount", "-l", mount);
    if (!keeps) folder.Delete(recursive: true);
}

Process Trainer(string output)
{
    var start = new ProcessStartInfo(program, ["lora", config, "--resume", "--set", $"output={output}"]) { RedirectStandardError = true, RedirectStandardOutput = true };
    if (preload.Length > 0) start.Environment["LD_PRELOAD"] = preload;
    return Process.Start(start)!;
}

// Every other disk writes names before contents where nobody flushes.
void Mount(int round)
{
    Run("mount", "-o", round % 2 == 0 ? "loop,commit=300" : "loop,commit=300,data=writeback,noauto_da_alloc", image, mount);
    isMounted = true;
}

static void Run(string command, params string[] arguments)
{
    using var process = Process.Start(new ProcessStartInfo(command, arguments))!;
    process.WaitForExit();
    if (process.ExitCode != 0) throw new InvalidOperationException($"{command} {string.Join(' ', arguments)}: ended with {process.ExitCode}");
}

// The last step in the log; a line that is half written or zeros counts for nothing.
static long Step(string output)
{
    var path = Path.Combine(output, "metrics.jsonl");
    try
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        return Regex.Matches(reader.ReadToEnd(), "\"step\":([0-9]+),.*}") is { Count: > 0 } lines ? long.Parse(lines[^1].Groups[1].Value, CultureInfo.InvariantCulture) : 0;
    }
    catch (IOException)
    {
        return 0;
    }
}

// Steps of the checkpoints whose marker is whole and names what is there.
static List<long> Checkpoints(string output)
{
    var root = Path.Combine(output, "checkpoints");
    return !Directory.Exists(root) ? [] : [.. Directory.GetDirectories(root, "step-*").Where(IsWhole).Select(path => long.Parse(Path.GetFileName(path)[5..], CultureInfo.InvariantCulture))];

    static bool IsWhole(string path)
    {
        try
        {
            var hashes = JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(Path.Combine(path, ".complete")))!;
            return hashes.Count > 0 && hashes.All(pair => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(path, pair.Key)))).Equals(pair.Value, StringComparison.OrdinalIgnoreCase));
        }
        catch (Exception fault) when (fault is IOException or JsonException)
        {
            return false;
        }
    }
}

static List<string> Differences(string expected, string found)
{
    var differences = new List<string>();
    foreach (var part in (string[])["adapter", "checkpoints"])
    {
        var (left, right) = (Path.Combine(expected, part), Path.Combine(found, part));
        var names = Names(left);
        if (!names.SequenceEqual(Names(right))) differences.Add($"{part}: other files");
        else differences.AddRange(names.Where(name => !Content(Path.Combine(left, name)).AsSpan().SequenceEqual(Content(Path.Combine(right, name)))).Select(name => $"{part}/{name}"));
    }

    if (Log(expected) != Log(found)) differences.Add("metrics.jsonl");
    return differences;

    static List<string> Names(string root) => [.. Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(root, path)).Where(name => name != ".lock").Order(StringComparer.Ordinal)];
    static byte[] Content(string path) => File.ReadAllBytes(path);
    static string Log(string output) => Regex.Replace(File.ReadAllText(Path.Combine(output, "metrics.jsonl")), "\"tokens_per_second\":[0-9.]+", "");
}

static void PowerOff(string mount)
{
    const uint Shutdown = 0x8004587D, WithoutJournal = 2;
    var directory = Native.Open(mount, 0);
    var flags = WithoutJournal;
    if (directory < 0 || Native.Control(directory, Shutdown, ref flags) != 0) throw new InvalidOperationException($"{mount}: cannot be shut down: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    _ = Native.Close(directory);
}

internal static partial class Native
{
    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int Control(int file, nuint request, ref uint argument);

    [LibraryImport("libc", EntryPoint = "close")]
    internal static partial int Close(int file);
}

internal static class Ends
{
    /// <summary>Waits for the end: its code, and what it said.</summary>
    public static (int Code, string Said) Ended(this Process process)
    {
        var said = process.StandardError.ReadToEndAsync();
        _ = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, said.Result.Trim());
    }
}
