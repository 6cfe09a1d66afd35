// What a grammar costs while a model writes: answers of equal length with and without one, in turns, and structured output with its forced tokens.
//   dotnet run -c Release bench/grammar-throughput.cs [-- --rounds 15] [--tokens 400] [--threads 1] [--model DIR] [--kind NAME]
// A round is free, bound, bound, free, so that what drifts falls out; printed is the median over rounds of bound / free with its 95 % interval (bootstrap).
// 'any text' allows whatever the model would write, so that both sides write the same tokens; 'strings' is JSON of free strings; 'record' has many keys that are forced.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property TieredPGO=false
#:property RestorePackagesWithLockFile=false
#:project ../src/Hadal.Inference/Hadal.Inference.csproj

using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Grammars;
using Hadal.Inference.Grammars.Formal;
using Hadal.Inference.Grammars.Json;
using Hadal.Inference.Models;

var (rounds, tokens, threads, model, kind) = (15, 400, 1, Path.Combine(FindRoot(), "models", "hadal-mini"), (string?)null);
for (var i = 0; i < args.Length; i += 2)
{
    switch (args[i])
    {
        case "--rounds" when i + 1 < args.Length: rounds = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--kind" when i + 1 < args.Length: kind = args[i + 1]; break;
        case "--tokens" when i + 1 < args.Length: tokens = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--threads" when i + 1 < args.Length: threads = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--model" when i + 1 < args.Length: model = Path.GetFullPath(args[i + 1]); break;
        default: Console.Error.WriteLine($"grammar-throughput.cs: unknown option '{args[i]}'; there are --rounds N, --tokens N, --threads N, --model DIR and --kind NAME"); return 2;
    }
}

using var checkpoint = Checkpoint.Open(model);
await using var generator = TextGenerator.Open(
    checkpoint, new TextGeneratorOptions { MaxConcurrent = 1 }, new EngineOptions { ThreadCount = threads, MaxSequences = 1, MaxContext = tokens + 64, Arithmetic = Arithmetic.Integer });
var prompt = generator.Tokenizer.Encode("Tell me about whales and the sea they live in.", addSpecial: false).ToArray();
var readings = string.Join(",", Enumerable.Range(0, 60).Select(i => $"\"reading_of_sensor_{i}\":{{\"type\":\"object\",\"properties\":{{\"state\":{{\"enum\":[\"within limits\",\"above limits\"]}},\"is_confirmed\":{{\"type\":\"boolean\"}}}},\"required\":[\"state\",\"is_confirmed\"],\"additionalProperties\":false}}"));
var written = new JsonGrammarOptions { PropertyOrder = JsonPropertyOrder.Declared };
(string Name, Grammar Grammar)[] kinds =
[
    ("any text", PlainGrammars.FromRegex("[\\s\\S]*")),
    ("strings", JsonSchemaGrammar.Compile("""{"type":"array","minItems":1000000,"items":{"type":"object","properties":{"title":{"type":"string"},"text":{"type":"string"}},"required":["title","text"],"additionalProperties":false}}""", written).Grammar),
    ("record", JsonSchemaGrammar.Compile($"{{\"type\":\"object\",\"properties\":{{{readings}}},\"required\":[{string.Join(",", Enumerable.Range(0, 60).Select(i => $"\"reading_of_sensor_{i}\""))}],\"additionalProperties\":false}}", written).Grammar),
];

// Warm-up: the runtime compiles, and tables of the grammars are built.
for (var round = 0; round < 3; round++)
{
    await Speed(null, 0);
    foreach (var (_, grammar) in kinds) await Speed(grammar, 0);
}
foreach (var (name, grammar) in kinds.Where(entry => kind is null || entry.Name == kind))
{
    var (free, bound, ratios) = (new List<double>(), new List<double>(), new List<double>());
    for (var round = 0; round < rounds; round++)
    {
        var seed = (ulong)round;
        var (before, first, second, after) = (await Speed(null, seed), await Speed(grammar, seed), await Speed(grammar, seed), await Speed(null, seed));
        free.Add((before + after) / 2);
        bound.Add((first + second) / 2);
        ratios.Add(bound[^1] / free[^1]);
    }
    foreach (var list in (List<double>[])[free, bound, ratios]) list.Sort();
    var (low, high) = Interval(ratios);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"| {name} | {rounds} rounds of 4 × {tokens} tokens, {threads} threads | free {Text(free, "F0")} tokens/s | bound {Text(bound, "F0")} tokens/s | bound / free {Text(ratios, "F3")}, median within {low:F3} to {high:F3} |"));
}
return 0;

// Tokens a second behind the first, of an answer that is cut at its length.
async Task<double> Speed(Grammar? grammar, ulong seed)
{
    var result = await generator.CompleteAsync(prompt, new GenerationOptions { Grammar = grammar, IgnoreEos = grammar is null, MaxTokens = tokens, Sampling = new SamplingOptions { Seed = seed, Temperature = 0.8, LogitBias = NoEnd() } });
    return result.TokenIds.Count == tokens ? result.Usage.DecodeTokensPerSecond : throw new InvalidOperationException($"an answer ended after {result.TokenIds.Count} of {tokens} tokens: {result.Text[^Math.Min(80, result.Text.Length)..]}");
}

// A grammar may not be told to ignore ends, so that they are made unlikely.
Dictionary<int, double> NoEnd() => generator.EndTokenIds.ToDictionary(id => id, _ => -100.0);

// 95 % interval of the median: medians of lists drawn from the list with replacement.
static (double Low, double High) Interval(List<double> values)
{
    var random = new Random(1);
    var medians = Enumerable.Range(0, 4000).Select(_ => Enumerable.Range(0, values.Count).Select(_ => values[random.Next(values.Count)]).Order().ElementAt(values.Count / 2)).Order().ToList();
    return (medians[100], medians[3899]);
}

static string Text(List<double> sorted, string format)
{
    return string.Create(CultureInfo.InvariantCulture, $"{At(0.5)} ({At(0.25)} to {At(0.75)})");

    string At(double share) => sorted[(int)Math.Round(share * (sorted.Count - 1))].ToString(format, CultureInfo.InvariantCulture);
}

static string FindRoot()
{
    var folder = Directory.GetCurrentDirectory();
    while (!File.Exists(Path.Combine(folder, "Hadal.slnx")))
        folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("run grammar-throughput.cs inside the repository");
    return folder;
}
