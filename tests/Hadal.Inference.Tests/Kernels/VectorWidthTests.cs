using System.Globalization;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Tests.Kernels;

[Trait("Width", "all")]
public class VectorWidthTests
{
    [Fact]
    public void The_width_in_force_is_the_one_that_this_run_asks_for()
    {
        var expected = Environment.GetEnvironmentVariable("HADAL_EXPECT_WIDTH");
        Assert.SkipWhen(string.IsNullOrEmpty(expected), "HADAL_EXPECT_WIDTH is not set");
        Assert.Equal(int.Parse(expected!, CultureInfo.InvariantCulture), VectorWidth.Bits);
    }
}
