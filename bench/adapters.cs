// What it takes to open an adapter, to add it to an engine that runs, to choose among loaded ones, and to remove it; and what answers being written notice of it. Medians and 99th percentiles, milliseconds.
//   dotnet run -c Release bench/adapters.cs -- [--model models/hadal-mini] [--rank 8] [--embedding 0] [--lengths no] [--rounds 200] [--threads 1]
// Adapters of all linear layers (but routed experts and kv_b_proj) with drawn numbers; --embedding R adapts the table of embeddings too, with rank R, --lengths yes trains lengths (DoRA). Opening, adding and removing are done by the caller's thread.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../src/Hadal.Inference/Hadal.Inference.csproj

using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;

var (path, rank, embedding, hasLengths, rounds, threads) = (Path.Combine("models", "hadal-mini"), 8, 0, false, 200, 1);
for (var i = 0; i + 1 < args.Length; i += 2)
{
    switch (args[i])
    {
        case "--model": path = args[i + 1]; break;
        case "--rank": rank = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--embedding": embedding = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--lengths": hasLengths = args[i + 1] == "yes"; break;
        case "--rounds": rounds = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        case "--threads": threads = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
        default: Console.Error.WriteLine($"adapters.cs: unknown option {args[i]}"); return 2;
    }
}

int[] prompt = [5, 6, 7, 8, 9, 10, 11, 12], token = [7];
using var checkpoint = Checkpoint.Open(path);
var folder = Directory.CreateTempSubdirectory("hadal-adapters-");
try
{
    string one = Write("one", 1), other = Write("other", 2);
    var engineOptions = new EngineOptions { ThreadCount = threads, MaxContext = 1024, MaxSequences = 2 };
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{path}, rank {rank}{(embedding > 0 ? $", embeddings {embedding}" : "")}{(hasLengths ? ", DoRA" : "")}, {rounds} rounds, {threads} threads"));
    await using (var generator = TextGenerator.Open(checkpoint, new TextGeneratorOptions { MaxConcurrent = 2 }, engineOptions))
    {
        await ComeAndGoAsync(generator, one);
        await RequestsAsync(generator, one, other);
    }

    Steps(one, other, engineOptions);
    return 0;
}
finally
{
    folder.Delete(recursive: true);
}

// Each round opens, adds, asks for a token, removes.
async Task ComeAndGoAsync(TextGenerator generator, string directory)
{
    var (opening, adding, removing) = (new List<double>(), new List<double>(), new List<double>());
    for (var round = -10; round < rounds; round++)
    {
        var start = Stopwatch.GetTimestamp();
        using var adapter = LoraAdapter.Open(directory, checkpoint.Config);
        var opened = Stopwatch.GetTimestamp();
        var ready = generator.AddAdapter(adapter);
        var added = Stopwatch.GetTimestamp();
        await AskAsync(generator, ready);
        var asked = Stopwatch.GetTimestamp();
        ready.Dispose();
        var removed = Stopwatch.GetTimestamp();
        if (round < 0) continue;
        opening.Add(Stopwatch.GetElapsedTime(start, opened).TotalMilliseconds);
        adding.Add(Stopwatch.GetElapsedTime(opened, added).TotalMilliseconds);
        removing.Add(Stopwatch.GetElapsedTime(asked, removed).TotalMilliseconds);
    }

    Say("open from disk", opening);
    Say("add to the running engine", adding);
    Say("remove", removing);
}

// Requests for one token, in turns: two with one adapter, then two that alternate.
async Task RequestsAsync(TextGenerator generator, string one, string other)
{
    using LoraAdapter a = LoraAdapter.Open(one, checkpoint.Config), b = LoraAdapter.Open(other, checkpoint.Config);
    using DecoderAdapter first = generator.AddAdapter(a), second = generator.AddAdapter(b);
    var (same, changed) = (new List<double>(), new List<double>());
    for (var round = -10; round < rounds; round++)
    {
        await AskAsync(generator, first);
        var again = await AskAsync(generator, first);
        var switched = await AskAsync(generator, second);
        if (round < 0) continue;
        same.Add(again);
        changed.Add(switched);
    }

    Say("a request of 8 tokens with the adapter of the one before", same);
    Say("the same with another adapter", changed);
}

async Task<double> AskAsync(TextGenerator generator, DecoderAdapter adapter)
{
    var start = Stopwatch.GetTimestamp();
    await generator.CompleteAsync(prompt, new GenerationOptions { Sampling = SamplingOptions.Greedy, MaxTokens = 1, IgnoreEos = true, Adapter = adapter });
    return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
}

// Single steps of one sequence without the engine's queue: what choosing costs a pass, and what a pass notices of adapters that another thread adds and removes meanwhile.
void Steps(string one, string other, EngineOptions options)
{
    using var model = DecoderModel.Open(checkpoint, options);
    using LoraAdapter a = LoraAdapter.Open(one, checkpoint.Config), b = LoraAdapter.Open(other, checkpoint.Config);
    using DecoderAdapter first = model.AddAdapter(a), second = model.AddAdapter(b);
    using KvCache cache = model.CreateCache();
    var batch = new ScheduledBatch(checkpoint.Config.VocabSize);
    var (none, same, changed) = (new List<double>(), new List<double>(), new List<double>());
    for (var round = -10; round < rounds; round++)
    {
        if (cache.Length + 4 > model.MaxContext) cache.Truncate(0);
        var times = new[] { Step(null), Step(first), Step(first), Step(second) };
        if (round < 0) continue;
        none.Add(times[0]);
        same.Add(times[2]);
        changed.Add(times[3]);
    }

    Say("a step without adapter", none);
    Say("a step with the adapter of the step before", same);
    Say("a step with another adapter", changed);

    // In turns of 25 steps, calm and busy: the machine's speed changes by the minute.
    var (calm, busy, changes) = (new List<double>(), new List<double>(), 0);
    for (var turn = 0; turn < Math.Max(2, rounds / 10); turn++)
    {
        var isBusy = turn % 2 == 1;
        if (cache.Length + 25 > model.MaxContext) cache.Truncate(0);
        using var ending = new CancellationTokenSource();
        var swapping = Task.Run(() =>
        {
            for (; isBusy && !ending.IsCancellationRequested; changes++) model.AddAdapter(a).Dispose();
        });
        for (var step = 0; step < 25; step++) (isBusy ? busy : calm).Add(Step(first));
        ending.Cancel();
        swapping.Wait();
    }

    Say("a step while nothing is added or removed", calm);
    Say($"a step while another thread adds and removes without a break ({changes} times)", busy);

    double Step(DecoderAdapter? adapter)
    {
        batch.Clear();
        batch.Add(cache, token, 1, adapter);
        var start = Stopwatch.GetTimestamp();
        model.Forward(batch);
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}

static void Say(string what, List<double> times)
{
    times.Sort();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-78} median {times[times.Count / 2],8:F3}   p99 {times[times.Count * 99 / 100],8:F3}   n {times.Count}"));
}

string Write(string name, int seed)
{
    var (directory, random) = (folder.CreateSubdirectory(name).FullName, new Random(seed));
    File.WriteAllText(Path.Combine(directory, "adapter_config.json"), string.Create(CultureInfo.InvariantCulture, $$"""{"peft_type":"LORA","r":{{rank}},"rank_pattern":{"embed_tokens":{{Math.Max(1, embedding)}}},"lora_alpha":{{2 * rank}},"use_dora":{{(hasLengths ? "true" : "false")}}}"""));
    var tensors = new List<TensorToWrite>();
    var prediction = string.Create(CultureInfo.InvariantCulture, $"model.layers.{checkpoint.Config.NumHiddenLayers}.");
    foreach (var spec in WeightManifest.For(checkpoint.Config).Where(spec => spec is { Quantizable: true, Role: WeightRole.Projection } && checkpoint.Tensors.ContainsKey(spec.Name) && !spec.Name.Contains("kv_b_proj", StringComparison.Ordinal) && !spec.Name.Contains("indexer", StringComparison.Ordinal) && !spec.Name.StartsWith(prediction, StringComparison.Ordinal)))
    {
        var module = spec.Name[..^".weight".Length];
        Add(module, "lora_A.weight", [rank, spec.Shape[1]]);
        Add(module, "lora_B.weight", [spec.Shape[0], rank]);
        if (hasLengths) Add(module, "lora_magnitude_vector", [spec.Shape[0]], 1);
    }

    if (embedding > 0)
    {
        Add("model.embed_tokens", "lora_embedding_A", [embedding, checkpoint.Config.VocabSize]);
        Add("model.embed_tokens", "lora_embedding_B", [checkpoint.Config.HiddenSize, embedding]);
        if (hasLengths) Add("model.embed_tokens", "lora_magnitude_vector", [checkpoint.Config.HiddenSize], 1);
    }

    SafetensorsWriter.Write(Path.Combine(directory, "adapter_model.safetensors"), tensors);
    return directory;

    void Add(string module, string part, int[] shape, float centre = 0)
    {
        var values = new float[shape.Aggregate(1, (a, b) => a * b)];
        for (var i = 0; i < values.Length; i++) values[i] = centre + ((random.NextSingle() - 0.5f) * 0.02f);
        tensors.Add(new TensorToWrite($"base_model.model.{module}.{part}", DType.F32, shape, stream => stream.Write(MemoryMarshal.AsBytes<float>(values))));
    }
}
