using Hadal.Inference.Kernels;
using Hadal.Inference.Models;

namespace Hadal.Inference.Tests.Kernels;

[Trait("Width", "all")]
public sealed unsafe class BlockedAttentionTests
{
    private const int Block = BlockedAttention.BlockTokens;

    public static TheoryData<int, int, int, int, bool> Shapes => new()
    {
        { 1, 1, 1, 1, false }, { 1, 16, 16, 64, true }, { 2, 64, 128, 65, true }, { 3, 24, 8, 130, true }, { 5, 17, 33, 200, false }, { 6, 128, 128, 600, true },
        { 7, 576, 512, 100, false }, { 13, 48, 32, 513, false }, { 32, 128, 64, 70, true },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Blocks_and_chunks_together_are_softmax_attention(int queryCount, int width, int valueWidth, int tokens, bool isTransposed)
    {
        var queries = Lengths.Random(queryCount * width, 1);
        var keys = Lengths.Random(tokens * width, 2, scale: 2);
        var values = Lengths.Random(tokens * valueWidth, 3);
        var seen = Enumerable.Range(0, queryCount).Select(q => tokens - queryCount + 1 + q).Select(count => Math.Max(count, 1)).ToArray();
        var actual = Attend(queries, width, keys, values, valueWidth, seen, isTransposed);
        for (var q = 0; q < queryCount; q++)
        {
            var expected = Expected(queries.AsSpan(q * width, width), keys, values, valueWidth, seen[q]);
            for (var i = 0; i < valueWidth; i++) Assert.Equal(expected[i], actual[(q * valueWidth) + i], 2e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Queries_beside_a_query_change_no_bit_of_it(int queryCount, int width, int valueWidth, int tokens, bool isTransposed)
    {
        var queries = Lengths.Random(queryCount * width, 4);
        var keys = Lengths.Random(tokens * width, 5, scale: 2);
        var values = Lengths.Random(tokens * valueWidth, 6);
        var seen = Enumerable.Range(0, queryCount).Select(q => Math.Max(tokens - (2 * (queryCount - 1 - q)), 1)).ToArray();
        var together = Attend(queries, width, keys, values, valueWidth, seen, isTransposed);
        for (var q = 0; q < queryCount; q++)
        {
            var alone = Attend(queries.AsSpan(q * width, width).ToArray(), width, keys, values, valueWidth, [seen[q]], isTransposed);
            Assert.Equal(alone, together.AsSpan(q * valueWidth, valueWidth).ToArray());
        }
    }

    [Fact]
    public void The_scalar_definition_weighs_by_hand_computed_numbers()
    {
        // Scores 0 and ln 3 weigh 1/4 and 3/4; the second block brings ln 4, so that weights are 1, 3 and 4 of 8.
        using var room = new GuardedBuffer(AttentionState.FloatCount(1, 1) * sizeof(float));
        using var queries = GuardedBuffer.Of([1]);
        using var keys = GuardedBuffer.Of([0, MathF.Log(3)]);
        using var last = GuardedBuffer.Of([MathF.Log(4)]);
        using var values = GuardedBuffer.Of([8, 16]);
        using var scores = new GuardedBuffer(Block * sizeof(float));
        var state = AttentionState.At(room.Floats, 1, 1);
        BlockedAttention.Begin(state, 1);
        var two = 2;
        BlockedAttention.Scalar(queries.Floats, 0, 1, 1, 1f, new AttentionBlock(keys.Floats, 1, false, values.Floats, 1), &two, scores.Floats, state);
        float output;
        BlockedAttention.Finish(state, 0, &output);
        Assert.Equal(14f, output, 1e-5f);
        var one = 1;
        BlockedAttention.Scalar(queries.Floats, 0, 1, 1, 1f, new AttentionBlock(last.Floats, 1, false, values.Floats, 1), &one, scores.Floats, state);
        BlockedAttention.Finish(state, 0, &output);
        Assert.Equal(11f, output, 1e-5f);
    }

    [Fact]
    public void Very_different_scores_neither_overflow_nor_vanish()
    {
        var keys = new float[200];
        for (var i = 0; i < keys.Length; i++) keys[i] = i < 100 ? -3e4f : 3e4f + (i % 2);
        var values = Enumerable.Range(0, 200).Select(i => i < 100 ? 7f : i % 2).ToArray();
        var output = Attend([1], 1, keys, values, 1, [200], isTransposed: false);
        // The scale is 1/4, so that the two kinds of keys differ by 1/4.
        Assert.Equal(MathF.Exp(0.25f) / (1 + MathF.Exp(0.25f)), output[0], 1e-3f);
    }

    [Fact]
    public void Not_a_number_in_a_key_is_seen_in_the_result_of_those_who_see_the_key_only()
    {
        var keys = Lengths.Random(70 * 16, 7);
        keys[(66 * 16) + 3] = float.NaN;
        foreach (var isTransposed in new[] { false, true })
        {
            var output = Attend(Lengths.Random(2 * 16, 8), 16, keys, Lengths.Random(70 * 4, 9), 4, [66, 67], isTransposed);
            Assert.All(output[..4], value => Assert.True(float.IsFinite(value)));
            Assert.All(output[4..], value => Assert.True(float.IsNaN(value)));
        }
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(1, false)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    [InlineData(2, true)]
    public void Stored_rows_come_back_within_the_rounding_of_their_format(int formatIndex, bool isTransposed)
    {
        var format = (CacheFormat)formatIndex;
        var rows = new CacheRows(2, 24, format, isTransposed);
        using var block = new GuardedBuffer(rows.BlockBytes);
        using var room = new GuardedBuffer(rows.RoomFloats * sizeof(float));
        var values = Lengths.Random(2 * Block * 24, 11, scale: 3);
        for (var head = 0; head < 2; head++)
        {
            for (var slot = 0; slot < Block; slot++) rows.Write(block.Data, head, slot, values.AsSpan(((head * Block) + slot) * 24, 24));
        }

        for (var head = 0; head < 2; head++)
        {
            var read = rows.Read(block.Data, head, Block, room.Floats);
            for (var slot = 0; slot < Block; slot++)
            {
                var row = values.AsSpan(((head * Block) + slot) * 24, 24);
                var largest = row.ToArray().Max(MathF.Abs);
                for (var i = 0; i < 24; i++)
                {
                    var bound = format switch { CacheFormat.F32 => 0, CacheFormat.BF16 => MathF.Abs(row[i]) / 256, _ => largest / 127 * 0.501f };
                    Assert.Equal(row[i], read[isTransposed ? (i * Block) + slot : (slot * 24) + i], bound);
                }
            }
        }
    }

    public static TheoryData<int, int, int, int> StoredShapes()
    {
        var shapes = new TheoryData<int, int, int, int>();
        foreach (var format in new[] { CacheFormat.F32, CacheFormat.BF16, CacheFormat.I8 })
        {
            foreach (var (queryCount, width, tokens) in new[] { (1, 64, 64), (2, 128, 33), (3, 32, 1), (6, 128, 64), (7, 96, 50), (13, 64, 63) })
                shapes.Add((int)format, queryCount, width, tokens);
        }

        return shapes;
    }

    [Theory]
    [MemberData(nameof(StoredShapes))]
    public void Rows_read_where_they_lie_give_the_bits_of_rows_expanded_before(int formatIndex, int queryCount, int width, int tokens)
    {
        var layout = new CacheLayout(1, new CacheRows(2, width, (CacheFormat)formatIndex, true), new CacheRows(2, width, (CacheFormat)formatIndex, false));
        if (!layout.First.AreMultipliedInPlace) return;
        using var block = new GuardedBuffer(layout.LayerBytes);
        using var keyRoom = new GuardedBuffer(Math.Max(4, layout.First.RoomFloats * sizeof(float)));
        using var valueRoom = new GuardedBuffer(Math.Max(4, layout.First.RoomFloats * sizeof(float)));
        byte* first = block.Data, second = first + layout.First.BlockBytes;
        var numbers = Lengths.Random(4 * Block * width, 21, scale: 2);
        for (var row = 0; row < 2 * Block; row++)
        {
            layout.First.Write(first, row / Block, row % Block, numbers.AsSpan(row * width, width));
            layout.Second.Write(second, row / Block, row % Block, numbers.AsSpan(((2 * Block) + row) * width, width));
        }

        for (var head = 0; head < 2; head++)
        {
            var keys = layout.First.Read(first, head, tokens, keyRoom.Floats);
            var values = layout.Second.Read(second, head, tokens, valueRoom.Floats);
            var expanded = One(queryCount, width, tokens, new AttentionBlock(keys, Block, true, values, width));
            // What is asked for ahead may lie anywhere.
            Assert.Equal(expanded, One(queryCount, width, tokens, AttentionBlock.InPlace(layout, first, second, head, null)));
            Assert.Equal(expanded, One(queryCount, width, tokens, AttentionBlock.InPlace(layout, first, second, head, first + (1L << 40))));
        }
    }

    /// <summary>State of queries after one block; the first query sees half of it.</summary>
    private static float[] One(int queryCount, int width, int tokens, in AttentionBlock block)
    {
        using var x = GuardedBuffer.Of(Lengths.Random(queryCount * width, 22));
        using var scores = new GuardedBuffer(queryCount * Block * sizeof(float));
        using var counts = new GuardedBuffer(queryCount * sizeof(int));
        using var room = new GuardedBuffer(AttentionState.FloatCount(queryCount, width) * sizeof(float));
        var state = AttentionState.At(room.Floats, queryCount, width);
        BlockedAttention.Begin(state, queryCount);
        for (var q = 0; q < queryCount; q++) ((int*)counts.Data)[q] = q == 0 ? (tokens + 1) / 2 : tokens;
        BlockedAttention.Add(x.Floats, queryCount, width, 0.25f, block, (int*)counts.Data, scores.Floats, state);
        var result = new List<float>();
        for (var q = 0; q < queryCount; q++)
        {
            Assert.True(state.Sum[q] > 0);
            result.AddRange([state.Max[q], state.Sum[q], .. new ReadOnlySpan<float>(state.Output + ((long)q * state.Stride), width)]);
        }

        return [.. result];
    }

    [Fact]
    public void A_row_of_zeros_and_one_with_a_not_a_number_keep_their_meaning_in_bytes()
    {
        var rows = new CacheRows(1, 16, CacheFormat.I8, false);
        using var block = new GuardedBuffer(rows.BlockBytes);
        using var target = new GuardedBuffer(16 * sizeof(float));
        rows.Write(block.Data, 0, 5, new float[16]);
        rows.ReadRow(block.Data, 0, 5, target.Floats);
        Assert.All(target.Span.ToArray(), value => Assert.Equal(0f, value));
        var broken = new float[16];
        broken[3] = float.NaN;
        rows.Write(block.Data, 0, 6, broken);
        rows.ReadRow(block.Data, 0, 6, target.Floats);
        Assert.Contains(target.Span.ToArray(), float.IsNaN);
    }

    private static float[] Attend(float[] queries, int width, float[] keys, float[] values, int valueWidth, int[] seen, bool isTransposed)
    {
        var (queryCount, tokens) = (seen.Length, keys.Length / width);
        using var x = GuardedBuffer.Of(queries);
        using var scores = new GuardedBuffer(queryCount * Block * sizeof(float));
        using var counts = new GuardedBuffer(queryCount * sizeof(int));
        using var room = new GuardedBuffer(2 * AttentionState.FloatCount(queryCount, valueWidth) * sizeof(float));
        var total = AttentionState.At(room.Floats, queryCount, valueWidth);
        var part = AttentionState.At(room.Floats + AttentionState.FloatCount(queryCount, valueWidth), queryCount, valueWidth);
        BlockedAttention.Begin(total, queryCount);
        for (var chunk = 0; chunk < tokens; chunk += BlockedAttention.ChunkTokens)
        {
            BlockedAttention.Begin(part, queryCount);
            for (var begin = chunk; begin < Math.Min(chunk + BlockedAttention.ChunkTokens, tokens); begin += Block)
            {
                var count = Math.Min(Block, tokens - begin);
                using var k = GuardedBuffer.Of(isTransposed ? Transposed(keys.AsSpan(begin * width, count * width), width) : keys.AsSpan(begin * width, count * width).ToArray());
                using var v = GuardedBuffer.Of(values.AsSpan(begin * valueWidth, count * valueWidth).ToArray());
                for (var q = 0; q < queryCount; q++) ((int*)counts.Data)[q] = Math.Clamp(seen[q] - begin, 0, count);
                var block = new AttentionBlock(k.Floats, isTransposed ? Block : width, isTransposed, v.Floats, valueWidth);
                BlockedAttention.Add(x.Floats, queryCount, width, 0.25f, block, (int*)counts.Data, scores.Floats, part);
            }

            BlockedAttention.Merge(total, part, queryCount);
        }

        var output = new float[queryCount * valueWidth];
        fixed (float* y = output)
        {
            for (var q = 0; q < queryCount; q++) BlockedAttention.Finish(total, q, y + (q * valueWidth));
        }

        return output;
    }

    private static double[] Expected(ReadOnlySpan<float> query, float[] keys, float[] values, int valueWidth, int seen)
    {
        var scores = new double[seen];
        for (var s = 0; s < seen; s++)
        {
            for (var i = 0; i < query.Length; i++) scores[s] += (double)query[i] * keys[(s * query.Length) + i] * 0.25;
        }

        var weights = scores.Select(score => Math.Exp(score - scores.Max())).ToArray();
        var output = new double[valueWidth];
        for (var s = 0; s < seen; s++)
        {
            for (var i = 0; i < valueWidth; i++) output[i] += weights[s] / weights.Sum() * values[(s * valueWidth) + i];
        }

        return output;
    }

    /// <summary>[width, 64] with what no query may see behind the last position.</summary>
    private static float[] Transposed(ReadOnlySpan<float> keys, int width)
    {
        var result = new float[width * Block];
        Array.Fill(result, float.NaN);
        for (var i = 0; i < keys.Length; i++) result[(i % width * Block) + (i / width)] = keys[i];
        return result;
    }
}
