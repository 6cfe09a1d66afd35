using Hadal.Inference.Quantization;

namespace Hadal.Inference.Tests.Quantization;

public sealed class RoundToNearestTests
{
    /// <summary>By hand: the range −0.5 to 1 makes a step of 0.1, stored as a half, and zero is code 5.</summary>
    [Fact]
    public void Four_bits_follow_the_formula()
    {
        var codes = new byte[6];
        var error = RoundToNearest.FourBits([-0.5f, 0, 0.04f, 0.06f, 0.5f, 1], codes, out var zero, out var scale);
        Assert.Equal((5, (Half)0.1f), (zero, scale));
        Assert.Equal([0, 5, 5, 6, 10, 15], codes);
        Assert.Equal((0.04 * 0.04) + (0.04 * 0.04), error, 1e-5);
    }

    [Fact]
    public void Groups_on_one_side_of_zero_keep_their_values()
    {
        foreach (var sign in new[] { 1f, -1f })
        {
            var codes = new byte[4];
            var error = RoundToNearest.FourBits([1f * sign, 1.2f * sign, 1.4f * sign, 1.5f * sign], codes, out var zero, out var scale);
            Assert.Equal(sign > 0 ? 0 : 15, zero);
            Assert.Equal(0.1f, (float)scale, 1e-4f);
            Assert.True(error < 1e-5, $"{error}");
        }
    }

    [Fact]
    public void Zeros_stay_zeros()
    {
        var codes = new byte[32];
        Assert.Equal(0, RoundToNearest.FourBits(new float[32], codes, out var zero, out _));
        Assert.All(codes, code => Assert.Equal(zero, code));
        Assert.Equal(0, RoundToNearest.EightBits(new float[32], codes, out var scale));
        Assert.All(codes, code => Assert.Equal(0, code));
        Assert.Equal(1, scale);
    }

    [Fact]
    public void Eight_bits_follow_the_formula_and_round_ties_to_even()
    {
        var codes = new byte[6];
        var error = RoundToNearest.EightBits([-127, 0.5f, 1.5f, 2.5f, 100.25f, 126], codes, out var scale);
        Assert.Equal(1, scale);
        Assert.Equal([-127, 0, 2, 2, 100, 126], codes.Select(code => (int)(sbyte)code));
        Assert.Equal(0.25 + 0.25 + 0.25 + 0.0625, error);
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(128)]
    public void No_error_is_above_half_a_step(int length)
    {
        var random = new Random(length);
        for (var round = 0; round < 200; round++)
        {
            var magnitude = (float)Math.Pow(10, (random.NextDouble() * 6) - 5);
            var weights = Enumerable.Range(0, length).Select(_ => magnitude * ((2 * random.NextSingle()) - 1)).ToArray();
            var codes = new byte[length];
            RoundToNearest.FourBits(weights, codes, out var zero, out var half);
            // The half scale is off by 2^-11 of itself, which 15 codes add up; the zero point is rounded too.
            var allowed = (float)half * (0.5f + 0.5f + (15f / 2048)) + 1e-7f;
            for (var i = 0; i < length; i++) Assert.InRange(Math.Abs(weights[i] - ((codes[i] - zero) * (float)half)), 0, allowed);
            RoundToNearest.EightBits(weights, codes, out var scale);
            for (var i = 0; i < length; i++) Assert.InRange(Math.Abs(weights[i] - ((sbyte)codes[i] * scale)), 0, scale * 0.5001f);
        }
    }
}
