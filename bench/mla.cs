// Latent attention in its two forms, absorbed and plain: tokens per second of prompts of several lengths, in turns, and from which length on the plain form is ahead.
//   hadal synth deepseek-v2-lite -o DIR --layers 3 --quantization int4-g128
//   dotnet run bench/mla.cs -- DIR [--lengths 32,64,128,256,512,1024,2048] [--rounds 5] [--threads 2] [--batch 256]
// Medians over the rounds. The engine keeps to the absorbed form, because a token's numbers must not depend on how a prompt is cut; EngineOptions.MlaForm chooses.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:property AssemblyName=Hadal.Benchmarks
#:project ../src/Hadal.Inference/Hadal.Inference.csproj

using System.Diagnostics;
using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Inference.Models;

if (args is not [var path, ..])
{
    Console.Error.WriteLine("mla.cs: expected the directory of a checkpoint with latent attention; the head of the file has the options");
    return 2;
}

int[] lengths = [32, 64, 128, 256, 512, 1024, 2048];
int rounds = 5, threads = 2, batch = 256;
for (var i = 1; i + 1 < args.Length; i += 2)
{
    switch (args[i])
    {
        case "--lengths": lengths = [.. args[i + 1].Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture))]; break;
        case "--rounds": rounds = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--batch": batch = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--threads": threads = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        default: Console.Error.WriteLine($"mla.cs: unknown option '{args[i]}'"); return 2;
    }
}

using var checkpoint = Checkpoint.Open(path);
var options = new EngineOptions { ThreadCount = threads, Arithmetic = Arithmetic.Integer, MaxContext = lengths.Max(), MaxBatchTokens = batch };
using var absorbed = DecoderModel.Open(checkpoint, options with { MlaForm = MlaForm.Absorbed });
using var plain = DecoderModel.Open(checkpoint, options with { MlaForm = MlaForm.Plain });
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(path)}, {threads} threads, {batch} tokens computed together, medians of {rounds} rounds"));
Console.WriteLine("| prompt, tokens | absorbed, tokens/s | plain, tokens/s | plain : absorbed |");
Console.WriteLine("|---|---|---|---|");
foreach (var length in lengths)
{
    var seconds = new[] { new List<double>(), new List<double>() };
    for (var round = -1; round < rounds; round++)
    {
        for (var form = 0; form < 2; form++)
        {
            var time = Seconds(form == 0 ? absorbed : plain, length);
            if (round >= 0) seconds[form].Add(time);
        }
    }

    double first = Median(seconds[0]), second = Median(seconds[1]);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {length} | {length / first:F0} | {length / second:F0} | {first / second:F2} |"));
}

return 0;

static double Seconds(DecoderModel model, int length)
{
    using var cache = model.CreateCache();
    var batch = new ScheduledBatch(model.Config.VocabSize);
    batch.Add(cache, Enumerable.Range(0, length).Select(i => 3 + (i * 7919 % 200)).ToArray(), 1);
    var watch = Stopwatch.StartNew();
    model.Forward(batch);
    return watch.Elapsed.TotalSeconds;
}

static double Median(List<double> values)
{
    values.Sort();
    return values[values.Count / 2];
}
