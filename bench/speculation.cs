// What guessing tokens gains: one answer at a time with --speculate off, auto and on, in turns; tokens per second after the first, guesses and how many were right.
//   dotnet run -c Release bench/speculation.cs -- [MODEL] [--tokens 200] [--rounds 5] [--threads N]
// Texts: free (drawn from the model), greedy, and one that repeats itself: the likeliest tokens among those of a list that stands four times in the prompt. The answers of the three modes are compared.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:property AssemblyName=Hadal.Benchmarks
#:project ../src/Hadal.Inference/Hadal.Inference.csproj

using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;

var (model, tokens, rounds, threads) = ("models/hadal-mini", 200, 5, Environment.ProcessorCount);
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--tokens": tokens = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--rounds": rounds = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--threads": threads = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        default: model = args[i]; break;
    }
}

using var checkpoint = Checkpoint.Open(model);
var engineOptions = new EngineOptions { ThreadCount = threads, MaxContext = tokens + 128, MaxSequences = 1, Arithmetic = Arithmetic.Integer };
Speculation[] modes = [Speculation.Off, Speculation.Auto, Speculation.Always];
var random = new Random(2);
int[] start = [.. Enumerable.Range(0, 24).Select(_ => random.Next(100, 2000))];
int[] list = [.. Enumerable.Range(0, 4).SelectMany(_ => start[..16])];
var greedy = new GenerationOptions { Sampling = SamplingOptions.Greedy, MaxTokens = tokens, IgnoreEos = true };
var bias = start[..16].Distinct().ToDictionary(id => id, _ => 100.0);
(string Name, int[] Prompt, GenerationOptions Options)[] texts =
[
    ("free", start, greedy with { Sampling = new SamplingOptions { Temperature = 0.8, TopP = 0.95, Seed = 5 } }),
    ("greedy", start, greedy),
    ("repeats itself", list, greedy with { Sampling = SamplingOptions.Greedy with { LogitBias = bias } }),
];
Console.WriteLine("| text | speculation | tokens/s | guessed | right |");
Console.WriteLine("|---|---|---|---|---|");
var generators = modes.Select(mode => TextGenerator.Open(checkpoint, new TextGeneratorOptions { MaxConcurrent = 1, Speculation = mode }, engineOptions)).ToArray();
foreach (var (name, prompt, options) in texts)
{
    var rates = modes.Select(_ => new List<double>()).ToArray();
    var results = new GenerationResult[modes.Length];
    for (var round = 0; round <= rounds; round++)
    {
        for (var mode = 0; mode < modes.Length; mode++)
        {
            results[mode] = await generators[mode].CompleteAsync(prompt, options);
            if (round > 0) rates[mode].Add(results[mode].Usage.DecodeTokensPerSecond);
            if (!results[mode].TokenIds.SequenceEqual(results[0].TokenIds)) throw new InvalidOperationException("guessing changed an answer");
        }
    }

    for (var mode = 0; mode < modes.Length; mode++)
    {
        var usage = results[mode].Usage;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {modes[mode]} | {rates[mode].Order().ElementAt(rates[mode].Count / 2):F1} | {usage.GuessedTokens} | {usage.AcceptedTokens} |"));
    }
}

foreach (var generator in generators) await generator.DisposeAsync();
