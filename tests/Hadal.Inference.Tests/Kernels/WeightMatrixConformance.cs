using Hadal.Checkpoints.Weights;

namespace Hadal.Inference.Tests.Kernels;

/// <summary>What the products of every weight format must do. A class per format says its name and the row lengths it takes.</summary>
[Trait("Width", "all")]
public abstract unsafe class WeightMatrixConformance
{
    protected abstract DType Format { get; }

    protected abstract IEnumerable<int> ColumnCounts { get; }

    protected virtual int RowCount => 11;

    protected virtual int GroupSize => 32;

    /// <summary>A row length with a rest in every kind of chunk, where the format has such.</summary>
    protected virtual int OddColumns => ColumnCounts.Last(count => count <= 1600);

    [Fact]
    public void Decoding_gives_the_bits_of_the_definition()
    {
        foreach (var columns in ColumnCounts)
        {
            using var stored = Stored(columns);
            using var row = new GuardedBuffer(columns * 4L);
            var values = stored.Values();
            for (var r = 0; r < RowCount; r++)
            {
                stored.Matrix.DequantizeRow(r, row.Floats);
                Assert.True(values.AsSpan(r * columns, columns).SequenceEqual(row.Span), $"{Format}, {columns} columns, row {r}");
            }
        }
    }

    [Fact]
    public void Products_agree_with_double_precision_at_every_length()
    {
        foreach (var columns in ColumnCounts)
        {
            using var stored = Stored(columns);
            using var x = GuardedBuffer.Of(Lengths.Random(2 * columns, columns));
            using var scalar = new GuardedBuffer(2 * RowCount * 4);
            using var vector = new GuardedBuffer(2 * RowCount * 4);
            stored.Matrix.Scalar(x.Floats, columns, 2, scalar.Floats, RowCount, 0, RowCount);
            stored.Matrix.Multiply(x.Floats, columns, 2, vector.Floats, RowCount, 0, RowCount);
            var values = stored.Values();
            for (var i = 0; i < 2 * RowCount; i++)
            {
                var (sum, magnitude) = Dot(x.Span.Slice(i / RowCount * columns, columns), values.AsSpan(i % RowCount * columns, columns));
                AssertClose(sum, scalar.Span[i], (columns + 2) * Lengths.Epsilon * magnitude, $"scalar, {columns} columns, element {i}");
                AssertClose(sum, vector.Span[i], (columns + 2) * Lengths.Epsilon * magnitude, $"vector, {columns} columns, element {i}");
            }
        }
    }

    [Fact]
    public void Transposed_products_agree_with_double_precision()
    {
        var columns = OddColumns;
        using var stored = Stored(columns);
        var values = stored.Values();
        foreach (var (begin, end) in new[] { (0, RowCount), (3, 3), (2, 9), (5, 6) })
        {
            using var x = GuardedBuffer.Of(Lengths.Random(3 * (end - begin), 1));
            using var scalar = new GuardedBuffer(3L * columns * 4);
            using var vector = new GuardedBuffer(3L * columns * 4);
            stored.Matrix.ScalarTransposed(x.Floats, end - begin, 3, scalar.Floats, columns, begin, end);
            stored.Matrix.MultiplyTransposed(x.Floats, end - begin, 3, vector.Floats, columns, begin, end);
            for (var i = 0; i < 3 * columns; i++)
            {
                double sum = 0, magnitude = 0;
                for (var r = begin; r < end; r++)
                {
                    var product = (double)x.Span[(i / columns * (end - begin)) + r - begin] * values[(r * columns) + (i % columns)];
                    sum += product;
                    magnitude += Math.Abs(product);
                }

                AssertClose(sum, scalar.Span[i], (RowCount + 2) * Lengths.Epsilon * magnitude, $"scalar, rows {begin}..{end}, element {i}");
                AssertClose(sum, vector.Span[i], (RowCount + 2) * Lengths.Epsilon * magnitude, $"vector, rows {begin}..{end}, element {i}");
            }
        }
    }

    [Fact]
    public void A_batch_gives_the_bits_of_its_tokens_one_by_one_for_any_rows()
    {
        var columns = OddColumns;
        using var stored = Stored(columns);
        const int MostTokens = 70;
        int stride = columns + 3, outputStride = RowCount + 2;
        using var x = GuardedBuffer.Of(Lengths.Random((MostTokens * stride) - 3, 7));
        var expected = new float[MostTokens, RowCount];
        using var single = new GuardedBuffer(RowCount * 4);
        for (var t = 0; t < MostTokens; t++)
        {
            for (var r = 0; r < RowCount; r++)
            {
                stored.Matrix.Multiply(x.Floats + (t * stride), stride, 1, single.Floats, RowCount, r, r + 1);
                expected[t, r] = single.Span[r];
            }
        }

        foreach (var tokens in new[] { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 31, 32, 33, 37, MostTokens })
        {
            foreach (var (begin, end) in new[] { (0, RowCount), (0, 4), (1, 9), (4, 5), (2, 2), (RowCount - 3, RowCount), (RowCount / 32 * 16, RowCount) })
            {
                using var y = new GuardedBuffer(Math.Max(0, (((tokens - 1) * outputStride) + RowCount) * 4L));
                y.Span.Fill(float.NaN);
                stored.Matrix.Multiply(x.Floats, stride, tokens, y.Floats, outputStride, begin, end);
                for (var t = 0; t < tokens; t++)
                {
                    for (var r = 0; r < RowCount; r++)
                    {
                        var found = y.Span[(t * outputStride) + r];
                        if (r >= begin && r < end) Assert.Equal(BitConverter.SingleToInt32Bits(expected[t, r]), BitConverter.SingleToInt32Bits(found));
                        else Assert.True(float.IsNaN(found), $"token {t}: row {r} outside {begin}..{end} was written");
                    }
                }
            }
        }
    }

    [Fact]
    public void Transposed_batches_give_the_bits_of_their_tokens_one_by_one()
    {
        var columns = OddColumns;
        using var stored = Stored(columns);
        using var x = GuardedBuffer.Of(Lengths.Random(9 * RowCount, 7));
        using var all = new GuardedBuffer(9L * columns * 4);
        using var single = new GuardedBuffer(columns * 4L);
        stored.Matrix.MultiplyTransposed(x.Floats, RowCount, 9, all.Floats, columns, 0, RowCount);
        for (var t = 0; t < 9; t++)
        {
            stored.Matrix.MultiplyTransposed(x.Floats + (t * RowCount), RowCount, 1, single.Floats, columns, 0, RowCount);
            Assert.True(single.Span.SequenceEqual(all.Span.Slice(t * columns, columns)), $"token {t}");
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(1e-40f)]
    public void Special_activations_come_out_as_the_definition_says(float special)
    {
        var columns = OddColumns;
        using var stored = Stored(columns);
        using var x = GuardedBuffer.Of(Lengths.Random(columns, 3));
        using var scalar = new GuardedBuffer(RowCount * 4);
        using var vector = new GuardedBuffer(RowCount * 4);
        foreach (var place in new[] { 0, columns / 2, columns - 1 })
        {
            var kept = x.Span[place];
            x.Span[place] = special;
            stored.Matrix.Scalar(x.Floats, columns, 1, scalar.Floats, RowCount, 0, RowCount);
            stored.Matrix.Multiply(x.Floats, columns, 1, vector.Floats, RowCount, 0, RowCount);
            for (var r = 0; r < RowCount; r++)
            {
                if (float.IsFinite(scalar.Span[r])) Assert.Equal(scalar.Span[r], vector.Span[r], 1e-3);
                else Assert.Equal(scalar.Span[r], vector.Span[r]);
            }

            x.Span[place] = kept;
        }
    }

    [Fact]
    public void Products_allocate_nothing()
    {
        var columns = OddColumns;
        using var stored = Stored(columns);
        using var x = new GuardedBuffer(5L * Math.Max(columns, RowCount) * 4);
        using var y = new GuardedBuffer(5L * Math.Max(columns, RowCount) * 4);
        Products();
        Assert.Equal(0, Allocations.Of(Products));

        void Products()
        {
            for (var i = 0; i < 3; i++)
            {
                stored.Matrix.Multiply(x.Floats, columns, 5, y.Floats, RowCount, 0, RowCount);
                stored.Matrix.MultiplyTransposed(x.Floats, RowCount, 5, y.Floats, columns, 0, RowCount);
                stored.Matrix.DequantizeRow(0, y.Floats);
            }
        }
    }

    [Fact]
    public void Rows_outside_the_matrix_are_refused()
    {
        using var stored = Stored(OddColumns);
        var matrix = stored.Matrix;
        Assert.Equal((RowCount, OddColumns, Format), (matrix.Rows, matrix.Columns, matrix.DType));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Multiply(null, 0, 1, null, 0, 0, RowCount + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Multiply(null, 0, 1, null, 0, -1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Multiply(null, 0, -1, null, 0, 0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.MultiplyTransposed(null, 0, 1, null, 0, 2, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.DequantizeRow(RowCount, null));
    }

    private StoredMatrix Stored(int columns) => StoredMatrix.Create(Format, RowCount, columns, seed: columns, GroupSize);

    private static (double Sum, double Magnitude) Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> w)
    {
        double sum = 0, magnitude = 0;
        for (var i = 0; i < x.Length; i++)
        {
            var product = (double)x[i] * w[i];
            sum += product;
            magnitude += Math.Abs(product);
        }

        return (sum, magnitude);
    }

    private static void AssertClose(double expected, double found, double bound, string where)
    {
        if (!(Math.Abs(expected - found) <= bound)) Assert.Fail($"{where}: expected {expected:R} within {bound:E2}, found {found:R}");
    }
}
