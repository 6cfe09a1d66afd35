using System.Globalization;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Formats;

namespace Hadal.Inference.Tests.Kernels;

/// <summary>Stored bytes against values that other programs read out of them.</summary>
[Trait("Width", "all")]
public sealed unsafe class FormatFixtureTests
{
    /// <summary>Root-mean-square and largest error of a block against the numbers it was made from (ggml's reference rounding, ggml_simple_blocks.json).</summary>
    private static readonly Dictionary<string, (double Rms, double Largest)> Errors = new()
    {
        ["Q4_0"] = (0.07699, 0.1322),
        ["Q4_1"] = (0.07394, 0.1200),
        ["Q5_0"] = (0.03582, 0.0642),
        ["Q5_1"] = (0.03440, 0.0583),
        ["Q8_0"] = (0.00487, 0.0084),
    };

    [Fact]
    public void Simple_blocks_decode_to_the_published_numbers_within_their_error_table()
    {
        using var fixture = Fixture.Open("ggml_simple_blocks.json");
        var seen = 0;
        foreach (var block in fixture.RootElement.GetProperty("blocks").EnumerateArray())
        {
            var name = block.GetProperty("type").GetString()!;
            var found = DecodeRow(Enum.Parse<DType>(name), Convert.FromHexString(block.GetProperty("quantised_hex").GetString()!));
            Assert.Equal(block.Floats("dequantised"), found);
            var differences = block.Floats("input").Zip(found, (input, value) => Math.Abs((double)input - value)).ToArray();
            var rms = Math.Sqrt(differences.Average(difference => difference * difference));
            Assert.True(rms <= Errors[name].Rms && differences.Max() <= Errors[name].Largest, string.Create(CultureInfo.InvariantCulture, $"{name}: rms {rms:F5}, largest {differences.Max():F5}"));
            seen++;
        }

        Assert.Equal(Errors.Count, seen);
    }

    [Fact]
    public void Super_blocks_decode_to_the_published_numbers()
    {
        using var fixture = Fixture.Open("ggml_k_blocks.json");
        foreach (var block in fixture.RootElement.GetProperty("blocks").EnumerateArray())
        {
            var expected = block.Floats("dequantised");
            var found = DecodeRow(Enum.Parse<DType>(block.GetProperty("type").GetString()!), Convert.FromHexString(block.GetProperty("hex").GetString()!));
            for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], found[i], (Math.Abs(expected[i]) * 1e-6) + 1e-7);
        }
    }

    [Fact]
    public void All_codes_of_float8_decode_to_the_published_table()
    {
        using var fixture = Fixture.Open("fp8_e4m3.json");
        var table = fixture.RootElement.Floats("decode_table");
        using var one = GuardedBuffer.Of([1f, 1f]);
        var codes = Enumerable.Range(0, 256).Select(code => (byte)code).ToArray();
        using var bytes = GuardedBuffer.OfBytes(codes);
        var tensor = new WeightTensor("w", DType.F8E4M3, [1, 256], bytes.Data, 256)
        {
            Scale = new WeightTensor("w_scale_inv", DType.F32, [1, 2], one.Data, 8),
        };
        using var row = new GuardedBuffer(256 * 4);
        WeightMatrix.Create(tensor).DequantizeRow(0, row.Floats);
        for (var code = 0; code < 256; code++)
        {
            Assert.Equal(table[code], row.Span[code]);
            Assert.Equal(table[code], F8E4M3Rows.ToSingle((byte)code));
            Assert.True(float.IsNaN(table[code]) || float.IsNegative(row.Span[code]) == code >= 128, $"sign of code {code}");
        }
    }

    [Fact]
    public void Slices_of_float8_use_the_scales_of_the_whole_tensor()
    {
        using var stored = StoredMatrix.Create(DType.F8E4M3, 260, 200, seed: 1);
        var slice = WeightMatrix.Create(stored.Tensor, rows: 5, columns: 200, byteOffset: 126 * 200);
        var values = stored.Values();
        var row = stackalloc float[200];
        for (var r = 0; r < 5; r++)
        {
            slice.DequantizeRow(r, row);
            Assert.True(values.AsSpan((126 + r) * 200, 200).SequenceEqual(new ReadOnlySpan<float>(row, 200)));
        }
    }

    [Fact]
    public void Awq_words_decode_to_the_published_numbers()
    {
        using var fixture = Fixture.Open("awq_gptq_packing.json");
        var awq = fixture.RootElement.GetProperty("awq");
        int rows = awq.GetProperty("out_features").GetInt32(), columns = awq.GetProperty("in_features").GetInt32();
        using var codes = GuardedBuffer.OfBytes(Words(awq.GetProperty("qweight_int32")));
        using var zeros = GuardedBuffer.OfBytes(Words(awq.GetProperty("qzeros_int32")));
        using var scales = GuardedBuffer.OfBytes([.. awq.GetProperty("scales_f16").EnumerateArray().SelectMany(row => row.Floats()).SelectMany(value => BitConverter.GetBytes((Half)value))]);
        var matrix = WeightMatrix.Create(new WeightTensor("w", DType.AwqInt4, [rows, columns], codes.Data, codes.ByteLength)
        {
            AwqZeros = new WeightTensor("z", DType.I32, [2, rows / 8], zeros.Data, zeros.ByteLength),
            AwqScales = new WeightTensor("s", DType.F16, [2, rows], scales.Data, scales.ByteLength),
        });
        var expected = awq.GetProperty("dequantised_in_by_out");
        using var x = new GuardedBuffer(columns * 4);
        using var y = new GuardedBuffer(rows * 4);
        for (var k = 0; k < columns; k++)
        {
            // One input is 1, all others 0: the product is a column of the matrix.
            x.Span.Clear();
            x.Span[k] = 1;
            matrix.Multiply(x.Floats, columns, 1, y.Floats, rows, 0, rows);
            var values = expected[k].Floats();
            for (var r = 0; r < rows; r++) Assert.Equal(values[r], y.Span[r], 1e-6);
        }

        static byte[] Words(JsonElement rows) =>
            [.. rows.EnumerateArray().SelectMany(row => row.EnumerateArray()).SelectMany(word => BitConverter.GetBytes(word.GetInt32()))];
    }

    [Fact]
    public void All_half_precision_numbers_are_exact()
    {
        var bytes = new byte[65536 * 2];
        for (var i = 0; i < 65536; i++) BitConverter.TryWriteBytes(bytes.AsSpan(2 * i), (ushort)i);
        var found = DecodeRow(DType.F16, bytes);
        for (var i = 0; i < 65536; i++)
        {
            var expected = (float)BitConverter.UInt16BitsToHalf((ushort)i);
            Assert.Equal(expected, found[i]);
            Assert.Equal(float.IsNegative(expected), float.IsNegative(found[i]));
            fixed (byte* p = &bytes[2 * i]) Assert.Equal(expected, HalfBits.Read(p));
        }
    }

    [Fact]
    public void Tensors_that_do_not_hold_what_their_shape_says_are_refused()
    {
        var data = stackalloc byte[64];
        Refused(new WeightTensor("w", DType.F32, [4, 8], data, 64), "128");
        Refused(new WeightTensor("w", DType.Q4_0, [1, 33], data, 64), "32");
        Refused(new WeightTensor("w", DType.F8E4M3, [2, 8], data, 64), "weight_scale_inv");
        Refused(new WeightTensor("w", DType.AwqInt4, [8, 8], data, 64), "qzeros");
        Refused(new WeightTensor("w", DType.I64, [2, 2], data, 64), "I64");
        Refused(new WeightTensor("w", DType.F32, [int.MaxValue, int.MaxValue], data, 64), "bytes");
        Assert.Throws<ArgumentException>(() => WeightMatrix.Create(new WeightTensor("w", DType.F32, [4], null, 16)));
        Assert.Throws<CheckpointException>(() => WeightMatrix.Create(new WeightTensor("w", DType.F32, [4, 4], null, 64), 2, 4, byteOffset: 48));

        static void Refused(WeightTensor tensor, string says) =>
            Assert.Contains(says, Assert.Throws<CheckpointException>(() => WeightMatrix.Create(tensor)).Message, StringComparison.Ordinal);
    }

    private static float[] DecodeRow(DType dtype, byte[] bytes)
    {
        using var stored = GuardedBuffer.OfBytes(bytes);
        var columns = bytes.Length / dtype.BlockBytes() * dtype.BlockSize();
        using var row = new GuardedBuffer(columns * 4L);
        WeightMatrix.Create(new WeightTensor("w", dtype, [1, columns], stored.Data, stored.ByteLength)).DequantizeRow(0, row.Floats);
        return row.Span.ToArray();
    }
}
