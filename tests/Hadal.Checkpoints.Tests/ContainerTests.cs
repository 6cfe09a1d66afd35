using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Hadal.Checkpoints.Tests.Text;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

/// <summary>Complete tiny files, byte by byte.</summary>
public sealed class ContainerTests
{
    private static readonly JsonElement Example =
        TokenizerFixtures.Json(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Fixtures", "containers.json"));

    [Fact]
    public unsafe void The_safetensors_file_of_the_example_has_its_tensors()
    {
        var expected = Example.GetProperty("safetensors");
        using var folder = new TemporaryFolder();
        using var file = SafetensorsFile.Open(Written(folder, "example.safetensors", expected));
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal(3, file.Entries.Count);
        foreach (var tensor in expected.GetProperty("tensors").EnumerateArray())
        {
            var entry = file.Entries[tensor.GetProperty("name").GetString()!];
            Assert.Equal(tensor.GetProperty("dtype").GetString(), entry.DTypeName);
            Assert.Equal(TokenizerFixtures.Ids(tensor.GetProperty("shape")), entry.Shape);
            Assert.Equal(Numbers(tensor.GetProperty("values")), Values(entry.DTypeName, new ReadOnlySpan<byte>(file.DataOf(entry), (int)entry.ByteLength)));
        }
    }

    [Fact]
    public unsafe void The_gguf_file_of_the_example_has_its_metadata_and_tensors()
    {
        var expected = Example.GetProperty("gguf");
        using var folder = new TemporaryFolder();
        using var file = GgufFile.Open(Written(folder, "example.gguf", expected));
        Assert.Equal("deepseek2", file.Metadata.GetString("general.architecture"));
        Assert.Equal(27, file.Metadata.GetInteger("deepseek2.block_count"));
        Assert.Equal(10000, file.Metadata.GetNumber("deepseek2.rope.freq_base"));
        Assert.True(file.Metadata.GetBoolean("tokenizer.ggml.add_bos_token"));
        Assert.Equal(["a", "Ġb", "<s>"], file.Metadata.GetStrings("tokenizer.ggml.tokens"));
        Assert.Equal([1, 1, 3], file.Metadata.GetIntegers("tokenizer.ggml.token_type"));
        Assert.Equal(2, file.Tensors.Count);
        foreach (var tensor in expected.GetProperty("tensors").EnumerateArray())
        {
            var found = file.Tensors[tensor.GetProperty("name").GetString()!];
            Assert.Equal(TokenizerFixtures.Ids(tensor.GetProperty("ne")).Reverse(), found.Shape);
            Assert.Equal(expected.GetProperty("data_section_offset").GetInt32() + tensor.GetProperty("offset").GetInt32(), found.ByteOffset);
            var values = Values(found.DType.ToString(), new ReadOnlySpan<byte>(file.DataOf(found), (int)found.ByteLength));
            var numbers = Numbers(tensor.GetProperty("values"));
            Assert.Equal(numbers.Length, values.Length);
            for (var i = 0; i < values.Length; i++) Assert.Equal(numbers[i], values[i], 1e-6);
        }
    }

    private static string Written(TemporaryFolder folder, string name, JsonElement example) =>
        folder.Write(name, Convert.FromHexString(example.GetProperty("hex").GetString()!));

    private static double[] Values(string dtype, ReadOnlySpan<byte> bytes)
    {
        switch (dtype)
        {
            case "F32": return [.. MemoryMarshal.Cast<byte, float>(bytes).ToArray().Select(value => (double)value)];
            case "BF16": return [.. MemoryMarshal.Cast<byte, ushort>(bytes).ToArray().Select(bits => (double)BitConverter.Int32BitsToSingle(bits << 16))];
            case "I8": return [.. bytes.ToArray().Select(value => (double)(sbyte)value)];
            case "Q8_0":
                var values = new List<double>();
                for (var block = 0; block < bytes.Length; block += 34)
                {
                    var scale = (double)BinaryPrimitives.ReadHalfLittleEndian(bytes[block..]);
                    foreach (var code in bytes.Slice(block + 2, 32)) values.Add(scale * (sbyte)code);
                }

                return [.. values];
            default: throw new ArgumentException($"no {dtype} in the example", nameof(dtype));
        }
    }

    private static double[] Numbers(JsonElement values) =>
        values.ValueKind == JsonValueKind.Array ? [.. values.EnumerateArray().SelectMany(Numbers)] : [values.GetDouble()];
}
