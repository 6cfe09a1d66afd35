// Time from process start to the first streamed byte of an answer: hadal-mini, a prompt of 32 tokens; JIT, ReadyToRun, and native for x86-64-v3 and -v4.
//   dotnet run bench/first-token.cs [-- --runs 21] [--model MODEL]
// The forms take turns, so that whatever else the machine does falls on all of them alike. Rows for docs/results.md go to standard output.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../src/Hadal.Checkpoints/Hadal.Checkpoints.csproj

using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Text;

const int promptTokens = 32;
const string source =
    "It was a fine morning in May, and the harbour lay still under a pale sky. The fishing boats had come home before dawn, and the men sat on the wall and mended their nets.";

var runs = 21;
var root = FindRoot();
var model = Path.Combine(root, "models", "hadal-mini");
for (var i = 0; i < args.Length; i += 2)
{
    switch (args[i])
    {
        case "--runs" when i + 1 < args.Length: runs = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--model" when i + 1 < args.Length: model = Path.GetFullPath(args[i + 1]); break;
        default: Console.Error.WriteLine($"first-token.cs: unknown option '{args[i]}'; there are --runs N and --model MODEL"); return 2;
    }
}

var prompt = Prompt(File.Exists(model) ? TokenizerLoader.FromGguf(model) : TokenizerLoader.FromDirectory(model));
var artifacts = Path.Combine(root, "artifacts", "native");
List<Form> forms =
[
    new("JIT", Publish("jit", "--self-contained", "false")),
    new("ReadyToRun", Publish("r2r", "--self-contained", "false", "-p:PublishReadyToRun=true")),
    new("NativeAOT x86-64-v3", Publish("x86-64-v3", "-p:PublishAot=true", "-p:IlcInstructionSet=x86-64-v3")),
];
if (Vector512.IsHardwareAccelerated) forms.Add(new("NativeAOT x86-64-v4", Publish("x86-64-v4", "-p:PublishAot=true", "-p:IlcInstructionSet=x86-64-v4")));

// The first round brings files into memory and is not counted.
for (var run = 0; run <= runs; run++)
{
    foreach (var form in forms)
    {
        var milliseconds = FirstByte(form.Program);
        if (run > 0) form.Milliseconds.Add(milliseconds);
    }
}

foreach (var form in forms)
{
    form.Milliseconds.Sort();
    var (median, low, high) = (form.At(0.5), form.At(0.25), form.At(0.75));
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {form.Name} | {median:F0} ms | {low:F0} to {high:F0} ms | {runs} |"));
}

return 0;

double FirstByte(string program)
{
    var info = new ProcessStartInfo(program, ["run", model, "-p", prompt, "--seed", "1", "--max-tokens", "2"]) { RedirectStandardOutput = true };
    var start = Stopwatch.GetTimestamp();
    using var process = Process.Start(info)!;
    if (process.StandardOutput.BaseStream.ReadByte() < 0) throw new InvalidOperationException($"{program} printed nothing");
    var elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    return process.ExitCode == 0 ? elapsed : throw new InvalidOperationException($"{program} ended with {process.ExitCode}");
}

string Publish(string form, params string[] options)
{
    Console.Error.WriteLine($"publishing {form}");
    var output = Path.Combine(artifacts, form);
    using var process = Process.Start("dotnet",
    [
        "publish", Path.Combine(root, "src", "Hadal.Cli"), "-c", "Release", "-r", "linux-x64", "-v", "quiet", "--nologo", "-tl:off", "--artifacts-path", artifacts,
        "-o", output, "-p:NuGetLockFilePath=obj/native.lock.json", "-p:RestoreLockedMode=false", .. options,
    ]);
    process.WaitForExit();
    return process.ExitCode == 0 ? Path.Combine(output, "hadal") : throw new InvalidOperationException($"publishing {form} ended with {process.ExitCode}");
}

// The longest beginning of the source that encodes to exactly the tokens wanted, start token included.
static string Prompt(Tokenizer tokenizer)
{
    for (var length = source.Length; length > 0; length--)
        if (tokenizer.Encode(source[..length]).Count == promptTokens) return source[..length];
    throw new InvalidOperationException($"no beginning of the source has {promptTokens} tokens");
}

static string FindRoot()
{
    var folder = Directory.GetCurrentDirectory();
    while (!File.Exists(Path.Combine(folder, "Hadal.slnx")))
        folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("run first-token.cs inside the repository");
    return folder;
}

internal sealed record Form(string Name, string Program)
{
    public List<double> Milliseconds { get; } = [];

    // Of sorted values: the one at a fraction of the way.
    public double At(double fraction) => Milliseconds[(int)Math.Round(fraction * (Milliseconds.Count - 1))];
}
