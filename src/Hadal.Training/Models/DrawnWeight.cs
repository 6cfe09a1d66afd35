using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>Fresh weights.</summary>
internal static class DrawnWeight
{
    /// <summary>Normal numbers of a standard deviation; with deviation 0 memory that nobody has touched, for a model whose weights are read next.</summary>
    public static Tensor Normal(long[] shape, double deviation, Device device) => deviation == 0 ? empty(shape, device: device) : randn(shape, device: device).mul_(Number.Of(deviation));
}
