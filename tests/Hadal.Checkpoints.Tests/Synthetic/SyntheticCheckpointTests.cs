using System.Security.Cryptography;
using System.Text.Json;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Synthetic;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Tests.Synthetic;

public sealed class SyntheticCheckpointTests : IDisposable
{
    /// <summary>A V3.2 shape whose widths are no powers of two, with tensors that are longer than a piece of work.</summary>
    private const string Small = """
        {"model_type":"deepseek_v32","vocab_size":6001,"hidden_size":160,"intermediate_size":96,"moe_intermediate_size":48,"num_hidden_layers":3,"num_nextn_predict_layers":1,
         "num_attention_heads":2,"n_routed_experts":4,"n_shared_experts":1,"num_experts_per_tok":2,"first_k_dense_replace":1,"n_group":2,"topk_group":1,"q_lora_rank":64,"kv_lora_rank":32,
         "qk_nope_head_dim":16,"qk_rope_head_dim":16,"v_head_dim":32,"index_n_heads":2,"index_head_dim":32,"index_topk":8,"rms_norm_eps":1e-6,"max_position_embeddings":64,
         "bos_token_id":0,"eos_token_id":[1,5]}
        """;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<int, int> Quantizations => new() { { 0, 0 }, { 8, 32 }, { 4, 32 }, { 4, 64 } };

    public void Dispose() => _folder.Dispose();

    /// <summary>Total, and multi-token prediction without its copies, of the counts that stand beside the published configs.</summary>
    [Theory]
    [InlineData("r1-distill-qwen-1.5b", 1_777_088_000, 0)]
    [InlineData("r1-distill-qwen-7b", 7_615_616_512, 0)]
    [InlineData("r1-distill-llama-8b", 8_030_261_248, 0)]
    [InlineData("deepseek-v2-lite", 15_706_484_224, 0)]
    [InlineData("deepseek-v2", 235_741_434_880, 0)]
    [InlineData("deepseek-v3", 671_026_419_200, 11_610_068_224)]
    public void Published_shapes_have_the_published_number_of_parameters(string name, long expected, long prediction)
    {
        var config = PublishedShapes.Find(name)!;
        var last = WeightManifest.LayerPrefix(config.NumHiddenLayers);
        var specs = WeightManifest.For(config).Where(spec => !spec.Optional).ToLookup(spec => spec.Name.StartsWith(last, StringComparison.Ordinal));
        // The published count leaves the routers' corrections out, 256 numbers in each of 58 layers of V3.
        Assert.Equal(expected, specs[false].Where(spec => spec.Role != WeightRole.RouterBias || prediction == 0).Sum(spec => spec.ElementCount), 20_000.0);
        Assert.Equal(prediction, specs[true].Sum(spec => spec.ElementCount), 20_000.0);
    }

    [Fact]
    public void Every_published_shape_is_a_config_that_is_computed()
    {
        Assert.Contains("moonlight-16b", PublishedShapes.Names);
        Assert.All(PublishedShapes.Names, name => Assert.NotEmpty(WeightManifest.For(PublishedShapes.Find(name)!)));
        Assert.Null(PublishedShapes.Find("deepseek"));
    }

    [Theory]
    [MemberData(nameof(Quantizations))]
    public void The_same_seed_gives_the_same_bytes_on_any_number_of_threads(int bits, int group)
    {
        var one = Write("one", bits, group, seed: 7, threads: 1);
        Assert.Equal(one, Write("three", bits, group, seed: 7, threads: 3));
        var other = Write("other", bits, group, seed: 8, threads: 3);
        Assert.Equal(one.Keys, other.Keys);
        Assert.NotEqual(one["model.safetensors"], other["model.safetensors"]);
        Assert.Equal(one["config.json"], other["config.json"]);
    }

    [Theory]
    [MemberData(nameof(Quantizations))]
    public void What_is_written_opens_and_has_the_size_that_was_promised(int bits, int group)
    {
        var plan = Plan(bits, group, 1);
        var (done, steps) = (0L, 0);
        plan.Write(_folder.PathOf("model"), 2, bytes => (done, steps) = (bytes, steps + 1));
        Assert.Equal(plan.ByteLength, done);
        Assert.True(steps > 10);
        using var checkpoint = Checkpoint.Open(_folder.PathOf("model"));
        Assert.Empty(checkpoint.Warnings);
        Assert.Equal(plan.ByteLength, checkpoint.Tensors.Values.Sum(tensor => tensor.ByteLength + (tensor.Scale?.ByteLength ?? 0) + (tensor.AwqZeros?.ByteLength ?? 0) + (tensor.AwqScales?.ByteLength ?? 0)));
        var quantized = checkpoint.Tensors.Values.Where(tensor => tensor.DType is DType.I8 or DType.AwqInt4).Select(tensor => tensor.Name).ToList();
        Assert.Equal(bits > 0, quantized.Contains("model.layers.0.self_attn.q_b_proj.weight"));
        Assert.DoesNotContain(quantized, name => name.Contains("indexer", StringComparison.Ordinal) || name.Contains("mlp.gate.", StringComparison.Ordinal) || name.Contains("head", StringComparison.Ordinal));
        // 48 inputs of an expert are no whole groups.
        Assert.DoesNotContain("model.layers.1.mlp.experts.0.down_proj.weight", quantized);
    }

    [Fact]
    public void Modules_that_stay_stand_in_the_config_under_their_names()
    {
        Plan(4, 32, 1).Write(_folder.PathOf("awq"), 1);
        using (var awq = Checkpoint.Open(_folder.PathOf("awq")))
        {
            var kept = awq.Config.QuantizationConfig!.ModulesToNotConvert!;
            Assert.Contains("lm_head", kept);
            Assert.Contains("model.layers.1.mlp.gate", kept);
            Assert.Contains("model.layers.1.mlp.experts.3.down_proj", kept);
            Assert.DoesNotContain("model.layers.0.self_attn.q_b_proj", kept);
        }

        Plan(8, 32, 1).Write(_folder.PathOf("int8"), 1);
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder.PathOf("int8"), "config.json")));
        var quantization = json.RootElement.GetProperty("quantization_config");
        Assert.Equal("int-quantized", quantization.GetProperty("format").GetString());
        Assert.Contains("lm_head", quantization.GetProperty("ignore").EnumerateArray().Select(name => name.GetString()));
        Assert.Equal(32, quantization.GetProperty("config_groups").GetProperty("group_0").GetProperty("weights").GetProperty("group_size").GetInt32());
    }

    [Fact]
    public void Weights_spread_as_those_of_an_untrained_model()
    {
        foreach (var (name, bits) in new[] { ("bf16", 0), ("int8", 8), ("int4", 4) })
        {
            Plan(bits, 32, 3).Write(_folder.PathOf(name), 1);
            using var checkpoint = Checkpoint.Open(_folder.PathOf(name));
            var (mean, deviation) = Moments(Values(checkpoint.Tensors["model.layers.0.self_attn.q_b_proj.weight"]));
            Assert.Equal(0, mean, 0.002);
            Assert.Equal(0.02, deviation, 0.001);
        }
    }

    [Fact]
    public void The_tokenizer_has_a_token_for_every_byte()
    {
        Plan(0, 0, 1).Write(_folder.PathOf("model"), 1);
        using var checkpoint = Checkpoint.Open(_folder.PathOf("model"));
        var tokenizer = checkpoint.LoadTokenizer();
        const string text = "Tide: 3 m\né 潮 \0\u00ff";
        var ids = tokenizer.Encode(text, addSpecial: true);
        Assert.Equal(1 + System.Text.Encoding.UTF8.GetByteCount(text), ids.Count);
        Assert.Equal(0, ids[0]);
        Assert.Equal(text, tokenizer.Decode([.. ids.Skip(1)]));
        Assert.NotEmpty(tokenizer.Decode([6000]));
        var fault = Assert.Throws<CheckpointException>(() => new SyntheticCheckpoint(ModelConfigReader.Parse(Small.Replace("6001", "258", StringComparison.Ordinal)), null, 0));
        Assert.Contains("vocab_size is 258, expected at least 259", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fewer_layers_leave_the_first_ones_and_no_prediction()
    {
        var config = (DeepSeekConfig)SyntheticCheckpoint.WithLayers(PublishedShapes.Find("deepseek-v3")!, 2);
        Assert.Equal((2, 2, 0), (config.NumHiddenLayers, config.FirstKDenseReplace, config.NumNextnPredictLayers));
        Assert.Equal(4, SyntheticCheckpoint.WithLayers(PublishedShapes.Find("r1-distill-qwen-1.5b")!, 4).NumHiddenLayers);
        Assert.Throws<ArgumentOutOfRangeException>(() => SyntheticCheckpoint.WithLayers(config, 3));
    }

    [Fact]
    public void Nothing_stays_of_what_was_interrupted_and_nothing_is_written_over()
    {
        using var cancellation = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Plan(4, 32, 1).Write(_folder.PathOf("model"), 2, _ => cancellation.Cancel(), cancellation.Token));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));

        _folder.Write("file", "kept");
        Assert.Contains("is a file, expected a new directory", Assert.Throws<CheckpointException>(() => Plan(0, 0, 1).Write(_folder.PathOf("file"), 1)).Message, StringComparison.Ordinal);
        Directory.CreateDirectory(_folder.PathOf("empty"));
        Plan(0, 0, 1).Write(_folder.PathOf("empty"), 1);
        var fault = Assert.Throws<CheckpointException>(() => Plan(0, 0, 2).Write(_folder.PathOf("empty"), 1));
        Assert.Equal($"{_folder.PathOf("empty")}: exists and is not empty, expected a new directory; choose another name, or remove it first", fault.Message);
        Assert.Equal(2, Directory.GetFileSystemEntries(_folder.Path).Length);
    }

    private static SyntheticCheckpoint Plan(int bits, int group, ulong seed) =>
        new(ModelConfigReader.Parse(Small), bits == 0 ? null : new WeightQuantization(bits, group), seed);

    private SortedDictionary<string, string> Write(string name, int bits, int group, ulong seed, int threads)
    {
        Plan(bits, group, seed).Write(_folder.PathOf(name), threads);
        var hashes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var file in Directory.GetFiles(_folder.PathOf(name))) hashes[Path.GetFileName(file)] = Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)));
        return hashes;
    }

    private static (double Mean, double Deviation) Moments(double[] values)
    {
        var mean = values.Average();
        return (mean, Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / values.Length));
    }

    /// <summary>By the definition of each format; the order of the outputs does not matter here.</summary>
    private static double[] Values(WeightTensor tensor)
    {
        var (rows, columns) = (tensor.Shape[0], tensor.Shape[1]);
        var values = new double[rows * columns];
        for (var r = 0; r < rows; r++)
        {
            for (var k = 0; k < columns; k++)
            {
                values[(r * columns) + k] = tensor.DType switch
                {
                    DType.BF16 => BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(tensor.Bytes.Slice(2 * ((r * columns) + k), 2)) << 16),
                    DType.I8 => (sbyte)tensor.Bytes[(r * columns) + k] * BitConverter.ToSingle(tensor.Scale!.Bytes.Slice(4 * ((r * columns / 32) + (k / 32)), 4)),
                    _ => (Nibble(tensor.Bytes, (k * rows) + r) - Nibble(tensor.AwqZeros!.Bytes, (k / 32 * rows) + r)) * (double)BitConverter.ToHalf(tensor.AwqScales!.Bytes.Slice(2 * ((k / 32 * rows) + r), 2)),
                };
            }
        }

        return values;
    }

    private static int Nibble(ReadOnlySpan<byte> bytes, int index) => (bytes[index / 2] >> (index % 2 * 4)) & 15;
}
