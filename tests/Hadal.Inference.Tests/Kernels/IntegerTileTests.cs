using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Integer;

namespace Hadal.Inference.Tests.Kernels;

/// <summary>Integer tiles of every format: what is repacked, the kernels of every instruction set, and how far rounded activations lead.</summary>
[Trait("Width", "all")]
public sealed unsafe class IntegerTileTests
{
    private const int Rows = 56;

    public static TheoryData<DType> Formats =>
        [DType.Q4_0, DType.Q4_1, DType.Q5_0, DType.Q5_1, DType.Q8_0, DType.Q4_K, DType.Q5_K, DType.Q6_K, DType.AwqInt4];

    [Theory]
    [MemberData(nameof(Formats))]
    public void Tiles_hold_the_values_of_the_stored_matrix(DType format)
    {
        foreach (var columns in ColumnCounts(format))
        {
            using var tiles = new Tiles(format, Rows, columns);
            using var row = new GuardedBuffer(columns * 4L);
            var values = tiles.Stored.Values();
            for (var r = 0; r < Rows; r++)
            {
                tiles.Matrix.DequantizeRow(r, row.Floats);
                Assert.True(values.AsSpan(r * columns, columns).SequenceEqual(row.Span), $"{format}, {columns} columns, row {r}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Every_instruction_set_gives_the_bits_of_the_definition(DType format)
    {
        var kernels = Enum.GetValues<IntegerKernel>().Where(kernel => kernel != IntegerKernel.Scalar && IntegerKernels.IsSupported(kernel)).ToArray();
        foreach (var columns in ColumnCounts(format))
        {
            using var tiles = new Tiles(format, Rows, columns);
            foreach (var tokens in new[] { 1, 2, 3, 5, 8, 19 })
            {
                using var x = new Activations(tokens, columns, seed: tokens);
                using GuardedBuffer expected = new(tokens * Rows * 4L), found = new(tokens * Rows * 4L);
                foreach (var (begin, end) in new[] { (0, Rows), (16, 48), (7, 8), (5, 39), (3, 3) })
                {
                    expected.Span.Fill(-1);
                    tiles.Matrix.Multiply(IntegerKernel.Scalar, x.Rows, tokens, expected.Floats, Rows, begin, end);
                    foreach (var kernel in kernels)
                    {
                        found.Span.Fill(-1);
                        tiles.Matrix.Multiply(kernel, x.Rows, tokens, found.Floats, Rows, begin, end);
                        Assert.True(expected.Span.SequenceEqual(found.Span), $"{format} {kernel}: {columns} columns, {tokens} tokens, rows {begin}..{end}");
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Products_differ_from_exact_ones_by_the_rounding_of_activations_only(DType format)
    {
        foreach (var columns in ColumnCounts(format))
        {
            using var tiles = new Tiles(format, Rows, columns);
            using var x = new Activations(3, columns, seed: 9);
            using var found = new GuardedBuffer(3 * Rows * 4L);
            tiles.Matrix.Scalar(x.Values.Floats, columns, 3, found.Floats, Rows, 0, Rows);
            var values = tiles.Stored.Values();
            for (var t = 0; t < 3; t++)
            {
                for (var r = 0; r < Rows; r++)
                {
                    var (exact, bound) = Exact(x.Values.Span.Slice(t * columns, columns), values.AsSpan(r * columns, columns));
                    Assert.True(Math.Abs(exact - found.Span[(t * Rows) + r]) <= bound, $"{format}, {columns} columns, row {r}: {exact} and {found.Span[(t * Rows) + r]}, bound {bound}");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void The_largest_codes_and_activations_do_not_overflow(DType format)
    {
        const int Columns = 256;
        foreach (var fill in new byte[] { 0x00, 0xFF })
        {
            using var tiles = new Tiles(format, 16, Columns, fill);
            var values = tiles.Stored.Values();
            foreach (var sign in new[] { 1f, -1f })
            {
                using var x = new Activations(1, Columns, seed: 1);
                for (var i = 0; i < Columns; i++) x.Values.Span[i] = sign * (i % 64 < 32 ? 1f : i % 4 < 2 ? 1f : -1f);
                x.Quantize();
                foreach (var kernel in Enum.GetValues<IntegerKernel>().Where(IntegerKernels.IsSupported))
                {
                    using var found = new GuardedBuffer(16 * 4L);
                    tiles.Matrix.Multiply(kernel, x.Rows, 1, found.Floats, 16, 0, 16);
                    for (var r = 0; r < 16; r++)
                    {
                        var (exact, _) = Exact(x.Values.Span, values.AsSpan(r * Columns, Columns));
                        var magnitude = values.AsSpan(r * Columns, Columns).ToArray().Sum(value => Math.Abs((double)value));
                        Assert.True(Math.Abs(exact - found.Span[r]) <= (1e-4 * magnitude) + 1e-12, $"{format} {kernel}: row {r}: {exact} and {found.Span[r]}");
                    }
                }
            }
        }
    }

    [Fact]
    public void Rounded_activations_are_those_of_the_definition()
    {
        var x = Lengths.Random(32 * 64, 5);
        var special = new[] { 0f, -0f, 1e-40f, 1e-31f, 2e-30f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, 0.5f, 1.5f, -127f };
        for (var i = 0; i < special.Length; i++)
        {
            x[(32 * i) + i] = special[i];
            x[(32 * (i + 12)) + 31 - i] = special[i];
            x.AsSpan(32 * (i + 24), 32).Fill(special[i]);
        }

        using var values = GuardedBuffer.Of(x);
        using GuardedBuffer expected = new(64L * QuantizedRows.GroupBytes), found = new(64L * QuantizedRows.GroupBytes);
        for (var g = 0; g < 64; g++) QuantizedRows.Scalar(values.Floats + (32 * g), expected.Data + (g * QuantizedRows.GroupBytes));
        new QuantizedRows(found.Data, x.Length).Quantize(0, 0, values.Floats, x.Length);
        Assert.Equal(new ReadOnlySpan<byte>(expected.Data, (int)expected.ByteLength).ToArray(), new ReadOnlySpan<byte>(found.Data, (int)found.ByteLength).ToArray());
    }

    [Fact]
    public void Rounded_activations_lie_within_half_a_step()
    {
        using var x = new Activations(5, 320, seed: 3);
        for (var i = 0; i < 5 * 320; i++)
        {
            var group = x.Rows.Data + (i / 32 * QuantizedRows.GroupBytes);
            var scale = *(float*)(group + QuantizedRows.ScaleOffset);
            Assert.True(Math.Abs(x.Values.Span[i] - (((sbyte*)group)[i % 32] * (double)scale)) <= scale * 0.500001);
            Assert.InRange(((sbyte*)group)[i % 32], -127, 127);
        }
    }

    [Fact]
    public void Crews_of_any_size_repack_and_multiply_alike()
    {
        using var stored = StoredMatrix.Create(DType.Q4_0, 200, 96, seed: 2);
        using var x = GuardedBuffer.Of(Lengths.Random(40 * 96, 4));
        float[]? expected = null;
        foreach (var threads in new[] { 1, 2, 3, 7 })
        {
            using var store = new TileStore();
            using var crew = new ThreadCrew(threads);
            var matrix = Repacked(store, crew, stored.Tensor);
            foreach (var tokens in new[] { 40, 1 })
            {
                var y = new float[40 * 200];
                fixed (float* p = y)
                {
                    for (var t = 0; t < 40; t += tokens) matrix.Multiply(crew, x.Floats + (t * 96), 96, tokens, p + (t * 200), 200);
                }

                expected ??= y;
                Assert.Equal(expected, y);
            }
        }
    }

    [Fact]
    public void Products_allocate_nothing()
    {
        using var tiles = new Tiles(DType.Q4_K, Rows, 256);
        using var x = new Activations(9, 256, seed: 1);
        using var y = new GuardedBuffer(9 * Rows * 4L);
        Products();
        Assert.Equal(0, Allocations.Of(Products));

        void Products()
        {
            for (var i = 0; i < 3; i++)
            {
                tiles.Matrix.Multiply(tiles.Crew, x.Values.Floats, 256, 9, y.Floats, Rows);
                tiles.Matrix.Multiply(tiles.Crew, x.Values.Floats, 256, 1, y.Floats, Rows);
            }
        }
    }

    [Theory]
    [InlineData(64, 2)]
    [InlineData(1056, 11)]
    [InlineData(1056, 1)]
    [InlineData(1024, 8)]
    [InlineData(1152, 6)]
    public void Signed_bytes_with_scales_of_groups_or_rows_are_taken_as_they_are(int columns, int scaleCount)
    {
        var codes = new byte[40 * columns];
        new Random(columns).NextBytes(codes);
        foreach (var scaleType in new[] { DType.F32, DType.F16, DType.BF16 })
        {
            var scales = Lengths.Random(40 * scaleCount, 3, 0.01);
            // Numbers that all three types hold.
            for (var i = 0; i < scales.Length; i++) scales[i] = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(MathF.CopySign(0.002f, scales[i]) + scales[i]) & unchecked((int)0xFFFF0000));
            using GuardedBuffer data = GuardedBuffer.OfBytes(codes), stored = GuardedBuffer.OfBytes(scales.SelectMany(scale => Stored(scale, scaleType)).ToArray());
            var tensor = new WeightTensor("w", DType.I8, [40, columns], data.Data, data.ByteLength)
            {
                Scale = new WeightTensor("w_scale", scaleType, [40, scaleCount], stored.Data, stored.ByteLength),
            };
            Assert.True(TileStore.Takes(tensor));
            using var store = new TileStore();
            using var crew = new ThreadCrew(1);
            var matrix = Repacked(store, crew, tensor);
            Assert.Equal(store.ByteCount, TileStore.BytesOf(tensor));
            using var row = new GuardedBuffer(columns * 4L);
            for (var r = 0; r < 40; r++)
            {
                matrix.DequantizeRow(r, row.Floats);
                for (var k = 0; k < columns; k++) Assert.Equal((sbyte)codes[(r * columns) + k] * scales[(r * scaleCount) + (k / (columns / scaleCount))], row.Span[k]);
            }

            using var x = new Activations(9, columns, seed: 4);
            using GuardedBuffer expected = new(9 * 40 * 4L), found = new(9 * 40 * 4L);
            matrix.Multiply(IntegerKernel.Scalar, x.Rows, 9, expected.Floats, 40, 0, 40);
            foreach (var kernel in Enum.GetValues<IntegerKernel>().Where(IntegerKernels.IsSupported))
            {
                matrix.Multiply(kernel, x.Rows, 9, found.Floats, 40, 0, 40);
                Assert.True(expected.Span.SequenceEqual(found.Span), $"{kernel}, {columns} columns, {scaleCount} scales");
            }
        }

        static byte[] Stored(float scale, DType type) => type switch
        {
            DType.F32 => BitConverter.GetBytes(scale),
            DType.F16 => BitConverter.GetBytes((Half)scale),
            _ => BitConverter.GetBytes((ushort)(BitConverter.SingleToUInt32Bits(scale) >> 16)),
        };
    }

    [Fact]
    public void Estimated_bytes_are_those_of_the_tiles()
    {
        foreach (var format in Formats.Select(row => row.Data))
        {
            using var tiles = new Tiles(format, Rows, 512);
            Assert.Equal(tiles.Store.ByteCount, TileStore.BytesOf(tiles.Stored.Tensor));
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_matrix_computes_the_same_bits_before_it_is_repacked(DType format)
    {
        foreach (var columns in ColumnCounts(format))
        {
            using var stored = StoredMatrix.Create(format, Rows, columns, seed: columns);
            using var store = new TileStore();
            using var crew = new ThreadCrew(1);
            var matrix = store.Add(stored.Tensor);
            using GuardedBuffer before = new(columns * 4L), after = new(columns * 4L);
            using var x = new Activations(19, columns, seed: 2);
            var kernels = Enum.GetValues<IntegerKernel>().Where(IntegerKernels.IsSupported).ToArray();
            var found = new List<float[]>();
            for (var pass = 0; pass < 2; pass++)
            {
                Assert.Equal(pass == 1, matrix.Slabs != null);
                foreach (var kernel in kernels)
                {
                    foreach (var tokens in new[] { 1, 7, 19 })
                    {
                        using var y = new GuardedBuffer(tokens * Rows * 4L);
                        matrix.Multiply(kernel, x.Rows, tokens, y.Floats, Rows, 0, Rows);
                        found.Add(y.Span.ToArray());
                    }
                }

                matrix.DequantizeRow(Rows - 1, (pass == 0 ? before : after).Floats);
                store.Repack(crew);
            }

            for (var i = 0; i < found.Count / 2; i++) Assert.Equal(found[i], found[(found.Count / 2) + i]);
            Assert.Equal(before.Span.ToArray(), after.Span.ToArray());
        }
    }

    [Fact]
    public void Repacking_stops_where_it_is_told_and_goes_on_from_there()
    {
        using StoredMatrix first = StoredMatrix.Create(DType.Q4_0, 200, 96, seed: 1), second = StoredMatrix.Create(DType.Q6_K, 70, 256, seed: 2);
        using TileStore store = new(), whole = new();
        using var crew = new ThreadCrew(3);
        IntegerMatrix[] matrices = [store.Add(first.Tensor), store.Add(second.Tensor)], expected = [whole.Add(first.Tensor), whole.Add(second.Tensor)];
        whole.Repack(crew);
        var steps = 0;
        while (!store.IsRepacked)
        {
            // One byte is one slab.
            store.Repack(crew, 1);
            steps++;
            Assert.Equal(steps >= matrices[0].SlabCount, matrices[0].Slabs != null);
        }

        Assert.Equal(matrices[0].SlabCount + matrices[1].SlabCount, steps);
        for (var i = 0; i < 2; i++)
            Assert.True(new ReadOnlySpan<byte>(expected[i].Slabs, (int)expected[i].ByteCount).SequenceEqual(new ReadOnlySpan<byte>(matrices[i].Slabs, (int)matrices[i].ByteCount)));
    }

    private static IntegerMatrix Repacked(TileStore store, ThreadCrew crew, WeightTensor tensor)
    {
        var matrix = store.Add(tensor);
        store.Repack(crew);
        return matrix;
    }

    private static int[] ColumnCounts(DType format) => format.ToString().EndsWith('K') ? [256, 768] : [32, 64, 544];

    /// <summary>The exact product, and how far rounding activations to 127 steps may lead from it; float32 sums add their share.</summary>
    private static (double Sum, double Bound) Exact(ReadOnlySpan<float> x, ReadOnlySpan<float> w)
    {
        double sum = 0, bound = 0, magnitude = 0, largestWeight = 0;
        foreach (var value in w) largestWeight = Math.Max(largestWeight, Math.Abs(value));
        for (var begin = 0; begin < x.Length; begin += 32)
        {
            double largest = 0, weights = 0;
            for (var i = begin; i < begin + 32; i++)
            {
                largest = Math.Max(largest, Math.Abs(x[i]));
                weights += Math.Abs(w[i]);
                sum += (double)x[i] * w[i];
            }

            bound += largest / 254 * weights;
            magnitude += 32 * largest * largestWeight;
        }

        // A minimum and a scaled code may be several times their sum.
        return (sum, (bound * 1.0001) + (x.Length * Lengths.Epsilon * magnitude * 4));
    }

    private sealed class Tiles : IDisposable
    {
        public Tiles(DType format, int rows, int columns, byte? fill = null)
        {
            Stored = StoredMatrix.Create(format, rows, columns, seed: columns);
            if (fill is { } value) FillCodes(Stored.Tensor, value);
            Matrix = Repacked(Store, Crew, Stored.Tensor);
        }

        public StoredMatrix Stored { get; }

        public TileStore Store { get; } = new();

        public ThreadCrew Crew { get; } = new(1);

        public IntegerMatrix Matrix { get; }

        public void Dispose()
        {
            Crew.Dispose();
            Store.Dispose();
            Stored.Dispose();
        }

        /// <summary>The same code everywhere; scales stay.</summary>
        private static void FillCodes(WeightTensor tensor, byte value)
        {
            if (tensor.DType == DType.AwqInt4)
            {
                new Span<byte>(tensor.Data, (int)tensor.ByteLength).Fill(value);
                new Span<byte>(tensor.AwqZeros!.Data, (int)tensor.AwqZeros.ByteLength).Fill((byte)~value);
                return;
            }

            var (begin, end) = tensor.DType switch
            {
                DType.Q4_K or DType.Q5_K => (16, tensor.DType.BlockBytes()),
                DType.Q6_K => (0, 192),
                DType.Q4_1 or DType.Q5_1 => (4, tensor.DType.BlockBytes()),
                _ => (2, tensor.DType.BlockBytes()),
            };
            // The lowest signed byte is the code of largest magnitude.
            if (tensor.DType == DType.Q8_0) value = value == 0 ? (byte)0x80 : (byte)0x7F;
            for (long block = 0; block < tensor.ByteLength; block += tensor.DType.BlockBytes()) new Span<byte>(tensor.Data + block + begin, end - begin).Fill(value);
        }
    }

    /// <summary>Random activations, and the same rounded.</summary>
    private sealed class Activations : IDisposable
    {
        private readonly GuardedBuffer _quantized;
        private readonly int _tokens;
        private readonly int _columns;

        public Activations(int tokens, int columns, int seed)
        {
            (_tokens, _columns) = (tokens, columns);
            Values = GuardedBuffer.Of(Lengths.Random(tokens * columns, seed));
            _quantized = new GuardedBuffer(QuantizedRows.BytesOf(tokens, columns));
            Rows = new QuantizedRows(_quantized.Data, columns);
            Quantize();
        }

        public GuardedBuffer Values { get; }

        public QuantizedRows Rows { get; }

        public void Quantize()
        {
            for (var t = 0; t < _tokens; t++) Rows.Quantize(t, 0, Values.Floats + (t * _columns), _columns);
        }

        public void Dispose()
        {
            Values.Dispose();
            _quantized.Dispose();
        }
    }
}
