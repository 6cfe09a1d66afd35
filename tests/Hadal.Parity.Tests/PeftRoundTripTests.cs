using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;
using Hadal.Inference.Models;
using Hadal.Inference.Models.Adapters;
using Hadal.Tests;
using Hadal.Training.Adapters;
using Hadal.Training.Models;
using Hadal.Training.Models.GroupedQuery;
using static TorchSharp.torch;

namespace Hadal.Parity.Tests;

/// <summary>Directories of huggingface/peft in and out, with numbers that its formulas gave (<c>lora.json</c>, nine digits). Their bytes are written and read here by hand, not by what is tested.</summary>
public sealed unsafe class PeftRoundTripTests(ITestOutputHelper output) : IDisposable
{
    /// <summary>The projection of the example's shape, [3, 4].</summary>
    private const string Module = "model.layers.0.mlp.up_proj", Prefix = "base_model.model." + Module + ".";

    private const string Embedding = "model.embed_tokens", EmbeddingPrefix = "base_model.model." + Embedding + ".", HeadPrefix = "base_model.model.lm_head.";

    /// <summary>Rounding of the example's last digit and of single precision, for numbers up to 3.</summary>
    private const double Bound = 1e-6;

    private static readonly GroupedQueryConfig Config = new()
    {
        ModelType = "llama", VocabSize = 9, HiddenSize = 4, IntermediateSize = 3, NumHiddenLayers = 1, NumAttentionHeads = 2, NumKeyValueHeads = 1, HeadDim = 4, RmsNormEps = 1e-6, MaxPositionEmbeddings = 32,
    };

    private static readonly JsonElement Example = Open();

    private readonly string _folder = Directory.CreateTempSubdirectory("hadal-peft-").FullName;

    public static TheoryData<string> Kinds => new("plain", "rslora", "dora");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_directory_of_pefts_gives_its_numbers_served_merged_and_in_the_twin(string kind)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var model = new GroupedQueryModel(Config);
        var projection = model.Projections.Single(named => named.Name == Module).Projection;
        projection.Weight.copy_(tensor(Numbers("weight")).view(3, 4));
        var (basePath, adapterPath, mergedPath) = (Path.Combine(_folder, "base"), Path.Combine(_folder, "adapter"), Path.Combine(_folder, "merged"));
        ModelFiles.Save(model, basePath, DType.F32);
        WriteAsPeft(adapterPath, kind);

        using var checkpoint = Checkpoint.Open(basePath);
        using var adapter = LoraAdapter.Open(adapterPath, checkpoint.Config);
        Near($"{kind}, served", Outputs(kind), Served(checkpoint, Assert.Single(adapter.Modules)));
        using (new AppliedAdapter(model, adapter)) Near($"{kind}, in the twin", Outputs(kind), [.. projection.forward(tensor(Numbers("x")).view(1, 4)).data<float>().Select(value => (double)value)]);
        new AdapterMerger(checkpoint, adapter).Write(mergedPath, 1);
        using var merged = Checkpoint.Open(mergedPath);
        Near($"{kind}, merged", [.. Merged(kind).Select(value => (double)value)], Floats(merged.Tensors[Module + ".weight"].Bytes));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_training_writes_is_pefts_layout_and_gives_its_numbers_by_its_formula(string kind)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var model = new GroupedQueryModel(Config);
        model.Projections.Single(named => named.Name == Module).Projection.Weight.copy_(tensor(Numbers("weight")).view(3, 4));
        using var adapter = LowRankAdapter.Attach(model, new LoraOptions { R = 2, LoraAlpha = 16, LoraDropout = 0.05, UseRslora = kind == "rslora", UseDora = kind == "dora", TargetModules = JsonElement.Parse("""["up_proj"]""") }, "base");
        foreach (var parameter in adapter.Parameters) parameter.Parameter.copy_(tensor(Numbers(parameter.Name.EndsWith("lora_A.weight", StringComparison.Ordinal) ? "lora_A" : parameter.Name.EndsWith("lora_B.weight", StringComparison.Ordinal) ? "lora_B" : "dora", "trained_magnitude")).view(parameter.Parameter.shape));
        adapter.Save(_folder);

        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, "adapter_config.json")));
        var said = config.RootElement;
        Assert.Equal(("LORA", "CAUSAL_LM", "base", "none"), (said.GetProperty("peft_type").GetString(), said.GetProperty("task_type").GetString(), said.GetProperty("base_model_name_or_path").GetString(), said.GetProperty("bias").GetString()));
        Assert.Equal((2, 16.0, 0.05, false), (said.GetProperty("r").GetInt32(), said.GetProperty("lora_alpha").GetDouble(), said.GetProperty("lora_dropout").GetDouble(), said.GetProperty("fan_in_fan_out").GetBoolean()));
        Assert.Equal((kind == "rslora", kind == "dora"), (said.GetProperty("use_rslora").GetBoolean(), said.GetProperty("use_dora").GetBoolean()));
        Assert.Equal(["up_proj"], said.GetProperty("target_modules").EnumerateArray().Select(name => name.GetString()));

        var tensors = Read(Path.Combine(_folder, "adapter_model.safetensors"));
        string[] names = [Prefix + "lora_A.weight", Prefix + "lora_B.weight", .. kind == "dora" ? (string[])[Prefix + "lora_magnitude_vector"] : []];
        Assert.Equal(names, tensors.Keys.Order(StringComparer.Ordinal));
        Assert.Equal([[2, 4], [3, 2], .. kind == "dora" ? (int[][])[[3]] : []], names.Select(name => tensors[name].Shape));
        Assert.Equal(Numbers("lora_A"), tensors[names[0]].Values);
        Assert.Equal(Numbers("lora_B"), tensors[names[1]].Values);

        // peft: W + s·B·A with s = alpha / r or alpha / √r, and rows at their trained length.
        var scale = said.GetProperty("lora_alpha").GetDouble() / (kind == "rslora" ? Math.Sqrt(said.GetProperty("r").GetInt32()) : said.GetProperty("r").GetInt32());
        var (weight, x) = (Numbers("weight"), Numbers("x"));
        var found = new double[3];
        for (var o = 0; o < 3; o++)
        {
            var row = Enumerable.Range(0, 4).Select(i => weight[(o * 4) + i] + (scale * Enumerable.Range(0, 2).Sum(j => (double)tensors[names[1]].Values[(o * 2) + j] * tensors[names[0]].Values[(j * 4) + i]))).ToArray();
            var factor = kind == "dora" ? tensors[names[2]].Values[o] / Math.Sqrt(row.Sum(value => value * value)) : 1;
            found[o] = factor * row.Select((value, i) => value * x[i]).Sum();
        }

        Near($"{kind}, written", Outputs(kind), found);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_adapted_table_of_embeddings_gives_the_numbers_of_pefts_formula_served_merged_and_in_the_twin(bool hasLengths)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        random.manual_seed(7);
        using var model = new GroupedQueryModel(Config with { TieWordEmbeddings = true });
        var (basePath, adapterPath, mergedPath) = (Path.Combine(_folder, "base"), Path.Combine(_folder, "adapter"), Path.Combine(_folder, "merged"));
        float[] table = Drawn(9 * 4), a = Drawn(2 * 9), b = Drawn(4 * 2), lengths = Drawn(4);
        model.PublishedWeights().Single(named => named.Spec.Name == Embedding + ".weight").Tensor.copy_(tensor(table).view(9, 4));
        ModelFiles.Save(model, basePath, DType.F32);
        List<(string, string, float[])> tensors = [(EmbeddingPrefix + "lora_embedding_A", "[2,9]", a), (EmbeddingPrefix + "lora_embedding_B", "[4,2]", b), (EmbeddingPrefix + "base_layer.weight", "[9,4]", table)];
        if (hasLengths) tensors.Add((EmbeddingPrefix + "lora_magnitude_vector", "[4]", lengths));
        WriteAsPeft(adapterPath, hasLengths ? "dora" : "plain", "embed_tokens", tensors);

        // peft: embedding(x, W) + embedding(x, Aᵀ) Bᵀ · alpha / r; DoRA's lengths are those of the columns of W + (B A)ᵀ · alpha / r.
        var expected = new double[9 * 4];
        for (var index = 0; index < expected.Length; index++) expected[index] = table[index] + (8.0 * Enumerable.Range(0, 2).Sum(j => (double)a[(j * 9) + (index / 4)] * b[(index % 4 * 2) + j]));
        var squares = Enumerable.Range(0, 4).Select(column => expected.Where((_, index) => index % 4 == column).Sum(value => value * value)).ToArray();
        for (var index = 0; hasLengths && index < expected.Length; index++) expected[index] *= lengths[index % 4] / Math.Sqrt(squares[index % 4]);

        using var checkpoint = Checkpoint.Open(basePath);
        using var adapter = LoraAdapter.Open(adapterPath, checkpoint.Config);
        Near("served", expected, ServedTable(checkpoint, Assert.Single(adapter.Modules)), 1e-5);
        using (new AppliedAdapter(model, adapter)) Near("in the twin", expected, [.. ((AdaptableEmbedding)model.Adaptable.Single(named => named.Name == Embedding).Matrix).Forward(arange(9)).contiguous().data<float>().Select(value => (double)value)], 1e-5);
        new AdapterMerger(checkpoint, adapter).Write(mergedPath, 1);
        using var merged = Checkpoint.Open(mergedPath);
        Near("merged", expected, Floats(merged.Tensors[Embedding + ".weight"].Bytes), 1e-5);
        Assert.Equal(table.Select(value => (double)value), Floats(merged.Tensors["lm_head.weight"].Bytes));
        Assert.False(merged.Config.TieWordEmbeddings);

        // A table of its own is no part of an adapter.
        table[13] += 0.1f;
        var otherPath = Path.Combine(_folder, "other");
        WriteAsPeft(otherPath, hasLengths ? "dora" : "plain", "embed_tokens", tensors);
        using var other = LoraAdapter.Open(otherPath, checkpoint.Config);
        using var decoder = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = 1, MaxContext = 8 });
        foreach (var refused in (Action[])[() => decoder.AddAdapter(other), () => _ = new AdapterMerger(checkpoint, other), () => new AppliedAdapter(model, other).Dispose()])
            Assert.Contains("differs from the model's embeddings", Assert.Throws<CheckpointException>(refused).Message, StringComparison.Ordinal);

        float[] Drawn(int count) => [.. randn(count).data<float>()];
    }

    [Theory]
    [InlineData(true, "plain")]
    [InlineData(true, "rslora")]
    [InlineData(true, "dora")]
    [InlineData(false, "plain")]
    [InlineData(false, "rslora")]
    [InlineData(false, "dora")]
    public void An_adapted_head_gives_the_numbers_of_pefts_formula_served_merged_and_in_the_twin(bool isTied, string kind)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        random.manual_seed(8);
        using var model = new GroupedQueryModel(Config with { TieWordEmbeddings = isTied });
        foreach (var parameter in model.parameters()) parameter.add_(randn_like(parameter).mul_(0.3));
        var (basePath, adapterPath, mergedPath) = (Path.Combine(_folder, "base"), Path.Combine(_folder, "adapter"), Path.Combine(_folder, "merged"));
        ModelFiles.Save(model, basePath, DType.F32);
        float[] table = Weight(Embedding), head = isTied ? table : Weight("lm_head"), a = Drawn(2 * 4), b = Drawn(9 * 2), lengths = Drawn(9);
        for (var index = 0; index < b.Length; index++) b[index] *= 0.3f;
        List<(string, string, float[])> tensors = [(HeadPrefix + "lora_A.weight", "[2,4]", a), (HeadPrefix + "lora_B.weight", "[9,2]", b), (HeadPrefix + "base_layer.weight", "[9,4]", head)];
        if (kind == "dora") tensors.Add((HeadPrefix + "lora_magnitude_vector", "[9]", lengths));
        WriteAsPeft(adapterPath, kind, "lm_head", tensors);

        // peft: W + B A · alpha / r or alpha / √r; DoRA's lengths are those of its rows.
        var scale = kind == "rslora" ? 16 / Math.Sqrt(2) : 8;
        var expected = new double[9 * 4];
        for (var index = 0; index < expected.Length; index++) expected[index] = head[index] + (scale * Enumerable.Range(0, 2).Sum(j => (double)b[(index / 4 * 2) + j] * a[(j * 4) + (index % 4)]));
        for (var row = 0; kind == "dora" && row < 9; row++)
        {
            var length = Math.Sqrt(expected.AsSpan(row * 4, 4).ToArray().Sum(value => value * value));
            for (var index = row * 4; index < (row + 1) * 4; index++) expected[index] *= lengths[row] / length;
        }

        using var checkpoint = Checkpoint.Open(basePath);
        using var adapter = LoraAdapter.Open(adapterPath, checkpoint.Config);
        using var decoder = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = 1, MaxContext = 16 });
        int[] tokenIds = [1, 7, 3, 8, 8];
        var (plainHidden, plain) = Served(null);
        Near("served without", Products(plainHidden, [.. head.Select(value => (double)value)]), plain, 1e-5);
        using (var ready = decoder.AddAdapter(adapter))
        {
            // What the layers make of the tokens is as it was; were the table adapted too, it would not be.
            var (hidden, logits) = Served(ready);
            Assert.Equal(plainHidden, hidden);
            Near("served", Products(hidden, expected), logits, 1e-5);
        }

        using (new AppliedAdapter(model, adapter))
        {
            var hidden = model.Hidden(tensor(tokenIds.Select(id => (long)id).ToArray()).unsqueeze(0)).view(-1, 4);
            Near("in the twin", Products([.. hidden.contiguous().data<float>()], expected), [.. model.Logits(hidden).contiguous().data<float>().Select(value => (double)value)], 1e-5);
            Near("what the twin's head reads", [.. plainHidden.Select(value => (double)value)], [.. hidden.contiguous().data<float>().Select(value => (double)value)], 1e-5);
        }

        new AdapterMerger(checkpoint, adapter).Write(mergedPath, 1);
        using var merged = Checkpoint.Open(mergedPath);
        Near("merged", expected, Floats(merged.Tensors["lm_head.weight"].Bytes), 1e-5);
        Assert.False(merged.Config.TieWordEmbeddings);
        Assert.All(checkpoint.Tensors.Where(named => named.Key != "lm_head.weight"), named => Assert.True(named.Value.Bytes.SequenceEqual(merged.Tensors[named.Key].Bytes), named.Key));

        // A head of its own is no part of an adapter.
        head[13] += 0.1f;
        WriteAsPeft(Path.Combine(_folder, "other"), kind, "lm_head", tensors);
        using var other = LoraAdapter.Open(Path.Combine(_folder, "other"), checkpoint.Config);
        foreach (var refused in (Action[])[() => decoder.AddAdapter(other), () => _ = new AdapterMerger(checkpoint, other), () => new AppliedAdapter(model, other).Dispose()])
            Assert.Contains("lm_head.base_layer.weight differs from the model's output head", Assert.Throws<CheckpointException>(refused).Message, StringComparison.Ordinal);

        float[] Weight(string module) => [.. model.PublishedWeights().Single(named => named.Spec.Name == module + ".weight").Tensor.contiguous().data<float>()];

        float[] Drawn(int count) => [.. randn(count).data<float>()];

        (float[] Hidden, double[] Logits) Served(DecoderAdapter? ready)
        {
            using var cache = decoder.CreateCache();
            var batch = new ScheduledBatch(9);
            batch.Add(cache, tokenIds, tokenIds.Length, ready);
            decoder.Forward(batch);
            return (decoder.FinalHidden.ToArray(), [.. batch.Logits.ToArray().Select(value => (double)value)]);
        }

        double[] Products(float[] hidden, double[] matrix) =>
            [.. Enumerable.Range(0, hidden.Length / 4 * 9).Select(index => Enumerable.Range(0, 4).Sum(i => hidden[(index / 9 * 4) + i] * matrix[(index % 9 * 4) + i]))];
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_training_writes_of_a_head_is_pefts_layout_with_a_rank_of_its_own(bool isTied)
    {
        using var scope = NewDisposeScope();
        using var model = new GroupedQueryModel(Config with { TieWordEmbeddings = isTied });
        var options = new LoraOptions { R = 2, LoraAlpha = 16, UseDora = true, RankPattern = new Dictionary<string, int> { ["lm_head"] = 3 }, AlphaPattern = new Dictionary<string, double> { ["lm_head"] = 6 }, TargetModules = JsonElement.Parse("""["lm_head", "up_proj"]""") };
        using var adapter = LowRankAdapter.Attach(model, options, "base");
        Assert.DoesNotContain(adapter.Parameters, parameter => parameter.IsHiddenMatrix && parameter.Name.StartsWith("lm_head", StringComparison.Ordinal));
        adapter.Save(_folder);
        using var config = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, "adapter_config.json")));
        Assert.Equal(["up_proj", "lm_head"], config.RootElement.GetProperty("target_modules").EnumerateArray().Select(name => name.GetString()));
        Assert.Equal((3, 6.0), (config.RootElement.GetProperty("rank_pattern").GetProperty("lm_head").GetInt32(), config.RootElement.GetProperty("alpha_pattern").GetProperty("lm_head").GetDouble()));
        var tensors = Read(Path.Combine(_folder, "adapter_model.safetensors")).Where(named => named.Key.StartsWith(HeadPrefix, StringComparison.Ordinal)).ToDictionary(named => named.Key[HeadPrefix.Length..], named => named.Value.Shape);
        Assert.Equal(["lora_A.weight", "lora_B.weight", "lora_magnitude_vector"], tensors.Keys.Order(StringComparer.Ordinal));
        Assert.Equal([[3, 4], [9, 3], [9]], tensors.OrderBy(named => named.Key, StringComparer.Ordinal).Select(named => named.Value));
        using var opened = LoraAdapter.Open(_folder, model.Config);
        Assert.Equal(2.0, opened.Modules.Single(module => module.IsHead).Scale);
    }

    private static JsonElement Open()
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Inference.Tests", "Models", "Fixtures", "lora.json")));
        return document.RootElement.Clone();
    }

    private static float[] Numbers(params ReadOnlySpan<string> path)
    {
        var element = Example;
        foreach (var name in path)
            if (element.ValueKind == JsonValueKind.Object) element = element.GetProperty(name);
        return [.. element.EnumerateArray().SelectMany(item => item.ValueKind == JsonValueKind.Array ? item.EnumerateArray().AsEnumerable() : [item]).Select(item => item.GetSingle())];
    }

    private static float[] Merged(string kind) => kind switch { "dora" => Numbers("dora", "merged"), "rslora" => Numbers("merged_rslora"), _ => Numbers("merged") };

    /// <summary>W' x; the example has it for two of the three.</summary>
    private static double[] Outputs(string kind) => kind switch
    {
        "dora" => [.. Numbers("dora", "y").Select(value => (double)value)],
        "plain" => [.. Numbers("y").Select(value => (double)value)],
        _ => [.. Merged(kind).Chunk(4).Select(row => row.Zip(Numbers("x"), (a, b) => (double)a * b).Sum())],
    };

    private void Near(string what, double[] expected, double[] found, double bound = Bound)
    {
        Assert.Equal(expected.Length, found.Length);
        var largest = expected.Zip(found, (a, b) => Math.Abs(a - b)).Max();
        output.WriteLine($"{what}: largest difference {largest:g2}");
        Assert.True(largest < bound, $"{what}: {largest:g3}");
    }

    private static double[] Served(Checkpoint checkpoint, LoraModule module)
    {
        var weight = WeightMatrix.Create(checkpoint.Tensors[Module + ".weight"]);
        var memory = NativeMemory.AlignedAlloc((nuint)(LoraWeights.FloatCount(module) * sizeof(float)), 64);
        try
        {
            var lora = new LoraWeights(module, weight, null, (float*)memory);
            var (x, y) = (Numbers("x"), new float[3]);
            fixed (float* px = x, py = y)
            {
                weight.Multiply(px, 4, 1, py, 3, 0, 3);
                lora.Apply(px, 4, 1, py, 3, 0, 3);
            }

            return [.. y.Select(value => (double)value)];
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    private static double[] ServedTable(Checkpoint checkpoint, LoraModule module)
    {
        var table = WeightMatrix.Create(checkpoint.Tensors[Embedding + ".weight"]);
        var memory = NativeMemory.AlignedAlloc((nuint)(LoraWeights.FloatCount(module) * sizeof(float)), 64);
        try
        {
            var lora = new LoraWeights(module, table, null, (float*)memory);
            var rows = new float[9 * 4];
            fixed (float* y = rows)
            {
                for (var token = 0; token < 9; token++)
                {
                    table.DequantizeRow(token, y + (token * 4));
                    lora.ApplyToToken(token, y + (token * 4));
                }
            }

            return [.. rows.Select(value => (double)value)];
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    private static void WriteAsPeft(string folder, string kind)
    {
        List<(string Name, string Shape, float[] Values)> tensors = [(Prefix + "lora_A.weight", "[2,4]", Numbers("lora_A")), (Prefix + "lora_B.weight", "[3,2]", Numbers("lora_B"))];
        if (kind == "dora") tensors.Add((Prefix + "lora_magnitude_vector", "[3]", Numbers("dora", "trained_magnitude")));
        WriteAsPeft(folder, kind, "up_proj", tensors);
    }

    /// <summary>The keys that peft 0.17 writes, and its tensors.</summary>
    private static void WriteAsPeft(string folder, string kind, string target, List<(string Name, string Shape, float[] Values)> tensors)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), $$"""
            {
              "alpha_pattern": {}, "auto_mapping": null, "base_model_name_or_path": "base", "bias": "none", "corda_config": null, "eva_config": null, "exclude_modules": null, "fan_in_fan_out": false,
              "inference_mode": true, "init_lora_weights": true, "layer_replication": null, "layers_pattern": null, "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 16, "lora_bias": false,
              "lora_dropout": 0.05, "megatron_config": null, "megatron_core": "megatron.core", "modules_to_save": null, "peft_type": "LORA", "qalora_group_size": 16, "r": 2, "rank_pattern": {}, "revision": null,
              "target_modules": ["{{target}}"], "target_parameters": null, "task_type": "CAUSAL_LM", "trainable_token_indices": null, "use_dora": {{(kind == "dora" ? "true" : "false")}}, "use_qalora": false, "use_rslora": {{(kind == "rslora" ? "true" : "false")}}
            }
            """);
        var (header, begin) = (new List<string> { "\"__metadata__\":{\"format\":\"pt\"}" }, 0);
        foreach (var (name, shape, values) in tensors)
        {
            header.Add($"\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{begin},{begin + (4 * values.Length)}]}}");
            begin += 4 * values.Length;
        }

        var text = Encoding.UTF8.GetBytes($"{{{string.Join(',', header)}}}".PadRight(1024));
        using var stream = File.Create(Path.Combine(folder, "adapter_model.safetensors"));
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, text.Length);
        stream.Write(length);
        stream.Write(text);
        foreach (var (_, _, values) in tensors) stream.Write(MemoryMarshal.AsBytes(values.AsSpan()));
    }

    private static Dictionary<string, (int[] Shape, float[] Values)> Read(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        using var header = JsonDocument.Parse(bytes.AsMemory(8, length));
        var tensors = new Dictionary<string, (int[], float[])>(StringComparer.Ordinal);
        foreach (var tensor in header.RootElement.EnumerateObject().Where(tensor => tensor.Name != "__metadata__"))
        {
            Assert.Equal("F32", tensor.Value.GetProperty("dtype").GetString());
            var offsets = tensor.Value.GetProperty("data_offsets");
            tensors[tensor.Name] = ([.. tensor.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt32())], [.. Floats(bytes.AsSpan()[(8 + length + offsets[0].GetInt32())..(8 + length + offsets[1].GetInt32())]).Select(value => (float)value)]);
        }

        return tensors;
    }

    private static double[] Floats(ReadOnlySpan<byte> bytes) => [.. MemoryMarshal.Cast<byte, float>(bytes).ToArray().Select(value => (double)value)];
}
