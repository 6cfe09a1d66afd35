// Hadal, llama.cpp and ik_llama.cpp on one GGUF file, in turns: tokens/s as medians over rounds, with the bandwidth of the same minutes.
//   bench/peers/build.sh FOLDER                                      builds the peers from their public sources
//   dotnet run bench/peers.cs -- write SHAPE FILE.gguf [--layers N]  random weights: projections in Q4_0, the head in Q6_K, as the peers' own quantiser stores them
//   dotnet run bench/peers.cs -- compare FILE.gguf --peers FOLDER [--threads 2] [--prompt 0] [--generate 0] [--depth 0] [--rounds 5] [--settings llama.plain,ik.repack-flash]
// Rounds share one placement of each program's memory, which alone makes a fifth: start again to see it.
// Build Hadal first: dotnet build -c Release src/Hadal.Cli. --settings chooses what of each peer runs: see Peers. Where caches matter, all hold 16 bits.
#:property TargetFramework=net10.0
#:property PublishAot=false
#:property RestorePackagesWithLockFile=false
#:property AllowUnsafeBlocks=true
#:property AssemblyName=Hadal.Benchmarks
#:project ../src/Hadal.Inference/Hadal.Inference.csproj

using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Synthetic;
using Hadal.Checkpoints.Weights;

return args switch
{
    ["write", var shape, var file, .. var rest] => Write(shape, file, rest),
    ["compare", var file, .. var rest] => Compare(file, rest),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("peers.cs: expected write SHAPE FILE.gguf or compare FILE.gguf; the head of the file has the options");
    return 2;
}

static int Write(string shape, string file, string[] options)
{
    var config = PublishedShapes.Find(shape) ?? throw new ArgumentException($"SHAPE: expected one of {string.Join(", ", PublishedShapes.Names)}");
    if (options is ["--layers", var layers]) config = SyntheticCheckpoint.WithLayers(config, int.Parse(layers, CultureInfo.InvariantCulture));
    GgufWriter.Write(file, config);
    Console.WriteLine($"{file}: {new FileInfo(file).Length / 1e9:F2} GB");
    return 0;
}

static int Compare(string file, string[] options)
{
    int threads = 2, prompt = 0, generate = 0, depth = 0, rounds = 5;
    string? folder = null;
    var settings = "llama.plain,ik.repack-flash";
    for (var i = 0; i + 1 < options.Length; i += 2)
    {
        int Number() => int.Parse(options[i + 1], CultureInfo.InvariantCulture);
        switch (options[i])
        {
            case "--threads": threads = Number(); break;
            case "--prompt": prompt = Number(); break;
            case "--generate": generate = Number(); break;
            case "--depth": depth = Number(); break;
            case "--rounds": rounds = Number(); break;
            case "--peers": folder = options[i + 1]; break;
            case "--settings": settings = options[i + 1]; break;
            default: Console.Error.WriteLine($"peers.cs: unknown option '{options[i]}'"); return 2;
        }
    }

    FormattableString work = $"--threads {threads} --prompt {prompt} --generate {generate} --depth {depth}";
    var engines = Peers.Find(folder, settings).Select(peer => new Engine(peer.Name, peer.Program, [.. peer.Before, file, .. Words(work), .. peer.After])).ToList();
    var hadal = Directory.GetFiles(Path.Combine("src", "Hadal.Cli", "bin", "Release"), "hadal.dll", SearchOption.AllDirectories).MaxBy(File.GetLastWriteTimeUtc)!;
    var cache = depth + prompt > 1024 ? ["--cache", "bf16"] : Array.Empty<string>();
    engines.Insert(0, new Engine("Hadal", "dotnet", ["exec", hadal, "bench", file, .. Words(work), .. cache, "--turns"]));
    var bandwidth = new List<double>();
    // Each program opens the file, fills its context and warms up once; then all take turns.
    foreach (var engine in engines) engine.Start();
    for (var round = 0; round < rounds; round++)
    {
        bandwidth.Add(Bandwidth(threads));
        foreach (var engine in engines) engine.Run();
    }

    foreach (var engine in engines) engine.Dispose();

    Console.WriteLine(FormattableString.Invariant(
        $"{Path.GetFileName(file)}, {new FileInfo(file).Length / 1e9:F2} GB, {threads} threads, prompt {prompt}, generate {generate}, depth {depth}: medians of {rounds}, Hadal over the other, each run"));
    Console.WriteLine("| engine | work | tokens/s | ratio | runs |");
    Console.WriteLine("|---|---|---|---|---|");
    foreach (var engine in engines) engine.Print(engines[0]);
    Console.WriteLine(FormattableString.Invariant(
        $"memory read by {threads} threads: {Engine.Median(bandwidth):F1} GB/s ({string.Join(", ", bandwidth.Select(value => value.ToString("F1", CultureInfo.InvariantCulture)))})"));
    return 0;

    static double Bandwidth(int threads)
    {
        var start = new ProcessStartInfo("dotnet", ["run", "-c", "Release", Path.Combine("bench", "peak.cs"), "--", "--threads", threads.ToString(CultureInfo.InvariantCulture), "--rounds", "5", "--only", "memory", "--json"]) { RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        using var document = JsonDocument.Parse(process.StandardOutput.ReadToEnd());
        return document.RootElement[0].GetProperty("rate").GetDouble();
    }

    static string[] Words(FormattableString text) => FormattableString.Invariant(text).Split(' ');
}

/// <summary>The peers' programs and the settings that suit each work best.</summary>
internal static class Peers
{
    public static IEnumerable<(string Name, string Program, string[] Before, string[] After)> Find(string? folder, string settings)
    {
        if (folder is null) yield break;
        string llama = Path.Combine(folder, "peer-llama"), ik = Path.Combine(folder, "peer-ik_llama");
        foreach (var setting in settings.Split(','))
        {
            string[] after = setting[(setting.IndexOf('.') + 1)..] switch
            {
                "plain" => [],
                "flash" => ["--flash", "1"],
                "repack" => ["--repack", "1"],
                "repack-flash" => ["--repack", "1", "--flash", "1"],
                "mla" => ["--mla", "3", "--flash", "1"],
                "repack-mla" => ["--repack", "1", "--mla", "3", "--flash", "1"],
                _ => throw new ArgumentException($"--settings: unknown '{setting}'; expected llama. or ik. before plain, flash, repack, repack-flash, mla or repack-mla"),
            };
            var program = setting.StartsWith("ik.", StringComparison.Ordinal) ? ik : llama;
            yield return ($"{(program == ik ? "ik_llama.cpp" : "llama.cpp")} {setting[(setting.IndexOf('.') + 1)..]}", program, [], after);
        }
    }
}

internal sealed class Engine(string name, string program, string[] arguments) : IDisposable
{
    private readonly List<double> _prefill = [], _decode = [];
    private Process? _process;

    public void Start()
    {
        _process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        Turn();
    }

    public void Run()
    {
        var rates = Turn();
        Add(_prefill, rates, "prefill_tokens_per_second");
        Add(_decode, rates, "decode_tokens_per_second");
    }

    private JsonElement Turn()
    {
        _process!.StandardInput.Write('\n');
        _process.StandardInput.Flush();
        var line = _process.StandardOutput.ReadLine() ?? throw new InvalidOperationException($"{name}: ended without an answer");
        return JsonDocument.Parse(line).RootElement;
    }

    private static void Add(List<double> values, JsonElement rates, string work)
    {
        if (rates.GetProperty(work) is { ValueKind: JsonValueKind.Number } value) values.Add(value.GetDouble());
    }

    public void Dispose()
    {
        _process?.StandardInput.Close();
        _process?.WaitForExit();
        _process?.Dispose();
    }

    public void Print(Engine reference)
    {
        Print("prefill", _prefill, reference._prefill);
        Print("decode", _decode, reference._decode);
    }

    private void Print(string work, List<double> values, List<double> reference)
    {
        if (values.Count == 0) return;
        double median = Median(values), ratio = Median(reference) / median;
        Console.WriteLine(FormattableString.Invariant(
            $"| {name} | {work} | {median:F1} | {ratio:F2} | {string.Join(", ", values.Select(value => value.ToString("F1", CultureInfo.InvariantCulture)))} |"));
    }

    public static double Median(List<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>A GGUF file of version 3 with random weights, in the layout that both engines read.</summary>
/// <remarks>Source of the layout: ggml-org/ggml <c>docs/gguf.md</c>.</remarks>
internal static class GgufWriter
{
    private const int Alignment = 32;

    private static readonly string[] Modules =
    [
        "attn_norm", "ffn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "attn_q_norm", "attn_k_norm", "attn_q_a", "attn_q_a_norm", "attn_q_b", "attn_kv_a_mqa", "attn_kv_a_norm",
        "attn_kv_b", "ffn_gate", "ffn_up", "ffn_down", "ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps", "ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp", "exp_probs_b",
    ];

    public static void Write(string path, ModelConfig config)
    {
        var tensors = Tensors(config);
        var metadata = Metadata(config);
        using var stream = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20);
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write("GGUF"u8);
        writer.Write(3);
        writer.Write((long)tensors.Count);
        writer.Write((long)metadata.Count);
        foreach (var (key, value) in metadata)
        {
            Text(writer, key);
            switch (value)
            {
                case string text: writer.Write(8); Text(writer, text); break;
                case int number: writer.Write(4); writer.Write(number); break;
                case float number: writer.Write(6); writer.Write(number); break;
                case bool truth: writer.Write(7); writer.Write(truth); break;
                default: throw new InvalidOperationException(key);
            }
        }

        long offset = 0;
        foreach (var tensor in tensors)
        {
            Text(writer, tensor.Name);
            writer.Write(tensor.Shape.Length);
            foreach (var size in tensor.Shape.Reverse()) writer.Write((long)size);
            writer.Write(tensor.TypeCode);
            writer.Write(offset);
            offset += Align(tensor.ByteCount);
        }

        writer.Flush();
        stream.Position = Align(stream.Position);
        var random = new Random(1);
        foreach (var tensor in tensors)
        {
            Fill(stream, tensor, random);
            stream.Position = Align(stream.Position);
        }

        stream.SetLength(stream.Position);
    }

    private static List<Tensor> Tensors(ModelConfig config)
    {
        // Published name of layer 0 to the module of the file.
        var modules = new Dictionary<string, string>();
        foreach (var module in Modules)
            foreach (var end in new[] { ".weight", ".bias" })
                if (GgufTensors.Published($"blk.0.{module}{end}") is { } published) modules[published] = module + end;
        var list = new List<Tensor>();
        var experts = new HashSet<string>();
        foreach (var spec in WeightManifest.For(config).Where(spec => !spec.Optional || spec.Role is WeightRole.Embedding or WeightRole.OutputHead or WeightRole.Bias))
        {
            var shape = spec.Shape.ToArray();
            var name = spec.Name switch
            {
                "model.embed_tokens.weight" => "token_embd.weight",
                "model.norm.weight" => "output_norm.weight",
                "lm_head.weight" => "output.weight",
                _ => null,
            };
            if (name is null)
            {
                var parts = spec.Name.Split('.');
                var layer = parts[2];
                parts[2] = "0";
                if (spec.Role == WeightRole.Expert)
                {
                    if (parts[5] != "0") continue;
                    parts[5] = "*";
                    shape = [((DeepSeekConfig)config).NRoutedExperts!.Value, .. shape];
                }

                if (!modules.TryGetValue(string.Join('.', parts), out var module)) throw new InvalidOperationException($"no GGUF name for {spec.Name}");
                name = $"blk.{layer}.{module}";
            }

            var plain = shape.Length == 1 || spec.Role is WeightRole.Router or WeightRole.Norm;
            list.Add(new Tensor(name, shape, plain ? 0 : spec.Role == WeightRole.OutputHead ? 14 : 2));
        }

        return list;
    }

    private static List<(string Key, object Value)> Metadata(ModelConfig config)
    {
        var a = config is DeepSeekConfig ? "deepseek2" : config.ModelType;
        var list = new List<(string, object)>
        {
            ("general.architecture", a), ("general.name", "random weights"), ("general.file_type", 2), ("general.quantization_version", 2), ("tokenizer.ggml.model", "none"),
            ($"{a}.vocab_size", config.VocabSize), ($"{a}.context_length", config.MaxPositionEmbeddings), ($"{a}.embedding_length", config.HiddenSize), ($"{a}.feed_forward_length", config.IntermediateSize),
            ($"{a}.block_count", config.NumHiddenLayers), ($"{a}.attention.head_count", config.NumAttentionHeads), ($"{a}.attention.layer_norm_rms_epsilon", (float)config.RmsNormEps),
            ($"{a}.rope.freq_base", (float)config.RopeTheta),
        };
        if (config is GroupedQueryConfig grouped)
        {
            list.Add(($"{a}.attention.head_count_kv", grouped.NumKeyValueHeads ?? grouped.NumAttentionHeads));
        }
        else if (config is DeepSeekConfig deep)
        {
            list.AddRange([
                ($"{a}.attention.head_count_kv", deep.NumAttentionHeads), ($"{a}.attention.kv_lora_rank", deep.KvLoraRank), ($"{a}.attention.key_length", deep.QkNopeHeadDim + deep.QkRopeHeadDim),
                ($"{a}.attention.value_length", deep.VHeadDim), ($"{a}.rope.dimension_count", deep.QkRopeHeadDim), ($"{a}.expert_count", deep.NRoutedExperts!.Value), ($"{a}.expert_used_count", deep.NumExpertsPerTok!.Value),
                ($"{a}.expert_shared_count", deep.NSharedExperts!.Value), ($"{a}.expert_feed_forward_length", deep.MoeIntermediateSize!.Value), ($"{a}.leading_dense_block_count", deep.FirstKDenseReplace),
                ($"{a}.expert_weights_scale", (float)deep.RoutedScalingFactor), ($"{a}.expert_weights_norm", deep.NormTopkProb), ($"{a}.expert_gating_func", 1),
                ($"{a}.rope.scaling.type", "yarn"), ($"{a}.rope.scaling.factor", (float)deep.RopeScaling!.Factor!), ($"{a}.rope.scaling.original_context_length", deep.RopeScaling.OriginalMaxPositionEmbeddings!.Value),
                ($"{a}.rope.scaling.yarn_log_multiplier", 0.1f * (float)deep.RopeScaling.MscaleAllDim!),
            ]);
            if (deep.QLoraRank is { } rank) list.Add(($"{a}.attention.q_lora_rank", rank));
        }

        return list;
    }

    private static void Fill(Stream stream, Tensor tensor, Random random)
    {
        var piece = new byte[1 << 20];
        for (var left = tensor.ByteCount; left > 0;)
        {
            var (block, scale) = tensor.TypeCode switch { 2 => (18, 0), 14 => (210, 208), _ => (4, -1) };
            var count = (int)Math.Min(left, piece.Length / block * block);
            var bytes = piece.AsSpan(0, count);
            random.NextBytes(bytes);
            for (var at = 0; at < count; at += block)
            {
                if (scale < 0) BitConverter.TryWriteBytes(bytes[at..], (tensor.Name.Contains("norm", StringComparison.Ordinal) ? 1f : 0f) + (0.02f * (random.NextSingle() - 0.5f)));
                else BitConverter.TryWriteBytes(bytes[(at + scale)..], (Half)(tensor.TypeCode == 2 ? 0.004f : 0.00002f));
            }

            stream.Write(bytes);
            left -= count;
        }
    }

    private static void Text(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((long)bytes.Length);
        writer.Write(bytes);
    }

    private static long Align(long offset) => (offset + Alignment - 1) / Alignment * Alignment;

    /// <summary>Type codes: 0 is F32; 2 is Q4_0, 18 bytes for 32 values; 14 is Q6_K, 210 bytes for 256.</summary>
    private sealed record Tensor(string Name, int[] Shape, int TypeCode)
    {
        public long ByteCount => Shape.Aggregate(1L, (product, size) => product * size) switch
        {
            var count when TypeCode == 2 => count / 32 * 18,
            var count when TypeCode == 14 => count / 256 * 210,
            var count => count * 4,
        };
    }
}
