// MaskBench over Hadal and, in the same run, over the same cases, vocabulary and tokens, other engines: XGrammar (WebAssembly, npm), LLGuidance (as it lies in
// ONNX Runtime GenAI, NuGet) and, where a built checkout is named, llama.cpp.
//   dotnet run bench/mask-peers/mask-peers.cs -- DIR --tokenizer MODEL [--engines hadal,hadal-declared,llguidance,xgrammar,xgrammar-compliant,llama.cpp] [--every 1]
//       [--timeout 60] [--llama-cpp SOURCE BUILD] [--llama-masks-every 20]
// DIR has files of MaskBench's form, MODEL is a GGUF file or directory. Engines run one after the other, each on one thread; a case that takes more
// processor time than the timeout, in seconds, or ends its process counts as crashed. Needs node and npm for XGrammar, g++ for llama.cpp.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../../src/Hadal.Cli/Hadal.Cli.csproj

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hadal.Checkpoints.Text;
using Hadal.Cli;
using Hadal.Inference.Grammars.Json;

var options = Options.Parse(args);
if (options is null) return 2;
var root = FindRoot();
var here = Path.Combine(root, "bench", "mask-peers");
var work = Path.Combine(root, "artifacts", "mask-peers");
Directory.CreateDirectory(work);

var names = Subset();
var (vocabulary, cases) = (Path.Combine(work, "vocabulary.json"), Path.Combine(work, "cases.jsonl"));
WriteCases();
Console.WriteLine($"| engine | schemas | passing | compile errors | validation errors | invalidation errors | crashed or over {options.Timeout} s | first mask ms, mean / median / 99 % | mask µs, mean / median / 99 % | masks |");
Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
var families = new List<string>();
foreach (var engine in options.Engines) Report(engine, Measure(engine));
Console.WriteLine();
Console.WriteLine("Passing of all, by source:");
Console.WriteLine();
foreach (var family in families) Console.WriteLine(family);
return 0;

List<Outcome> Measure(string engine)
{
    Console.Error.WriteLine($"{engine}: {names.Count} schemas");
    switch (engine)
    {
        case "hadal": return Hadal(JsonPropertyOrder.Any);
        case "hadal-declared": return Hadal(JsonPropertyOrder.Declared);
        case "xgrammar" or "xgrammar-compliant":
            var packages = Path.Combine(work, "npm");
            Directory.CreateDirectory(packages);
            File.Copy(Path.Combine(here, "package.json"), Path.Combine(packages, "package.json"), overwrite: true);
            Execute("npm", ["install", "--silent", "--prefix", packages]);
            return Watch(engine, (first, output) => new ProcessStartInfo("node", [Path.Combine(here, "xgrammar.mjs"), engine == "xgrammar" ? "strict" : "compliant", vocabulary, cases, first, output])
            {
                Environment = { ["PEER_PACKAGES"] = packages },
            });
        case "llguidance":
            var published = Path.Combine(work, "llguidance");
            Execute("dotnet", ["publish", Path.Combine(here, "llguidance.cs"), "-o", published, "-v", "quiet", "--nologo", "-tl:off"]);
            return Watch(engine, (first, output) => new ProcessStartInfo(Path.Combine(published, "llguidance"), [vocabulary, cases, first, output]));
        case "llama.cpp" when options.LlamaSource is not null:
            var program = Path.Combine(work, "llama-cpp");
            var (source, build) = (options.LlamaSource, options.LlamaBuild!);
            Execute("g++", ["-O2", "-std=c++17", "-I", $"{source}/common", "-I", $"{source}/include", "-I", $"{source}/ggml/include", Path.Combine(here, "llama-cpp.cpp"), "-o", program,
                $"{build}/common/libcommon.a", $"{build}/src/libllama.a", $"{build}/ggml/src/libggml.a", $"{build}/ggml/src/libggml-cpu.a", $"{build}/ggml/src/libggml-base.a", "-fopenmp", "-lpthread", "-ldl"]);
            return Watch(engine, (first, output) => new ProcessStartInfo(program, [options.Tokenizer, cases, first, output, options.LlamaMasksEvery.ToString(CultureInfo.InvariantCulture)]));
        default: throw new ArgumentException($"unknown engine '{engine}', or one that needs --llama-cpp SOURCE BUILD");
    }
}

// What 'hadal grammar-bench' does; 'declared' is the order of properties that 'hadal run' and 'hadal serve' write.
List<Outcome> Hadal(JsonPropertyOrder order)
{
    var runner = new MaskBench(Tokenizer(), new JsonGrammarOptions { PropertyOrder = order });
    var paths = names.Select(name => Path.Combine(options.Folder, name)).ToList();
    runner.WarmUp(paths);
    return [.. paths.Select(runner.Run).Select(outcome => new Outcome(outcome.Name, outcome.Source, outcome.Result switch
    {
        MaskBenchResult.Passing => "passing",
        MaskBenchResult.CompileError => "compile error",
        MaskBenchResult.ValidationError => "validation error",
        _ => "invalidation error",
    }, outcome.FirstMaskUs, [.. outcome.MaskUs]))];
}

// Runs a program that appends a line for each case; what stops or hangs is started again behind the case it stopped at.
List<Outcome> Watch(string engine, Func<string, string, ProcessStartInfo> start)
{
    var output = Path.Combine(work, $"{engine}.jsonl");
    File.Delete(output);
    var outcomes = new List<Outcome>();
    while (outcomes.Count < names.Count)
    {
        var part = output + ".part";
        File.WriteAllText(part, "");
        var info = start(outcomes.Count.ToString(CultureInfo.InvariantCulture), part);
        info.RedirectStandardError = true;
        using var process = Process.Start(info)!;
        process.ErrorDataReceived += (_, line) => { if (line.Data is not null) File.AppendAllText(Path.Combine(work, $"{engine}.log"), line.Data + "\n"); };
        process.BeginErrorReadLine();
        var (length, spent) = (0L, TimeSpan.Zero);
        while (!process.WaitForExit(100))
        {
            var used = ProcessorTime(process);
            if (new FileInfo(part).Length is var now && now != length) (length, spent) = (now, used);
            else if ((used - spent).TotalSeconds > options.Timeout) process.Kill(entireProcessTree: true);
        }
        process.WaitForExit();
        foreach (var line in File.ReadLines(part))
        {
            File.AppendAllText(output, line + "\n");
            var read = JsonNode.Parse(line)!;
            outcomes.Add(OutcomeOf(outcomes.Count, read["result"]!.GetValue<string>(), read["first_us"]!.GetValue<double>(), [.. read["mask_us"]!.AsArray().Select(time => time!.GetValue<double>())]));
        }
        if (outcomes.Count < names.Count) outcomes.Add(OutcomeOf(outcomes.Count, "crashed", 0, []));
    }
    return outcomes;
}

// Processor time, so that a machine with other work, or one that sleeps, does not count against an engine.
static TimeSpan ProcessorTime(Process process)
{
    try
    {
        return process.TotalProcessorTime;
    }
    catch (InvalidOperationException)
    {
        return TimeSpan.Zero;
    }
}

Outcome OutcomeOf(int index, string result, double first, double[] masks) => new(names[index], MaskBenchOutcome.SourceOf(names[index]), result, first, masks);

void Report(string engine, List<Outcome> outcomes)
{
    var first = outcomes.Where(outcome => outcome.Result is not ("compile error" or "crashed")).Select(outcome => outcome.FirstUs / 1000).Order().ToArray();
    var masks = outcomes.SelectMany(outcome => outcome.MaskUs).Order().ToArray();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"| {engine} | {outcomes.Count} | {Of("passing")} | {Of("compile error")} | {Of("validation error")} | {Of("invalidation error")} | {Of("crashed")} | {Mean(first):F2} / {At(first, 0.5):F2} / {At(first, 0.99):F1} | {Mean(masks):F1} / {At(masks, 0.5):F1} / {At(masks, 0.99):F0} | {masks.Length} |"));
    families.Add($"- {engine}: " + string.Join(", ", outcomes.GroupBy(outcome => outcome.Source).OrderBy(group => group.Key, StringComparer.Ordinal)
        .Select(group => $"{group.Key} {group.Count(outcome => outcome.Result == "passing")} of {group.Count()}")));

    int Of(string result) => outcomes.Count(outcome => outcome.Result == result);
}

List<string> Subset() =>
    [.. Directory.EnumerateFiles(options.Folder, "*.json").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal).Where((_, index) => index % options.Every == 0)];

Tokenizer Tokenizer() => File.Exists(options.Tokenizer) ? TokenizerLoader.FromGguf(options.Tokenizer) : TokenizerLoader.FromDirectory(options.Tokenizer);

// Bytes of every token, and the tokens of every instance as Python writes it.
void WriteCases()
{
    var tokenizer = Tokenizer();
    var tokens = Enumerable.Range(0, tokenizer.VocabSize).Select(id => (JsonNode)Convert.ToBase64String(tokenizer.IsControl(id) ? [] : tokenizer.TokenBytes(id))).ToArray();
    File.WriteAllText(vocabulary, new JsonObject { ["tokens"] = new JsonArray(tokens), ["ends"] = new JsonArray([.. tokenizer.EosTokenIds.Select(id => (JsonNode)id)]) }.ToJsonString());
    using var writer = new StreamWriter(cases);
    foreach (var name in names)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(options.Folder, name)), new JsonDocumentOptions { MaxDepth = 512 });
        var tests = document.RootElement.GetProperty("tests").EnumerateArray().Select(test => (JsonNode)new JsonObject
        {
            ["valid"] = test.GetProperty("valid").GetBoolean(),
            ["tokens"] = new JsonArray([.. tokenizer.Encode(PythonJson.Write(test.GetProperty("data")), addSpecial: false).Select(id => (JsonNode)id)]),
        });
        writer.Write(new JsonObject { ["name"] = name, ["schema"] = PythonJson.Write(document.RootElement.GetProperty("schema")), ["tests"] = new JsonArray([.. tests]) }.ToJsonString() + "\n");
    }
}

static void Execute(string program, string[] arguments)
{
    using var process = Process.Start(program, arguments);
    process.WaitForExit();
    if (process.ExitCode != 0) throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
}

static double Mean(double[] values) => values.Length == 0 ? 0 : values.Average();

static double At(double[] sorted, double share) => sorted.Length == 0 ? 0 : sorted[Math.Min((int)(sorted.Length * share), sorted.Length - 1)];

static string FindRoot()
{
    var folder = Directory.GetCurrentDirectory();
    while (!File.Exists(Path.Combine(folder, "Hadal.slnx")))
        folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("run mask-peers.cs inside the repository");
    return folder;
}

internal sealed record Outcome(string Name, string Source, string Result, double FirstUs, double[] MaskUs);

internal sealed record Options(string Folder, string Tokenizer, string[] Engines, int Every, int Timeout, string? LlamaSource, string? LlamaBuild, int LlamaMasksEvery)
{
    public static Options? Parse(string[] args)
    {
        var read = new Options("", "", ["hadal", "llguidance", "xgrammar", "xgrammar-compliant"], 1, 60, null, null, 20);
        for (var i = 0; i < args.Length; i++)
        {
            read = args[i] switch
            {
                "--tokenizer" when i + 1 < args.Length => read with { Tokenizer = Path.GetFullPath(args[++i]) },
                "--engines" when i + 1 < args.Length => read with { Engines = args[++i].Split(',') },
                "--every" when i + 1 < args.Length => read with { Every = Number(args[++i]) },
                "--timeout" when i + 1 < args.Length => read with { Timeout = Number(args[++i]) },
                "--llama-masks-every" when i + 1 < args.Length => read with { LlamaMasksEvery = Number(args[++i]) },
                "--llama-cpp" when i + 2 < args.Length => read with { LlamaSource = Path.GetFullPath(args[++i]), LlamaBuild = Path.GetFullPath(args[++i]) },
                _ => read with { Folder = Path.GetFullPath(args[i]) },
            };
        }
        if (Directory.Exists(read.Folder) && read.Tokenizer.Length > 0) return read.LlamaSource is null || read.Engines.Contains("llama.cpp") ? read : read with { Engines = [.. read.Engines, "llama.cpp"] };
        Console.Error.WriteLine("mask-peers.cs: expected DIR --tokenizer MODEL, with --engines A,B --every N --timeout SECONDS --llama-cpp SOURCE BUILD --llama-masks-every N");
        return null;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
