using CsCheck;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

public sealed class TopKTests
{
    private static readonly float[] Special = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, -0f, 0f, 1e-42f];

    /// <summary>Few different values, so that ties are common; with NaN, infinities and both zeros.</summary>
    private static readonly Gen<float[]> Scores = Gen.OneOf(
        Gen.Int[-3, 3].Select(value => (float)value),
        Gen.Float[-1, 1],
        Gen.Int[0, 5].Select(i => Special[i])).Array[1, 300];

    [Fact]
    public void Both_choose_what_the_definition_chooses()
    {
        Gen.Select(Scores, Gen.Int[0, 300]).Sample((scores, wanted) =>
        {
            var k = Math.Min(wanted, scores.Length);
            int[] expected = new int[k], sorted = new int[k], selected = new int[k];
            TopK.Scalar(scores, expected);
            TopK.Largest(scores, sorted);
            TopK.Select(scores, selected);
            return expected.SequenceEqual(sorted) && expected.Order().SequenceEqual(selected);
        });
    }

    [Fact]
    public void Ties_go_to_the_lowest_index()
    {
        var selected = new int[3];
        TopK.Select([1, 2, 1, 2, 1], selected);
        Assert.Equal([0, 1, 3], selected);
        TopK.Largest([1, 2, 1, 2, 1], selected);
        Assert.Equal([1, 3, 0], selected);
    }

    [Fact]
    public void More_than_there_are_is_refused() => Assert.Throws<ArgumentException>(() => TopK.Select([1, 2], new int[3]));
}
