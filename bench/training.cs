// Tokens per second of the pretraining loop beside the matrix-product speed of the same minutes, so that the share of it that training uses can be compared between machines.
//   dotnet run -c Release bench/training.cs -- models/hadal-mini/pretrain.json [--rounds 3] [--steps 10] [--set key=value]
// Products: 1024 × 1024 times 1024 × 1024 in the compute type of the run. Training: 6 floating-point operations per active weight and token (forward 2, backward 4) and those of
// causal attention; recomputation, optimiser and softmax are not counted. Rounds alternate; medians are printed.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:project ../src/Hadal.Training/Hadal.Training.csproj

using System.Diagnostics;
using System.Globalization;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Torch;
using Hadal.Training.Trainers;
using static TorchSharp.torch;

string? configPath = null;
var (rounds, steps) = (3, 10);
List<string> changes = [];
for (var i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--rounds": rounds = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--steps": steps = int.Parse(args[++i], CultureInfo.InvariantCulture); break;
        case "--set": changes.Add(args[++i]); break;
        default: configPath = args[i]; break;
    }
}

if (configPath is null)
{
    Console.Error.WriteLine("training.cs: needs the CONFIG.json of a pretraining");
    return 2;
}

TorchRuntime.Initialize();
var output = Directory.CreateTempSubdirectory("hadal-bench-");
try
{
    string[] fixedKeys = [$"output={output.FullName}", "indexer_warmup_steps=0", "sparse_steps=0", "evaluate_every_steps=0", "checkpoint_every_steps=0", $"log_every_steps={steps}"];
    var options = PretrainOptions.Read(configPath, [.. changes, .. fixedKeys, $"steps={(rounds + 1) * steps}"]);
    set_num_threads(options.ThreadCount > 0 ? options.ThreadCount : Environment.ProcessorCount);
    var type = options.ComputeType == "bfloat16" ? ScalarType.BFloat16 : ScalarType.Float32;
    List<double> products = [], tokens = [];
    var (watch, read) = (new Stopwatch(), 0L);
    var model = Pretrain.Run(options, resume: false, new Report(metrics =>
    {
        if (metrics.Step % steps != 0) return;
        // The first round warms up. The clock stands while products are measured.
        if (watch.IsRunning) tokens.Add((metrics.Tokens - read) / watch.Elapsed.TotalSeconds);
        products.Add(Products(type));
        read = metrics.Tokens;
        watch.Restart();
    }), CancellationToken.None);

    using var checkpoint = Checkpoint.Open(model);
    var perToken = OperationsPerToken((DeepSeekConfig)checkpoint.Config, options);
    var (product, speed) = (Median(products), Median(tokens));
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{options.ComputeType}, {get_num_threads()} threads: {speed:F0} tokens/s × {perToken / 1e6:F2} MFLOP = {speed * perToken / 1e9:F1} GFLOP/s, products {product:F1} GFLOP/s, share {speed * perToken / 1e9 / product:P0}"));
    return 0;
}
finally
{
    output.Delete(recursive: true);
}

static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

static double Products(ScalarType type)
{
    using var scope = NewDisposeScope();
    using var noGradient = no_grad();
    var (a, b) = (randn([1024, 1024]).to(type), randn([1024, 1024]).to(type));
    matmul(a, b);
    var watch = Stopwatch.StartNew();
    var count = 0;
    for (; watch.Elapsed.TotalSeconds < 1; count++)
    {
        using var inner = NewDisposeScope();
        matmul(a, b);
    }

    return count * 2.0 * 1024 * 1024 * 1024 / watch.Elapsed.TotalSeconds / 1e9;
}

static double OperationsPerToken(DeepSeekConfig config, PretrainOptions options)
{
    double main = 0, prediction = 0;
    foreach (var spec in WeightManifest.For(config).Where(spec => spec.Shape.Count == 2 && !spec.Optional && !spec.Name.Contains(".indexer.", StringComparison.Ordinal)))
    {
        // Looking an embedding up costs nothing; multiplying by it as the head does.
        if (spec.Role == WeightRole.Embedding) continue;
        var share = spec.Role == WeightRole.Expert ? (double)config.NumExpertsPerTok!.Value / config.NRoutedExperts!.Value : 1;
        var layer = spec.Name.Split('.') is ["model", "layers", var index, ..] ? int.Parse(index, CultureInfo.InvariantCulture) : -1;
        if (layer >= config.NumHiddenLayers) prediction += share * spec.ElementCount;
        else if (spec.Role != WeightRole.OutputHead) main += share * spec.ElementCount;
    }

    double head = (double)config.VocabSize * config.HiddenSize, attention = config.NumAttentionHeads * (double)(config.QkHeadDim + config.VHeadDim) * (options.SequenceLength + 1) / 2;
    var predicted = options.MtpShare * (prediction + (config.NumNextnPredictLayers * (head + attention)));
    return 6 * (main + head + (config.NumHiddenLayers * attention) + predicted);
}

file sealed class Report(Action<StepMetrics> onStep) : IProgress<StepMetrics>
{
    void IProgress<StepMetrics>.Report(StepMetrics value) => onStep(value);
}
