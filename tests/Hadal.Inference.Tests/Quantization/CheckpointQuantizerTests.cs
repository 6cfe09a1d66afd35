using System.Security.Cryptography;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Inference.Quantization;
using Hadal.Inference.Tests.Kernels;
using Hadal.Inference.Tests.Models;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Quantization;

/// <summary>Quantised checkpoints against the ones they were made from.</summary>
public sealed unsafe class CheckpointQuantizerTests : IDisposable
{
    private const string Text =
        "The harbour lay still under a pale sky. The fishing boats had come home before dawn, and the men sat on the wall and mended their nets. "
        + "\"It will rain before night,\" said the old man, and he looked at the sea for a long time. 那年冬天，祖母死了，父亲的差使也交卸了。";

    private static readonly string Mini = Path.Combine(SharedData.RepositoryRoot, "models", "hadal-mini");

    private static readonly EngineOptions Options = new() { ThreadCount = 2, MaxContext = 256, MaxBatchTokens = 64 };

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    private string Target => Path.Combine(_folder.FullName, "quantised");

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>Bits per byte rise by less than a bound: what would pass it is no quantised hadal-mini but a broken one.</summary>
    [Theory]
    [InlineData(8, 128, 0.01)]
    [InlineData(4, 32, 0.10)]
    [InlineData(4, 128, 0.15)]
    public void Hadal_mini_stays_as_good(int bits, int group, double bound)
    {
        var report = Quantize(Mini, new WeightQuantization(bits, group));
        Assert.True(report.BytesAfter < report.BytesBefore);
        var (before, after) = (BitsPerByte(Mini), BitsPerByte(Target));
        Assert.InRange(after, before * 0.98, before * (1 + bound));
        Assert.NotEqual(before, after);
    }

    /// <summary>The head of hadal-mini is its table of embeddings: the table stays, and the head becomes a matrix beside it.</summary>
    [Fact]
    public void A_head_of_8_bits_stays_as_good_and_is_read_as_published()
    {
        var report = Quantize(Mini, new WeightQuantization(8, 128));
        var without = BitsPerByte(Target);
        Directory.Delete(Target, recursive: true);
        var withHead = Quantize(Mini, new WeightQuantization(8, 128, IncludesHead: true));
        Assert.InRange(BitsPerByte(Target), without * 0.995, without * 1.005);
        Assert.NotEqual(without, BitsPerByte(Target));

        using var origin = Checkpoint.Open(Mini);
        using var checkpoint = Checkpoint.Open(Target);
        Assert.True(origin.Config.TieWordEmbeddings);
        Assert.False(checkpoint.Config.TieWordEmbeddings);
        var (table, head) = (checkpoint.Tensors["model.embed_tokens.weight"], checkpoint.Tensors["lm_head.weight"]);
        Assert.True(table.Bytes.SequenceEqual(origin.Tensors[table.Name].Bytes));
        Assert.Equal((DType.I8, 2), (head.DType, head.Scale!.Shape[1]));
        Assert.InRange(Relative(Values(table), Values(head)), 1e-6, 0.01);
        Assert.DoesNotContain("lm_head", checkpoint.Config.QuantizationConfig!.Ignore!);
        Assert.Equal(report.BytesBefore, withHead.BytesBefore);
        Assert.Equal(report.BytesAfter + head.ByteLength + head.Scale.ByteLength, withHead.BytesAfter);
    }

    /// <summary>A published model may say that its head is its table and store it nonetheless: in other bits it is the table no more.</summary>
    [Fact]
    public void A_head_of_8_bits_that_was_stored_beside_its_table_is_tied_no_more()
    {
        var source = Path.Combine(_folder.FullName, "stored");
        Directory.CreateDirectory(source);
        foreach (var name in (string[])["config.json", "tokenizer.json", "tokenizer_config.json"]) File.Copy(Path.Combine(Mini, name), Path.Combine(source, name));
        using (var mini = Checkpoint.Open(Mini))
        {
            var weights = mini.Tensors.Values.Append(mini.Tensors["model.embed_tokens.weight"].As("lm_head.weight"));
            SafetensorsWriter.WriteModel(source, weights.Select(tensor => new TensorToWrite(tensor.Name, tensor.DType, tensor.Shape, tensor.Bytes.ToArray())));
        }

        Quantize(source, new WeightQuantization(8, 128, IncludesHead: true));
        using var checkpoint = Checkpoint.Open(Target);
        Assert.Equal(DType.I8, checkpoint.Tensors["lm_head.weight"].DType);
        Assert.False(checkpoint.Config.TieWordEmbeddings);
    }

    [Fact]
    public void Golden_logits_move_little()
    {
        var source = GoldenData.PathOf("deepseek-v3/hf");
        Quantize(source, new WeightQuantization(8, 32));
        var folder = new GoldenFolder(GoldenData.PathOf("deepseek-v3"));
        using var checkpoint = Checkpoint.Open(Target);
        using var model = DecoderModel.Open(checkpoint, Options);
        using var origin = Checkpoint.Open(source);
        using var reference = DecoderModel.Open(origin, Options);
        foreach (var (_, tokenIds, _) in folder.Sequences)
        {
            var ids = tokenIds.Length > 200 ? tokenIds[..200] : tokenIds;
            var expected = Generation.AllLogits(reference, ids);
            var logits = Generation.AllLogits(model, ids);
            Assert.InRange(Relative(expected, logits), 1e-7, 0.25);
        }
    }

    [Theory]
    [InlineData(4, 32)]
    [InlineData(8, 64)]
    public void The_bytes_do_not_depend_on_the_number_of_threads(int bits, int group)
    {
        var quantization = new WeightQuantization(bits, group);
        Quantize(Mini, quantization, threads: 1);
        var expected = Hashes();
        Directory.Delete(Target, recursive: true);
        Quantize(Mini, quantization, threads: 3);
        Assert.Equal(expected, Hashes());
    }

    /// <summary>Every code, zero point and scale by the definition, through the layouts of both formats.</summary>
    [Theory]
    [InlineData(4, 32)]
    [InlineData(8, 32)]
    public void Stored_values_are_the_nearest_ones(int bits, int group)
    {
        var report = Quantize(Mini, new WeightQuantization(bits, group));
        using var origin = Checkpoint.Open(Mini);
        using var checkpoint = Checkpoint.Open(Target);
        var count = 0;
        foreach (var tensor in report.Tensors.Where(tensor => tensor.MeanSquaredError is not null))
        {
            float[] before = Values(origin.Tensors[tensor.Name]), after = Values(checkpoint.Tensors[tensor.Name]);
            var codes = new byte[group];
            var (squared, all) = (0.0, 0.0);
            for (var begin = 0; begin < before.Length; begin += group)
            {
                var weights = before.AsSpan(begin, group);
                byte zero = 0;
                float scale;
                if (bits == 4)
                {
                    RoundToNearest.FourBits(weights, codes, out zero, out var half);
                    scale = (float)half;
                }
                else
                {
                    RoundToNearest.EightBits(weights, codes, out scale);
                }

                for (var i = 0; i < group; i++)
                {
                    var value = (bits == 4 ? codes[i] - zero : (sbyte)codes[i]) * scale;
                    Assert.Equal(value, after[begin + i]);
                    squared += Math.Pow(weights[i] - value, 2);
                    all += Math.Pow(weights[i], 2);
                }
            }

            Assert.Equal(squared / before.Length, tensor.MeanSquaredError!.Value, 1e-12);
            Assert.Equal(Math.Sqrt(squared / all), tensor.RelativeError!.Value, 1e-9);
            Assert.Equal(checkpoint.Tensors[tensor.Name].ByteLength, tensor.BytesAfter - PartBytes(checkpoint.Tensors[tensor.Name]));
            count++;
        }

        Assert.True(count > 50);
    }

    [Fact]
    public void What_is_not_quantised_stays_byte_for_byte()
    {
        var report = Quantize(Mini, new WeightQuantization(4, 32));
        using var origin = Checkpoint.Open(Mini);
        using var checkpoint = Checkpoint.Open(Target);
        var kept = report.Tensors.Where(tensor => tensor.MeanSquaredError is null).ToList();
        Assert.Equal(origin.Tensors.Count, report.Tensors.Count);
        Assert.Contains(kept, tensor => tensor.Name == "model.layers.1.mlp.gate.weight");
        Assert.Contains(kept, tensor => tensor.Name == "model.layers.0.self_attn.indexer.wq_b.weight");
        foreach (var tensor in kept) Assert.True(origin.Tensors[tensor.Name].Bytes.SequenceEqual(checkpoint.Tensors[tensor.Name].Bytes), tensor.Name);
        foreach (var name in new[] { "tokenizer.json", "tokenizer_config.json", "generation_config.json" })
            Assert.Equal(File.ReadAllBytes(Path.Combine(Mini, name)), File.ReadAllBytes(Path.Combine(Target, name)));
    }

    [Fact]
    public void Float_formats_of_all_kinds_are_read()
    {
        foreach (var dtype in new[] { DType.F32, DType.F16, DType.BF16, DType.F8E4M3 })
        {
            var source = Path.Combine(_folder.FullName, dtype.ToString());
            var values = WriteDrawn(source, dtype);
            var report = new CheckpointQuantizer(Checkpoint.Open(source), new WeightQuantization(8, 32)).Write(Target, 2);
            using var checkpoint = Checkpoint.Open(Target);
            Assert.Equal(values.Count, report.Tensors.Count(tensor => tensor.MeanSquaredError is not null));
            foreach (var (name, expected) in values) Assert.InRange(Relative(expected, Values(checkpoint.Tensors[name])), 0, 0.03);
            Directory.Delete(Target, recursive: true);
        }
    }

    [Fact]
    public void What_cannot_be_quantised_is_refused_and_leaves_nothing()
    {
        Quantize(Mini, new WeightQuantization(4, 32));
        using (var quantised = Checkpoint.Open(Target))
            Assert.Contains("is stored as AwqInt4, expected floats", Assert.Throws<CheckpointException>(() => new CheckpointQuantizer(quantised, new WeightQuantization(8, 32))).Message, StringComparison.Ordinal);
        using (var gguf = Checkpoint.Open(GoldenData.PathOf("llama3-rope/model-F16.gguf")))
            Assert.Contains("is a GGUF file", Assert.Throws<CheckpointException>(() => new CheckpointQuantizer(gguf, new WeightQuantization(8, 32))).Message, StringComparison.Ordinal);

        var target = Path.Combine(_folder.FullName, "other");
        using var origin = Checkpoint.Open(Mini);
        var quantizer = new CheckpointQuantizer(origin, new WeightQuantization(4, 32));
        Assert.Contains("exists and is not empty", Assert.Throws<CheckpointException>(() => quantizer.Write(Target, 1)).Message, StringComparison.Ordinal);
        using var cancellation = new CancellationTokenSource();
        var done = 0L;
        Assert.ThrowsAny<OperationCanceledException>(() => quantizer.Write(target, 2, weights =>
        {
            if (weights > quantizer.WeightCount / 2) cancellation.Cancel();
            done = weights;
        }, cancellation.Token));
        Assert.InRange(done, 1, quantizer.WeightCount - 1);
        Assert.Equal([Target], Directory.GetFileSystemEntries(_folder.FullName));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Weights_that_are_no_numbers_are_refused_by_name(float value)
    {
        var source = Path.Combine(_folder.FullName, "broken");
        WriteDrawn(source, DType.F32, (name, bytes) =>
        {
            if (name == "model.layers.1.mlp.up_proj.weight") BitConverter.TryWriteBytes(bytes.AsSpan(4 * (160 * 3)), value);
        });
        using var checkpoint = Checkpoint.Open(source);
        var fault = Assert.Throws<CheckpointException>(() => new CheckpointQuantizer(checkpoint, new WeightQuantization(4, 32)).Write(Target, 2));
        Assert.Equal("model.layers.1.mlp.up_proj.weight: row 3 has a weight that is not finite; such a model cannot be quantised", fault.Message);
        Assert.Equal([source], Directory.GetFileSystemEntries(_folder.FullName));
    }

    private QuantizationReport Quantize(string source, WeightQuantization quantization, int threads = 2)
    {
        using var checkpoint = Checkpoint.Open(source);
        return new CheckpointQuantizer(checkpoint, quantization).Write(Target, threads);
    }

    private static double BitsPerByte(string path)
    {
        using var checkpoint = Checkpoint.Open(path);
        using var model = DecoderModel.Open(checkpoint, Options);
        return Perplexity.Measure(model, checkpoint.LoadTokenizer(), new StringReader(Text), 256).BitsPerByte;
    }

    private SortedDictionary<string, string> Hashes() => new(
        Directory.GetFiles(Target).ToDictionary(file => Path.GetFileName(file), file => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)))), StringComparer.Ordinal);

    /// <summary>A small qwen2 whose projections are drawn in a format; gives their values.</summary>
    private static Dictionary<string, float[]> WriteDrawn(string path, DType dtype, Action<string, byte[]>? damage = null)
    {
        var config = QuantizedModelTests.GroupedQuery with { QuantizationConfig = dtype == DType.F8E4M3 ? new QuantizationConfig { QuantMethod = "fp8", WeightBlockSize = [128, 128] } : null };
        using var rest = new TinyModel(config, seed: 5);
        var values = new Dictionary<string, float[]>();
        var tensors = new List<TensorToWrite>();
        foreach (var spec in WeightManifest.For(config))
        {
            if (!spec.Quantizable)
            {
                tensors.AddRange(TensorToWrite.From(rest.Tensors[spec.Name]));
                continue;
            }

            using var matrix = StoredMatrix.Create(dtype, spec.Shape[0], spec.Shape[1], seed: tensors.Count);
            values[spec.Name] = matrix.Values();
            var bytes = matrix.Tensor.Bytes.ToArray();
            damage?.Invoke(spec.Name, bytes);
            tensors.Add(new TensorToWrite(spec.Name, dtype, spec.Shape, bytes));
            if (matrix.Tensor.Scale is { } scale) tensors.Add(new TensorToWrite(spec.Name + "_scale_inv", DType.F32, scale.Shape, scale.Bytes.ToArray()));
        }

        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "config.json"), config.ToJson());
        SafetensorsWriter.WriteModel(path, tensors);
        return values;
    }

    private static float[] Values(WeightTensor tensor)
    {
        var matrix = Hadal.Inference.Kernels.WeightMatrix.Create(tensor);
        var values = new float[matrix.Rows * matrix.Columns];
        fixed (float* p = values)
        {
            for (var r = 0; r < matrix.Rows; r++) matrix.DequantizeRow(r, p + (r * matrix.Columns));
        }

        return values;
    }

    private static long PartBytes(WeightTensor tensor) => (tensor.Scale?.ByteLength ?? 0) + (tensor.AwqZeros?.ByteLength ?? 0) + (tensor.AwqScales?.ByteLength ?? 0);

    private static double Relative(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        var (error, all) = (0.0, 0.0);
        for (var i = 0; i < expected.Length; i++) (error, all) = (error + Math.Pow(expected[i] - actual[i], 2), all + Math.Pow(expected[i], 2));
        return Math.Sqrt(error / all);
    }
}
