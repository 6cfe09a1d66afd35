// What a decoding step of several sequences costs, and where it goes: the layers, the head, choosing tokens of its logits; medians in milliseconds.
//   dotnet run -c Release bench/steps.cs -- MODEL [--rows 1,4,8,16] [--threads N] [--depth 128] [--rounds 9]
// MODEL is a checkpoint directory or a .gguf file. Each row is a sequence of its own with as many tokens before it as --depth says.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:property AssemblyName=Hadal.Benchmarks
#:project ../src/Hadal.Inference/Hadal.Inference.csproj

using System.Diagnostics;
using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;

var (model, rowCounts, threads, depth, rounds) = ((string?)null, new[] { 1, 4, 8, 16 }, Environment.ProcessorCount, 128, 9);
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--rows": rowCounts = [.. args[++i].Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture))]; break;
        case "--threads": threads = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--depth": depth = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--rounds": rounds = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        default: model = args[i]; break;
    }
}

using var checkpoint = Checkpoint.Open(model ?? throw new ArgumentException("usage: steps.cs MODEL"));
var options = new EngineOptions { ThreadCount = threads, MaxContext = depth + (2 * rounds) + 16, MaxSequences = rowCounts.Max(), Arithmetic = Arithmetic.Integer };
using var decoder = DecoderModel.Open(checkpoint, options);
var vocabSize = checkpoint.Config.VocabSize;
var random = new Random(1);
var batch = new ScheduledBatch(vocabSize, rowCounts.Max());
var scratch = new SamplerScratch(vocabSize);
Console.WriteLine("| rows | whole step | layers | head | greedy choice | drawn choice | log-probability |");
Console.WriteLine("|---|---|---|---|---|---|---|");
foreach (var rows in rowCounts)
{
    var caches = Enumerable.Range(0, rows).Select(_ => decoder.CreateCache()).ToArray();
    foreach (var cache in caches) Forward([cache], depth, logits: 0);
    var times = Enumerable.Range(0, 5).Select(_ => new List<double>()).ToArray();
    for (var round = -1; round < rounds; round++)
    {
        Time(0, () => Forward(caches, 1, logits: 1));
        Choose(2, new Sampler(SamplingOptions.Greedy, 1));
        Choose(3, new Sampler(new SamplingOptions { Temperature = 0.7, TopP = 0.95 }, 1));
        Time(4, () =>
        {
            for (var row = 0; row < rows; row++) LogProbs.Measure(batch.LogitsOf(row), 1, [], scratch);
        });
        Time(1, () => Forward(caches, 1, logits: 0));

        void Time(int column, Action work)
        {
            var start = Stopwatch.GetTimestamp();
            work();
            if (round >= 0) times[column].Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        void Choose(int column, Sampler sampler) => Time(column, () =>
        {
            for (var row = 0; row < rows; row++) sampler.Next(batch.LogitsOf(row), [1, 2, 3], 2, scratch);
        });
    }

    var medians = times.Select(values => values.Order().ElementAt(values.Count / 2)).ToArray();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {rows} | {medians[0]:F1} | {medians[1]:F1} | {medians[0] - medians[1]:F1} | {medians[2]:F2} | {medians[3]:F2} | {medians[4]:F2} |"));
    foreach (var cache in caches) cache.Dispose();
}

return 0;

void Forward(KvCache[] caches, int count, int logits)
{
    batch.Clear();
    foreach (var cache in caches) batch.Add(cache, Enumerable.Range(0, count).Select(_ => random.Next(vocabSize)).ToArray(), logits);
    decoder.Forward(batch);
}
