using System.Text;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Tests.Hostile;

/// <summary>Safetensors files that lie, each refused in one line with memory in proportion to the file.</summary>
public sealed class HostileSafetensorsTests(ITestOutputHelper output) : IDisposable
{
    private const string A = "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}";

    private readonly TemporaryFolder _folder = new();

    /// <summary>Case, header, bytes of data, what the refusal says.</summary>
    public static TheoryData<string, string, int, string> Headers => new()
    {
        { "not JSON", "{\"a\":", 8, "the header is not valid JSON" },
        { "no object", "[]", 0, "the header does not begin with '{'" },
        { "white space in front", " {" + A + "}", 8, "the header does not begin with '{'" },
        { "text behind", "{" + A + "}x", 8, "the header is not valid JSON" },
        { "depth", "{\"a\":" + new string('[', 5000) + new string(']', 5000) + "}", 8, "is not described by an object" },
        { "depth in an unknown key", "{\"a\":{\"x\":" + new string('[', 5000) + new string(']', 5000) + "}}", 8, "the header is not valid JSON" },
        { "repeated tensor", "{" + A + "," + A + "}", 8, "tensor 'a' appears twice" },
        { "repeated key of a tensor", "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "tensor 'a' has 'dtype' twice" },
        { "metadata twice", "{\"__metadata__\":{\"a\":\"b\"},\"__metadata__\":{\"a\":\"b\"}," + A + "}", 8, "__metadata__ appears twice" },
        { "metadata that is no string", "{\"__metadata__\":{\"a\":1}," + A + "}", 8, "__metadata__ 'a' is not a string" },
        { "metadata that is no object", "{\"__metadata__\":7," + A + "}", 8, "__metadata__ is not an object" },
        { "begin behind end", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "ends at 0 before it begins at 8" },
        { "end behind the file", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 8, "the data section has 8 bytes" },
        { "end at 2^63 - 1", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775807]}}", 8, "data_offsets give 9223372036854775807" },
        { "end at 2^64", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,18446744073709551616]}}", 8, "data_offsets that are not two non-negative numbers" },
        { "negative offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "data_offsets that are not two non-negative numbers" },
        { "one offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "data_offsets that are not two non-negative numbers" },
        { "three offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}", 8, "data_offsets that are not two non-negative numbers" },
        { "overlap", "{" + A + ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "neither holes nor overlap" },
        { "the same bytes twice", "{" + A + ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "neither holes nor overlap" },
        { "hole", "{" + A + ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]}}", 20, "neither holes nor overlap" },
        { "bytes behind the last tensor", "{" + A + "}", 9, "1 bytes follow the last tensor" },
        { "zip behind the last tensor", "{" + A + "}", 30, "22 bytes follow the last tensor" },
        { "shape of other size", "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "needs 12 bytes, data_offsets give 8" },
        { "shape beyond 64 bits", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2147483647,2147483647,2147483647],\"data_offsets\":[0,8]}}", 8, "beyond any file" },
        { "dimension 2^31", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2147483648],\"data_offsets\":[0,8]}}", 8, "a dimension that is not a whole number" },
        { "negative dimension", "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "a dimension that is not a whole number" },
        { "dimension as text", "{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}}", 8, "a dimension that is not a whole number" },
        { "nine dimensions", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, "has more than 8 dimensions" },
        { "half a byte", "{\"a\":{\"dtype\":\"F4\",\"shape\":[15],\"data_offsets\":[0,8]}}", 8, "does not fill whole bytes" },
        { "unknown dtype", "{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "has unknown dtype 'F31'" },
        { "dtype as number", "{\"a\":{\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "has a dtype that is not a string" },
        { "no dtype", "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "lacks dtype, shape or data_offsets" },
        { "name with a lone surrogate", "{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "the header is not valid JSON" },
        { "name with line breaks", "{\"a\\nb\\u0000\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "unknown to llama" },
        { "sound, but of another model", "{" + A + "}", 8, "a: unknown to llama, file has [2]" },
        { "dtype without kernels", "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "a: dtype F64 is not computed" },
    };

    [Fact]
    public void The_directory_that_is_damaged_here_opens_undamaged()
    {
        SmallCheckpoint.Write(_folder);
        Assert.Null(Refusals.Open(_folder.Path));
    }

    [Theory]
    [MemberData(nameof(Headers))]
    public void Headers_that_lie_are_refused(string name, string header, int dataLength, string expected)
    {
        Assert.NotEmpty(name);
        SmallCheckpoint.Write(_folder);
        _folder.Write("model.safetensors", SmallCheckpoint.File(header, dataLength));
        Refusals.Refused(_folder.Path, expected);
    }

    [Theory]
    [InlineData(ulong.MaxValue, "states a header of 18446744073709551615 bytes, the limit is 100000000")]
    [InlineData(100_000_001UL, "states a header of 100000001 bytes, the limit is 100000000")]
    [InlineData(100_000_000UL, "states a header of 100000000 bytes, the file has")]
    [InlineData(1UL << 63, "states a header of 9223372036854775808 bytes")]
    [InlineData(0UL, "the header does not begin with '{'")]
    public void Header_lengths_that_lie_are_refused(ulong stated, string expected)
    {
        SmallCheckpoint.Write(_folder);
        _folder.Write("model.safetensors", SmallCheckpoint.File("{" + A + "}", 8, stated));
        Refusals.Refused(_folder.Path, expected);
    }

    [Fact]
    public void A_header_that_is_not_UTF8_is_refused()
    {
        SmallCheckpoint.Write(_folder);
        _folder.Write("model.safetensors", SmallCheckpoint.File([(byte)'{', (byte)'"', 0xC3, 0x28, (byte)'"', (byte)'}'], 0));
        Refusals.Refused(_folder.Path, "the header is not UTF-8");
    }

    [Fact]
    public void Padding_scalars_and_empty_tensors_are_part_of_the_format()
    {
        var header = """{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"b":{"dtype":"I8","shape":[7,0],"data_offsets":[4,4]}}          """;
        using var file = SafetensorsFile.Open(_folder.Write("x.safetensors", SmallCheckpoint.File(header, 4)));
        Assert.Equal((0, 4L, 2, 0L), (file.Entries["a"].Shape.Length, file.Entries["a"].ByteLength, file.Entries["b"].Shape.Length, file.Entries["b"].ByteLength));
    }

    [Fact]
    public void Thousands_of_tensors_on_the_same_bytes_are_refused()
    {
        SmallCheckpoint.Write(_folder);
        var header = new StringBuilder("{");
        for (var index = 0; index < 20000; index++) header.Append($"\"t{index}\":{{\"dtype\":\"U8\",\"shape\":[1000],\"data_offsets\":[0,1000]}},");
        header[^1] = '}';
        _folder.Write("model.safetensors", SmallCheckpoint.File(header.ToString(), 1000));
        Refusals.Refused(_folder.Path, "neither holes nor overlap");
    }

    [Fact]
    public void A_file_cut_anywhere_is_refused()
    {
        SmallCheckpoint.Write(_folder);
        var path = _folder.PathOf("model.safetensors");
        var bytes = File.ReadAllBytes(path);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        output.WriteLine($"safetensors: cut at {bytes.Length} places");
        for (var length = bytes.Length - 1; length >= 0; length--)
        {
            stream.SetLength(length);
            Assert.True(OpenFileFirst(path, length) is not null, $"opened with {length} of {bytes.Length} bytes");
        }
    }

    [Fact]
    public void Any_flipped_bit_of_a_header_leaves_a_model_or_a_refusal()
    {
        SmallCheckpoint.Write(_folder);
        var path = _folder.PathOf("model.safetensors");
        var bytes = File.ReadAllBytes(path);
        var headerLength = 8 + (int)BitConverter.ToUInt64(bytes);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        var refused = 0;
        for (var bit = 0; bit < headerLength * 8; bit++)
        {
            stream.Position = bit / 8;
            stream.WriteByte((byte)(bytes[bit / 8] ^ (1 << (bit % 8))));
            if (OpenFileFirst(path, bytes.Length) is not null) refused++;
            stream.Position = bit / 8;
            stream.WriteByte(bytes[bit / 8]);
        }

        output.WriteLine($"safetensors: {headerLength * 8} flipped bits, {refused} refused");
        Assert.InRange(refused, headerLength * 8 / 2, headerLength * 8);
    }

    [Fact]
    public void A_file_that_changes_its_length_while_it_is_open_is_noticed()
    {
        SmallCheckpoint.Write(_folder);
        using var checkpoint = Checkpoint.Open(_folder.Path);
        checkpoint.EnsureUnchanged();
        using (var stream = new FileStream(_folder.PathOf("model.safetensors"), FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) stream.SetLength(100);
        Assert.Contains("something rewrote the file", Assert.Throws<CheckpointException>(checkpoint.EnsureUnchanged).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Opens the file alone and, where that succeeds, the directory: most damage shows in the file.</summary>
    private string? OpenFileFirst(string path, long size) => Refusals.Run(() => SafetensorsFile.Open(path).Dispose(), size) ?? Refusals.Open(_folder.Path);
}
