using Hadal.Training.Torch;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>A matrix, with or without bias: <c>y = x Wᵀ + b</c>.</summary>
/// <remarks>The weight is kept in float32 and computed with in the dtype of <c>x</c>: bfloat16 activations give a bfloat16 product whose gradient
/// arrives at the weight in float32. This is the one precision rule of the models.</remarks>
public sealed class Projection : NamedMap, IAdaptable
{
    /// <summary>Creates a matrix [<paramref name="outputSize"/>, <paramref name="inputSize"/>] of normal numbers with standard deviation <paramref name="deviation"/>,
    /// and a bias of zeros where <paramref name="hasBias"/>.</summary>
    public Projection(int outputSize, int inputSize, double deviation, Device device, bool hasBias = false) : base(nameof(Projection))
    {
        Weight = nn.Parameter(DrawnWeight.Normal([outputSize, inputSize], deviation, device));
        register_parameter("weight", Weight);
        if (hasBias) register_parameter("bias", Bias = nn.Parameter(zeros(outputSize, device: device)));
    }

    /// <summary>A matrix over a weight that another module has, and whose state it stays: a head that is tied to the table of embeddings.</summary>
    /// <param name="shared">[out, in].</param>
    internal Projection(Parameter shared) : base(nameof(Projection)) => Weight = shared;

    /// <summary>[out, in]; means nothing where the matrix is in few bits.</summary>
    public Parameter Weight { get; }

    /// <summary>The matrix in few bits, frozen; null where <see cref="Weight"/> holds it.</summary>
    public QuantizedWeight? Codes { get; set; }

    /// <summary>[out], or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>What an adapter adds, or null. It is no part of the module's own state.</summary>
    public LowRankUpdate? Update { get; set; }

    /// <param name="input">[…, in].</param>
    /// <returns>[…, out] in the dtype of <paramref name="input"/>.</returns>
    public override Tensor forward(Tensor input) => Update?.Apply(this, input)
        ?? (Codes is null ? nn.functional.linear(input, Weight.to(input.dtype), Bias?.to(input.dtype)) : Bias is null ? Product(input) : Product(input).add(Bias.to(input.dtype), Number.One));

    /// <inheritdoc/>
    public long OutputSize => Weight.shape[0];

    /// <inheritdoc/>
    public long InputSize => Weight.shape[1];

    /// <inheritdoc/>
    public Device Device => Weight.device;

    /// <inheritdoc/>
    public Tensor Product(Tensor input) => Codes is { } codes ? QuantizedProduct.Apply(input, codes) : nn.functional.linear(input, Weight.to(input.dtype));

    /// <inheritdoc/>
    public Tensor Dense() => Codes?.Dense(ScalarType.Float32) ?? Weight;

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) Codes?.Dispose();
        base.Dispose(disposing);
    }
}
