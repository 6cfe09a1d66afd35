using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

[Trait("Width", "all")]
public sealed unsafe class IndexScoresTests
{
    private const int Tokens = 64;

    public static TheoryData<int, int> Shapes => new() { { 1, 1 }, { 2, 6 }, { 3, 32 }, { 4, 33 }, { 7, 64 }, { 16, 128 }, { 64, 128 } };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Scores_agree_with_double_precision_and_stay_inside_their_buffers(int headCount, int width)
    {
        using var queries = GuardedBuffer.Of(Lengths.Random(headCount * width, 1));
        using var weights = GuardedBuffer.Of(Lengths.Random(headCount, 2));
        using var keys = GuardedBuffer.Of(Lengths.Random(width * Tokens, 3));
        using var scores = new GuardedBuffer(Tokens * 4);
        using var scalar = new GuardedBuffer(Tokens * 4);
        IndexScores.Block(queries.Floats, weights.Floats, headCount, keys.Floats, width, scores.Floats);
        IndexScores.Scalar(queries.Floats, weights.Floats, headCount, keys.Floats, width, scalar.Floats);
        for (var s = 0; s < Tokens; s++)
        {
            double total = 0, magnitude = 0;
            for (var h = 0; h < headCount; h++)
            {
                var product = 0.0;
                for (var i = 0; i < width; i++)
                {
                    var term = (double)queries.Span[(h * width) + i] * keys.Span[(i * Tokens) + s];
                    product += term;
                    magnitude += Math.Abs(term * weights.Span[h]);
                }

                total += Math.Max(0, product) * weights.Span[h];
            }

            Assert.Equal(total, scores.Span[s], (width + headCount + 2) * Lengths.Epsilon * magnitude);
            Assert.Equal(total, scalar.Span[s], (width + headCount + 2) * Lengths.Epsilon * magnitude);
        }
    }

    [Fact]
    public void What_was_never_written_changes_no_other_position()
    {
        using var queries = GuardedBuffer.Of(Lengths.Random(5 * 16, 1));
        using var weights = GuardedBuffer.Of(Lengths.Random(5, 2));
        using var keys = GuardedBuffer.Of(Lengths.Random(16 * Tokens, 3));
        using var scores = new GuardedBuffer(Tokens * 4);
        IndexScores.Block(queries.Floats, weights.Floats, 5, keys.Floats, 16, scores.Floats);
        var before = scores.Span[..10].ToArray();
        for (var i = 0; i < 16; i++) keys.Span.Slice((i * Tokens) + 10, Tokens - 10).Fill(float.NaN);
        IndexScores.Block(queries.Floats, weights.Floats, 5, keys.Floats, 16, scores.Floats);
        Assert.Equal(before, scores.Span[..10].ToArray());
    }

    [Fact]
    public void The_scalar_definition_rectifies_before_it_weighs()
    {
        using var queries = GuardedBuffer.Of([1, 1, 2, -1]);
        using var weights = GuardedBuffer.Of([-10, 1]);
        using var keys = new GuardedBuffer(2 * Tokens * 4);
        (keys.Span[0], keys.Span[Tokens]) = (3, 1);
        (keys.Span[1], keys.Span[Tokens + 1]) = (-3, 1);
        using var scores = new GuardedBuffer(Tokens * 4);
        IndexScores.Scalar(queries.Floats, weights.Floats, 2, keys.Floats, 2, scores.Floats);
        Assert.Equal([-35f, 0, 0], scores.Span[..3].ToArray());
    }
}
