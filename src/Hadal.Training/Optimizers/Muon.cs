using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Optimizers;

/// <summary>Momentum whose matrix is replaced by its nearest orthogonal one: <c>w −= lr·λ·w + lr · 0.2·√max(rows, columns) · NS(g + μ·buf)</c>.</summary>
/// <remarks>Jordan et al. 2024, KellerJordan/Muon (five Newton–Schulz steps with those coefficients, Nesterov momentum); the factor that makes updates as
/// large as Adam's, so that learning rate and decay are shared: Liu et al. 2025, arXiv:2502.16982. Stacks of matrices are treated one by one, in one product.</remarks>
/// <param name="Momentum">μ.</param>
/// <param name="WeightDecay">λ.</param>
/// <param name="ComputeType">Dtype of the Newton–Schulz products. They take a sixth of a training step in float32; bfloat16, the published choice, is good enough,
/// because the iteration does not go on to orthogonality but stops at singular values between about 0.7 and 1.2.</param>
public sealed record Muon(double Momentum, double WeightDecay, ScalarType ComputeType)
{
    private const int IterationCount = 5;

    /// <inheritdoc cref="AdamW.Step"/>
    public void Step(TrainedParameter parameter, double learningRate)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        if (parameter.Parameter.grad is not { } gradient) return;
        var buffer = parameter.StateOf("momentum");
        buffer.mul_(Number.Of(Momentum)).add_(gradient, Number.One);
        var update = Orthogonal(gradient.add(buffer, Number.Of(Momentum)), ComputeType);
        long rows = parameter.Parameter.shape[^2], columns = parameter.Parameter.shape[^1];
        parameter.Parameter.mul_(Number.Of(1 - (learningRate * WeightDecay)));
        parameter.Parameter.add_(update, Number.Of(-learningRate * 0.2 * Math.Sqrt(Math.Max(rows, columns))));
    }

    /// <summary>Approximately <c>U Vᵀ</c> of the singular value decomposition <c>U S Vᵀ</c>, by an odd quintic iteration.</summary>
    /// <param name="matrix">[…, rows, columns], float32.</param>
    /// <param name="computeType">Dtype of the products.</param>
    /// <returns>The same shape, float32.</returns>
    internal static Tensor Orthogonal(Tensor matrix, ScalarType computeType)
    {
        const double A = 3.4445, B = -4.7750, C = 2.0315;
        var isTall = matrix.shape[^2] > matrix.shape[^1];
        var x = isTall ? matrix.transpose(-2, -1) : matrix;
        x = (x / (x.pow(Number.Of(2)).sum([-2, -1], keepdim: true).sqrt().add(Number.Of(1e-7), Number.One))).to(computeType);
        for (var iteration = 0; iteration < IterationCount; iteration++)
        {
            var gram = matmul(x, x.transpose(-2, -1));
            var polynomial = (gram * Number.Of(B)).add(matmul(gram, gram) * Number.Of(C), Number.One);
            x = (x * Number.Of(A)).add(matmul(polynomial, x), Number.One);
        }

        return (isTall ? x.transpose(-2, -1) : x).to(ScalarType.Float32);
    }
}
