using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>A matrix without bias: <c>y = x Wᵀ</c>.</summary>
/// <remarks>The weight is kept in float32 and computed with in the dtype of <c>x</c>: bfloat16 activations give a bfloat16 product whose gradient
/// arrives at the weight in float32. This is the one precision rule of the models.</remarks>
public sealed class Projection : NamedMap
{
    /// <summary>Creates a matrix [<paramref name="outputSize"/>, <paramref name="inputSize"/>] of normal numbers with standard deviation <paramref name="deviation"/>.</summary>
    public Projection(int outputSize, int inputSize, double deviation, Device device) : base(nameof(Projection))
    {
        Weight = nn.Parameter(randn(outputSize, inputSize, device: device).mul_(deviation));
        register_parameter("weight", Weight);
    }

    /// <summary>[out, in].</summary>
    public Parameter Weight { get; }

    /// <param name="input">[…, in].</param>
    /// <returns>[…, out] in the dtype of <paramref name="input"/>.</returns>
    public override Tensor forward(Tensor input) => nn.functional.linear(input, Weight.to(input.dtype));
}
