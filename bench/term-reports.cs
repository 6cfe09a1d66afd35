// Reports of a model with random weights in which every finding is a term of a lexicon: how many terms are none of it, and what ids they have.
//   dotnet run bench/term-reports.cs -- TERMS.obo[.gz] [--reports 1000] [--model DIR]
// Terms are the names and synonyms of an OBO file, with case and plural variants.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../src/Hadal.Inference/Hadal.Inference.csproj

using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Lexicons;
using Hadal.Inference.Models;

var (file, reportCount, model) = ("", 1000, Path.Combine(FindRoot(), "tests", "Golden", "deepseek-v3", "hf"));
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--reports" when i + 1 < args.Length: reportCount = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--model" when i + 1 < args.Length: model = Path.GetFullPath(args[++i]); break;
        default: file = Path.GetFullPath(args[i]); break;
    }
}
if (!File.Exists(file))
{
    Console.Error.WriteLine("term-reports.cs: expected an OBO file");
    return 2;
}

var start = Stopwatch.GetTimestamp();
var lexicon = Lexicon.Build(Terms(file));
var builder = new GrammarBuilder();
var finding = builder.Sequence(
    builder.Literal("{\"term\": \""), builder.Lexeme(lexicon.ToRegex(builder.Regexes, inJsonString: true)),
    builder.Literal("\", \"certainty\": \""), builder.Choice(builder.Literal("certain"), builder.Literal("probable"), builder.Literal("excluded")), builder.Literal("\"}"));
var grammar = builder.Build(builder.Sequence(
    builder.Literal("{\"findings\": ["), finding, builder.Repeat(builder.Sequence(builder.Literal(", "), finding), 0, 4), builder.Literal("]}")));
var built = Stopwatch.GetElapsedTime(start).TotalMilliseconds;

using var checkpoint = Checkpoint.Open(model);
await using var generator = TextGenerator.Open(checkpoint, new TextGeneratorOptions { MaxConcurrent = 8, MaxQueued = reportCount }, new EngineOptions { ThreadCount = 1, MaxContext = 2048, MaxSequences = 8 });
start = Stopwatch.GetTimestamp();
var results = await Task.WhenAll(Enumerable.Range(0, reportCount).Select(index => generator.CompleteAsync(
    [1 + index % 400, 2, 3], new GenerationOptions { Grammar = grammar, MaxTokens = 2000, Sampling = new SamplingOptions { Seed = (ulong)index } })));
var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;

var terms = results.Where(result => result.FinishReason == FinishReason.Stop)
    .SelectMany(result => JsonElement.Parse(result.Text).GetProperty("findings").EnumerateArray().Select(item => item.GetProperty("term").GetString()!)).ToList();
Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"lexicon: {lexicon.Count} spellings in {lexicon.StateCount} states, built with its grammar in {built:F0} ms"));
Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"{reportCount} reports ({results.Count(result => result.FinishReason != FinishReason.Stop)} not ended), {terms.Count} findings of {terms.Distinct().Count()} different terms: {terms.Count(term => lexicon.IdsOf(term).Count == 0)} outside of the lexicon; {terms.SelectMany(lexicon.IdsOf).Distinct().Count()} different ids attached; {results.Sum(result => result.TokenIds.Count) / seconds:F0} tokens/s"));
foreach (var term in terms.Take(3)) Console.WriteLine($"  {term}: {string.Join(", ", lexicon.IdsOf(term))}");
return terms.TrueForAll(term => lexicon.IdsOf(term).Count > 0) ? 0 : 1;

static List<(string Term, string Id)> Terms(string path)
{
    using var stream = path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(File.OpenRead(path), CompressionMode.Decompress) : (Stream)File.OpenRead(path);
    using var reader = new StreamReader(stream);
    var (terms, id) = (new List<(string, string)>(), "");
    while (reader.ReadLine() is { } line)
    {
        if (line.StartsWith("id: ", StringComparison.Ordinal)) id = line[4..];
        else if (line.StartsWith("name: ", StringComparison.Ordinal)) terms.Add((line[6..], id));
        else if (line.StartsWith("synonym: \"", StringComparison.Ordinal) && line.IndexOf('"', 10) is var end and > 10) terms.Add((line[10..end].Replace("\\", "", StringComparison.Ordinal), id));
    }
    return [.. terms.Where(term => term.Item1.Trim().Length > 0)];
}

static string FindRoot()
{
    var folder = Directory.GetCurrentDirectory();
    while (!File.Exists(Path.Combine(folder, "Hadal.slnx")))
        folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("run term-reports.cs inside the repository");
    return folder;
}
