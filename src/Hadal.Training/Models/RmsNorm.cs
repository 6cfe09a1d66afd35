using Hadal.Training.Torch;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>Root-mean-square norm: <c>y = x · rsqrt(mean(x²) + eps) · weight</c>, computed in float32.</summary>
/// <remarks>Zhang and Sennrich 2019, arXiv:1910.07467.</remarks>
public sealed class RmsNorm : NamedMap
{
    private readonly double _eps;
    private readonly ScalarType _outputType;

    /// <summary>Creates a norm of <paramref name="size"/> elements with weights of one, whose result is of <paramref name="outputType"/>.</summary>
    public RmsNorm(int size, double eps, ScalarType outputType, Device device) : base(nameof(RmsNorm))
    {
        _eps = eps;
        _outputType = outputType;
        Weight = nn.Parameter(ones(size, device: device));
        register_parameter("weight", Weight);
    }

    /// <summary>[size].</summary>
    public Parameter Weight { get; }

    /// <param name="input">[…, size], any float dtype.</param>
    /// <returns>The same shape in the output dtype.</returns>
    public override Tensor forward(Tensor input)
    {
        var x = input.to(ScalarType.Float32);
        return (x * rsqrt(x.pow(Number.Of(2)).mean([-1], keepdim: true).add(Number.Of(_eps), Number.One)) * Weight).to(_outputType);
    }
}
