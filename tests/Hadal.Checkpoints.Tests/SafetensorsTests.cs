using System.Text;
using System.Text.Json;
using CsCheck;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

public sealed class SafetensorsTests : IDisposable
{
    private static readonly DType[] Plain = [DType.F32, DType.F16, DType.BF16, DType.F8E4M3, DType.I8, DType.U8, DType.I32, DType.I64];

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Loading_and_saving_a_published_file_gives_the_same_bytes()
    {
        var source = GoldenData.PathOf("deepseek-v3/hf/model.safetensors");
        var copy = _folder.PathOf("copy.safetensors");
        using (var checkpoint = Checkpoint.Open(GoldenData.PathOf("deepseek-v3/hf")))
            SafetensorsWriter.Write(copy, checkpoint.Tensors.Values.SelectMany(TensorToWrite.From));

        Assert.Equal(File.ReadAllBytes(source), File.ReadAllBytes(copy));
    }

    [Fact]
    public unsafe void Tensors_of_every_type_are_read_as_they_were_written()
    {
        Gen.Select(Gen.Int[0, Plain.Length - 1].Select(index => Plain[index]), Gen.Int[0, 5].Array[0, 4], Gen.Int[0, int.MaxValue], Gen.String[Gen.Char, 0, 12]).Array[0, 8].Sample(drawn =>
        {
            var tensors = drawn.Select((tensor, index) => Random($"{index}{tensor.Item4}", tensor.Item1, tensor.Item2, tensor.Item3)).ToList();
            // A lone surrogate cannot be written as UTF-8.
            tensors = [.. tensors.Where(tensor => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(tensor.Tensor.Name)) == tensor.Tensor.Name)];
            var path = _folder.PathOf("drawn.safetensors");
            SafetensorsWriter.Write(path, tensors.Select(tensor => tensor.Tensor));
            using var file = SafetensorsFile.Open(path);
            Assert.Equal(tensors.Count, file.Entries.Count);
            foreach (var (tensor, bytes) in tensors)
            {
                var entry = file.Entries[tensor.Name];
                Assert.Equal(tensor.DType, SafetensorsDTypes.ToDType(entry.DTypeName));
                Assert.Equal(tensor.Shape, entry.Shape);
                Assert.Equal(bytes, new ReadOnlySpan<byte>(file.DataOf(entry), (int)entry.ByteLength).ToArray());
                if (entry.ByteLength > 0) Assert.Equal(0, (long)file.DataOf(entry) % tensor.DType.BlockBytes());
            }

            // Written again from what was read, the bytes are the same.
            var again = _folder.PathOf("again.safetensors");
            SafetensorsWriter.Write(again, tensors.Select(tensor => tensor.Tensor).Reverse());
            Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(again));
        }, iter: 200, threads: 1);
    }

    [Theory]
    [InlineData(1, 5)]
    [InlineData(40, 5)]
    [InlineData(80, 3)]
    [InlineData(120, 2)]
    [InlineData(200, 1)]
    public void Shards_hold_at_most_what_they_may_and_all_of_it(long maxShardBytes, int shardCount)
    {
        var tensors = Enumerable.Range(0, 5).Select(index => Random($"t{index}", DType.F32, [10], index)).ToList();
        SafetensorsWriter.WriteModel(_folder.Path, tensors.Select(tensor => tensor.Tensor), maxShardBytes);
        var files = Directory.GetFiles(_folder.Path, "*.safetensors").Order().Select(file => Path.GetFileName(file)).ToList();
        Assert.Equal(shardCount == 1 ? ["model.safetensors"] : Enumerable.Range(1, shardCount).Select(number => $"model-0000{number}-of-0000{shardCount}.safetensors"), files);
        Assert.Equal(shardCount > 1, File.Exists(_folder.PathOf("model.safetensors.index.json")));
        var shards = SafetensorsShards.Open(new CheckpointFolder(_folder.Path));
        Assert.Equal(tensors.Select(tensor => tensor.Tensor.Name), shards.SelectMany(shard => shard.Entries.Keys).Order());
        Assert.All(shards, shard => Assert.True(shard.Entries.Count == 1 || shard.Entries.Values.Sum(entry => entry.ByteLength) <= maxShardBytes));
        shards.ForEach(shard => shard.Dispose());
        if (shardCount == 1) return;

        using var index = JsonDocument.Parse(File.ReadAllBytes(_folder.PathOf("model.safetensors.index.json")));
        Assert.Equal(200, index.RootElement.GetProperty("metadata").GetProperty("total_size").GetInt64());
        Assert.Equal(5, index.RootElement.GetProperty("weight_map").EnumerateObject().Count());
    }

    [Fact]
    public void Saving_again_leaves_no_shard_of_the_earlier_save_and_no_other_file_touched()
    {
        var tensors = Enumerable.Range(0, 4).Select(index => Random($"t{index}", DType.F32, [10], index).Tensor).ToList();
        _folder.Write("model-card.safetensors", "mine");
        _folder.Write("adapter_model.safetensors", "mine");
        SafetensorsWriter.WriteModel(_folder.Path, tensors, maxShardBytes: 40);
        Assert.Equal(7, Directory.GetFiles(_folder.Path).Length);
        SafetensorsWriter.WriteModel(_folder.Path, tensors, maxShardBytes: 80);
        Assert.Equal(5, Directory.GetFiles(_folder.Path).Length);
        SafetensorsWriter.WriteModel(_folder.Path, tensors);
        Assert.Equal(["adapter_model.safetensors", "model-card.safetensors", "model.safetensors"], Directory.GetFiles(_folder.Path).Select(file => Path.GetFileName(file)).Order());
    }

    [Fact]
    public void A_save_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it()
    {
        var path = _folder.PathOf("model.safetensors");
        SafetensorsWriter.Write(path, [Random("a", DType.F32, [3], 1).Tensor]);
        var before = File.ReadAllBytes(path);
        var tooShort = new TensorToWrite("b", DType.F32, [4], stream => stream.Write(new byte[15]));
        Assert.Contains("wrote 15 bytes, its shape needs 16", Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, [tooShort])).Message, StringComparison.Ordinal);
        Assert.Throws<IOException>(() => SafetensorsWriter.Write(path, [tooShort with { WriteTo = _ => throw new IOException("disk full") }]));
        Assert.Equal(before, File.ReadAllBytes(path));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_file_too_large_for_its_place_is_an_input_output_error_that_names_it()
    {
        const long beyond = 1L << 62;
        var path = _folder.PathOf("large");
        try
        {
            AtomicFile.Write(path, stream =>
            {
                stream.Position = beyond;
                stream.WriteByte(1);
            });
        }
        catch (IOException fault)
        {
            Assert.Contains(path, fault.Message, StringComparison.Ordinal);
            Assert.Empty(Directory.GetFiles(_folder.Path));
            return;
        }

        Assert.Skip("this file system holds files of 4 EiB");
    }

    [Fact]
    public void What_the_format_cannot_hold_is_refused()
    {
        var a = Random("a", DType.F32, [3], 1).Tensor;
        Assert.Contains("'a' appears twice", Refusal(a, a), StringComparison.Ordinal);
        Assert.Contains("'__metadata__' appears twice or has a reserved name", Refusal(a with { Name = "__metadata__" }), StringComparison.Ordinal);
        Assert.Contains("safetensors cannot hold Q4_K", Refusal(a with { DType = DType.Q4_K, Shape = [256] }), StringComparison.Ordinal);
        Assert.ThrowsAny<ArgumentException>(() => SafetensorsWriter.Write(_folder.PathOf("x"), [a with { Shape = [-1] }]));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.WriteModel(_folder.Path, [a, a], maxShardBytes: 12));

        string Refusal(params TensorToWrite[] tensors) => Assert.ThrowsAny<ArgumentException>(() => SafetensorsWriter.Write(_folder.PathOf("x"), tensors)).Message;
    }

    [Fact]
    public void The_header_is_padded_so_that_data_begins_on_a_multiple_of_eight()
    {
        for (var length = 1; length <= 16; length++)
        {
            var path = _folder.PathOf("x.safetensors");
            SafetensorsWriter.Write(path, [Random(new string('n', length), DType.I64, [2], length).Tensor], new Dictionary<string, string>());
            var header = BitConverter.ToUInt64(File.ReadAllBytes(path));
            Assert.Equal(0u, header % 8);
            using var file = SafetensorsFile.Open(path);
            Assert.Empty(file.Metadata);
        }
    }

    public void Dispose() => _folder.Dispose();

    private static (TensorToWrite Tensor, byte[] Bytes) Random(string name, DType dtype, int[] shape, int seed)
    {
        var bytes = new byte[shape.Aggregate(1, (product, size) => product * size) * dtype.BlockBytes()];
        new Random(seed).NextBytes(bytes);
        return (new TensorToWrite(name, dtype, shape, bytes), bytes);
    }
}
