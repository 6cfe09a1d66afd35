using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

[Trait("Width", "all")]
public sealed unsafe class AttentionTests
{
    public static TheoryData<int, int, int> Shapes => new()
    {
        { 1, 1, 1 }, { 1, 7, 3 }, { 4, 16, 64 }, { 5, 9, 128 }, { 17, 13, 192 }, { 16, 32, 576 }, { 3, 5, 577 }, { 33, 2, 512 }, { 2, 3, 15 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Scores_agree_with_double_precision_and_with_one_query_and_key_at_a_time(int queryCount, int keyCount, int width)
    {
        using var queries = GuardedBuffer.Of(Lengths.Random(queryCount * width, 1));
        using var keys = GuardedBuffer.Of(Lengths.Random(keyCount * width, 2));
        using var scores = new GuardedBuffer(queryCount * keyCount * 4);
        using var single = new GuardedBuffer(4);
        Attention.Scores(queries.Floats, width, queryCount, keys.Floats, width, keyCount, width, 0.125f, scores.Floats, keyCount);
        for (var q = 0; q < queryCount; q++)
        {
            for (var s = 0; s < keyCount; s++)
            {
                double sum = 0, magnitude = 0;
                for (var i = 0; i < width; i++)
                {
                    var product = (double)queries.Span[(q * width) + i] * keys.Span[(s * width) + i];
                    sum += product;
                    magnitude += Math.Abs(product);
                }

                Assert.Equal(sum * 0.125, scores.Span[(q * keyCount) + s], (width + 2) * Lengths.Epsilon * magnitude);
                Attention.Scores(queries.Floats + (q * width), width, 1, keys.Floats + (s * width), width, 1, width, 0.125f, single.Floats, 1);
                Assert.Equal(single.Span[0], scores.Span[(q * keyCount) + s]);
            }
        }
    }

    [Fact]
    public void The_scalar_definition_of_scores_is_the_sum_of_products()
    {
        using var queries = GuardedBuffer.Of([1, 2, 3, 4]);
        using var keys = GuardedBuffer.Of([5, 6, 7, 8]);
        using var scores = new GuardedBuffer(4 * 4);
        Attention.ScalarScores(queries.Floats, 2, 2, keys.Floats, 2, 2, 2, 10, scores.Floats, 2);
        Assert.Equal([170f, 230, 390, 530], scores.Span.ToArray());
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Weighted_sums_agree_with_double_precision_and_do_not_see_where_blocks_begin(int seed, int valueCount, int width)
    {
        using var weights = GuardedBuffer.Of(Lengths.Random(valueCount, seed));
        using var values = GuardedBuffer.Of(Lengths.Random(valueCount * width, seed + 1));
        using var whole = new GuardedBuffer(width * 4);
        using var parts = new GuardedBuffer(width * 4);
        Attention.WeightedSum(weights.Floats, values.Floats, width, valueCount, width, whole.Floats);
        for (var s = 0; s < valueCount;)
        {
            var count = Math.Min((s % 5) + 1, valueCount - s);
            Attention.WeightedSum(weights.Floats + s, values.Floats + (s * width), width, count, width, parts.Floats);
            s += count;
        }

        Assert.Equal(whole.Span.ToArray(), parts.Span.ToArray());
        for (var i = 0; i < width; i++)
        {
            var sum = 0.0;
            for (var s = 0; s < valueCount; s++) sum += (double)weights.Span[s] * values.Span[(s * width) + i];
            Assert.Equal(sum, whole.Span[i], (valueCount + 2) * Lengths.Epsilon * valueCount);
        }
    }

    [Fact]
    public void The_scalar_definition_of_weighted_sums_adds_to_the_output()
    {
        using var weights = GuardedBuffer.Of([2, 3]);
        using var values = GuardedBuffer.Of([1, 10, 100, 1000]);
        using var output = GuardedBuffer.Of([0.5f, 0]);
        Combination.Scalar(weights.Floats, values.Floats, 2, 2, 2, output.Floats);
        Assert.Equal([302.5f, 3020], output.Span.ToArray());
    }
}
