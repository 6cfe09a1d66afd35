// What formats cost in quality: bits per byte of a text under one model, stored and computed in each way.
//   dotnet run bench/perplexity.cs -- --file TEXT [--model DIR] [--context 512]
// Build Hadal first: dotnet build -c Release src/Hadal.Cli. The first row is exact arithmetic on the weights as they are; the others are beside it.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false

using System.Diagnostics;
using System.Text.Json;

string? text = null;
string model = Path.Combine("models", "hadal-mini"), context = "512";
for (var i = 0; i + 1 < args.Length; i += 2)
{
    switch (args[i])
    {
        case "--file": text = args[i + 1]; break;
        case "--model": model = args[i + 1]; break;
        case "--context": context = args[i + 1]; break;
        default: Console.Error.WriteLine($"perplexity.cs: unknown option '{args[i]}'"); return 2;
    }
}

if (text is null)
{
    Console.Error.WriteLine("perplexity.cs: --file is missing: a text to measure on");
    return 2;
}

var hadal = Directory.GetFiles(Path.Combine("src", "Hadal.Cli", "bin", "Release"), "hadal.dll", SearchOption.AllDirectories).First();
var folder = Directory.CreateTempSubdirectory("hadal-formats-").FullName;
try
{
    var exact = Measure(model, "exact", "f32");
    Console.WriteLine("| weights | arithmetic | cache | bits per byte | beside exact |");
    Console.WriteLine("|---|---|---|---|---|");
    Print("as they are", "exact", "f32", exact);
    Print("as they are", "exact", "bf16", Measure(model, "exact", "bf16"));
    Print("as they are", "exact", "i8", Measure(model, "exact", "i8"));
    foreach (var (bits, group, head) in new[] { (8, 128, ""), (8, 128, "8"), (4, 32, ""), (4, 64, ""), (4, 128, "") })
    {
        var quantized = Path.Combine(folder, $"{bits}-{group}-{head}");
        Run(["quantize", model, "-o", quantized, "--method", "rtn", "--bits", $"{bits}", "--group", $"{group}", "--json", .. head.Length > 0 ? (string[])["--head", head] : []]);
        foreach (var arithmetic in new[] { "exact", "integer" }) Print($"{bits} bit, groups of {group}{(head.Length > 0 ? ", the head too" : "")}", arithmetic, "f32", Measure(quantized, arithmetic, "f32"));
    }

    void Print(string weights, string arithmetic, string cache, double bits) =>
        Console.WriteLine(FormattableString.Invariant($"| {weights} | {arithmetic} | {cache} | {bits:F4} | {((bits / exact) - 1) * 100:+0.00;-0.00} % |"));
}
finally
{
    Directory.Delete(folder, recursive: true);
}

return 0;

double Measure(string directory, string arithmetic, string cache)
{
    using var document = JsonDocument.Parse(Run("perplexity", directory, "--file", text, "--context", context, "--arithmetic", arithmetic, "--cache", cache, "--json"));
    return document.RootElement.GetProperty("bits_per_byte").GetDouble();
}

string Run(params string[] arguments)
{
    using var process = Process.Start(new ProcessStartInfo("dotnet", ["exec", hadal, .. arguments]) { RedirectStandardOutput = true })!;
    var output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    return process.ExitCode == 0 ? output : throw new InvalidOperationException($"hadal {string.Join(' ', arguments)}: exit code {process.ExitCode}");
}
