// A model with random weights answers under schemas; an independent validator (npm ajv with ajv-formats) judges every answer.
//   dotnet run bench/grammar-validity/validity.cs -- DIR [--schemas 200] [--answers 50] [--model DIR] [--max-tokens 600] [--any-order]
// Grammars are those of hadal run and serve: members in the schema's order, numbers and formats as programs read them; with --any-order those of the library.
// The model is drawn to quotation marks and closing brackets, so that most answers end. DIR has files of MaskBench's form; of those that both sides can compile, so many are taken, evenly from the whole folder. An answer that does not end within the tokens
// says nothing and is counted apart; others are drawn until there are enough, up to three times as many. Needs node and npm.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../../src/Hadal.Inference/Hadal.Inference.csproj

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Json;
using Hadal.Inference.Models;

var written = JsonGrammarOptions.ForModels;
var (folder, schemaCount, answerCount, maxTokens) = ("", 200, 50, 600);
var root = FindRoot();
var model = Path.Combine(root, "tests", "Golden", "deepseek-v3", "hf");
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--any-order": written = JsonGrammarOptions.Default; break;
        case "--schemas" when i + 1 < args.Length: schemaCount = Number(args[++i]); break;
        case "--answers" when i + 1 < args.Length: answerCount = Number(args[++i]); break;
        case "--max-tokens" when i + 1 < args.Length: maxTokens = Number(args[++i]); break;
        case "--model" when i + 1 < args.Length: model = Path.GetFullPath(args[++i]); break;
        default: folder = Path.GetFullPath(args[i]); break;
    }
}
if (!Directory.Exists(folder))
{
    Console.Error.WriteLine("validity.cs: expected DIR, a folder with files of MaskBench's form");
    return 2;
}

var packages = Path.Combine(root, "artifacts", "grammar-validity");
Directory.CreateDirectory(packages);
File.Copy(Path.Combine(root, "bench", "grammar-validity", "package.json"), Path.Combine(packages, "package.json"), overwrite: true);
using (var install = Process.Start("npm", ["install", "--silent", "--prefix", packages])) await install.WaitForExitAsync();

var files = Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal).ToList();
var stride = Math.Max(1, files.Count / (schemaCount * 2));
var candidates = files.Where((_, index) => index % stride == 0).Select(path => (Name: Path.GetFileName(path), Schema: SchemaOf(path))).ToList();
var judged = Judge([.. candidates.Select(candidate => (candidate.Schema, Array.Empty<string>()))]);
var usable = candidates.Where((_, index) => judged[index]["compiled"]!.GetValue<bool>()).ToList();
Console.Error.WriteLine($"{candidates.Count} candidates, {usable.Count} that ajv compiles");

using var checkpoint = Checkpoint.Open(model);
await using var generator = TextGenerator.Open(checkpoint, new TextGeneratorOptions { MaxConcurrent = 8, MaxQueued = 4096 }, new EngineOptions { ThreadCount = 1, MaxContext = maxTokens + 64, MaxSequences = 8 });
var closing = Enumerable.Range(0, generator.Tokenizer.VocabSize).Where(id => !generator.Tokenizer.IsControl(id) && generator.Tokenizer.TokenBytes(id).ContainsAny("\"]}"u8)).ToDictionary(id => id, _ => 3.0);
var asked = new List<(string Name, string Schema, string[] Outputs)>();
var (cut, refused) = (0, 0);
foreach (var (name, schema) in usable)
{
    if (asked.Count == schemaCount) break;
    Grammar grammar;
    try
    {
        grammar = JsonSchemaGrammar.Compile(schema, written).Grammar;
    }
    catch (GrammarException)
    {
        refused++;
        continue;
    }
    var outputs = new List<string>();
    for (var round = 0; round < 3 && outputs.Count < answerCount; round++)
    {
        var results = await Task.WhenAll(Enumerable.Range(0, answerCount - outputs.Count).Select(index => generator.CompleteAsync(
            [1 + index % 400, 2, 3], new GenerationOptions { Grammar = grammar, MaxTokens = maxTokens, Sampling = new SamplingOptions { Seed = (ulong)(round * 1000 + index), LogitBias = closing } })));
        cut += results.Count(result => result.FinishReason != FinishReason.Stop);
        outputs.AddRange(results.Where(result => result.FinishReason == FinishReason.Stop).Select(result => result.Text));
    }
    if (outputs.Count > 0) asked.Add((name, schema, [.. outputs]));
}

var verdicts = Judge([.. asked.Select(item => (item.Schema, item.Outputs))]);
var invalid = 0;
for (var index = 0; index < asked.Count; index++)
{
    foreach (var fault in verdicts[index]["invalid"]!.AsArray())
    {
        invalid++;
        var text = fault!["text"]!.GetValue<string>();
        Console.Error.WriteLine($"{asked[index].Name}: {text[..Math.Min(300, text.Length)]}: {fault["reason"]}");
    }
}
var total = asked.Sum(item => item.Outputs.Length);
Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"{asked.Count} schemas, {total} answers ({asked.Sum(item => item.Outputs.Distinct().Count())} different, {asked.Sum(item => item.Outputs.Sum(text => (long)text.Length))} characters): {total - invalid} valid, {invalid} invalid; {cut} cut at {maxTokens} tokens; {refused} schemas refused by name"));
return invalid == 0 ? 0 : 1;

List<JsonNode> Judge(IReadOnlyList<(string Schema, string[] Outputs)> items)
{
    var info = new ProcessStartInfo("node", [Path.Combine(root, "bench", "grammar-validity", "validate.mjs"), packages]) { RedirectStandardInput = true, RedirectStandardOutput = true };
    using var process = Process.Start(info)!;
    var reading = Task.Run(process.StandardOutput.ReadToEnd);
    foreach (var (schema, outputs) in items)
        process.StandardInput.Write(new JsonObject { ["schema"] = schema, ["outputs"] = new JsonArray([.. outputs.Select(text => (JsonNode)text)]) }.ToJsonString() + "\n");
    process.StandardInput.Close();
    var verdicts = reading.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!).ToList();
    return verdicts.Count == items.Count ? verdicts : throw new InvalidOperationException($"the validator judged {verdicts.Count} of {items.Count} schemas");
}

static string SchemaOf(string path)
{
    using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { MaxDepth = 512 });
    return document.RootElement.GetProperty("schema").GetRawText();
}

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

static string FindRoot()
{
    var folder = Directory.GetCurrentDirectory();
    while (!File.Exists(Path.Combine(folder, "Hadal.slnx")))
        folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("run validity.cs inside the repository");
    return folder;
}
