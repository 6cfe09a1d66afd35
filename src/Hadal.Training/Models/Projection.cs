using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>A matrix, with or without bias: <c>y = x Wᵀ + b</c>.</summary>
/// <remarks>The weight is kept in float32 and computed with in the dtype of <c>x</c>: bfloat16 activations give a bfloat16 product whose gradient
/// arrives at the weight in float32. This is the one precision rule of the models.</remarks>
public sealed class Projection : NamedMap
{
    /// <summary>Creates a matrix [<paramref name="outputSize"/>, <paramref name="inputSize"/>] of normal numbers with standard deviation <paramref name="deviation"/>,
    /// and a bias of zeros where <paramref name="hasBias"/>.</summary>
    public Projection(int outputSize, int inputSize, double deviation, Device device, bool hasBias = false) : base(nameof(Projection))
    {
        Weight = nn.Parameter(randn(outputSize, inputSize, device: device).mul_(deviation));
        register_parameter("weight", Weight);
        if (hasBias) register_parameter("bias", Bias = nn.Parameter(zeros(outputSize, device: device)));
    }

    /// <summary>[out, in].</summary>
    public Parameter Weight { get; }

    /// <summary>[out], or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>What an adapter adds, or null. It is no part of the module's own state.</summary>
    public LowRankUpdate? Update { get; set; }

    /// <param name="input">[…, in].</param>
    /// <returns>[…, out] in the dtype of <paramref name="input"/>.</returns>
    public override Tensor forward(Tensor input) => Update?.Apply(this, input)
        ?? nn.functional.linear(input, Weight.to(input.dtype), Bias?.to(input.dtype));
}
