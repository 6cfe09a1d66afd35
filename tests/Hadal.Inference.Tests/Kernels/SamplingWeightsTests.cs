using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

/// <summary>The kernels of the sampler: the same bits as their definitions at every width and length.</summary>
[Trait("Width", "all")]
public sealed class SamplingWeightsTests
{
    [Fact]
    public void Weights_have_the_bits_of_the_definition_and_the_value_of_the_exponential()
    {
        var random = new Random(3);
        foreach (var length in Lengths.All)
        {
            using GuardedBuffer x = new(length * sizeof(float)), y = new(length * sizeof(float));
            for (var i = 0; i < length; i++) x.Span[i] = i % 11 == 5 ? float.NegativeInfinity : (random.NextSingle() * 130) - 125;
            var (max, scale) = (5f, 0.5f + random.NextSingle());
            var expected = new float[length];
            SamplingWeights.Scalar(x.Span, max, scale, expected);
            SamplingWeights.Apply(x.Span, max, scale, y.Span);
            Assert.Equal(expected.Select(BitConverter.SingleToUInt32Bits), y.Span.ToArray().Select(BitConverter.SingleToUInt32Bits));
            for (var i = 0; i < length; i++)
            {
                var argument = (x.Span[i] - max) * scale;
                var exact = argument < -87.3f ? 0 : Math.Exp(argument);
                Assert.InRange(expected[i], exact * (1 - 2e-7), exact * (1 + 2e-7));
            }
        }

        Assert.Equal(1f, Weight(0));
        Assert.Equal(0f, Weight(-88));
        Assert.Equal(0f, Weight(float.NegativeInfinity));
        Assert.Equal(0f, Weight(-float.MaxValue));
    }

    [Fact]
    public void A_copy_has_the_same_bits_and_one_bad_number_anywhere_is_found()
    {
        float[] values = [0, -0f, float.MaxValue, -float.MaxValue, float.Epsilon, -1.5f];
        float[] bad = [float.NaN, -float.NaN, float.PositiveInfinity, float.NegativeInfinity];
        foreach (var length in Lengths.All)
        {
            using GuardedBuffer x = new(length * sizeof(float)), y = new(length * sizeof(float));
            for (var i = 0; i < length; i++) x.Span[i] = values[i * 7 % values.Length];
            var expected = new float[length];
            Assert.True(SamplingWeights.ScalarTryCopyFinite(x.Span, expected));
            Assert.True(SamplingWeights.TryCopyFinite(x.Span, y.Span));
            Assert.Equal(expected.Select(BitConverter.SingleToUInt32Bits), y.Span.ToArray().Select(BitConverter.SingleToUInt32Bits));
            foreach (var place in length < 258 ? Enumerable.Range(0, length) : [0, length / 2, length - 1])
            {
                var before = x.Span[place];
                x.Span[place] = bad[place % bad.Length];
                Assert.False(SamplingWeights.ScalarTryCopyFinite(x.Span, expected));
                Assert.False(SamplingWeights.TryCopyFinite(x.Span, y.Span));
                x.Span[place] = before;
            }
        }
    }

    [Fact]
    public void The_first_of_the_largest_is_found()
    {
        var random = new Random(4);
        foreach (var length in Lengths.All.Where(length => length > 0))
        {
            for (var repeat = 0; repeat < 4; repeat++)
            {
                using GuardedBuffer x = new(length * sizeof(float)), y = new(length * sizeof(float));
                for (var i = 0; i < length; i++) x.Span[i] = repeat == 3 ? (random.Next(2) == 0 ? 0f : -0f) : random.Next(-5, 6 + repeat);
                if (repeat == 2) x.Span[^1] = float.PositiveInfinity;
                Assert.Equal(ArgMax.Scalar(x.Span), ArgMax.Find(x.Span));
            }
        }

        Assert.Equal(0, ArgMax.Find([float.NegativeInfinity, float.NegativeInfinity]));
        Assert.Throws<ArgumentException>(() => ArgMax.Find([]));
        foreach (var place in new[] { 0, 17, 39 })
        {
            var withNaN = new float[40];
            withNaN[place] = float.NaN;
            Assert.Throws<ArgumentException>(() => ArgMax.Find(withNaN));
        }
    }

    private static float Weight(float x)
    {
        var y = new float[1];
        SamplingWeights.Apply([x], 0, 1, y);
        return y[0];
    }
}
