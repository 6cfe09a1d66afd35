using Hadal.Checkpoints.Weights;
using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>A frozen matrix in few bits, as its file stores it; it becomes numbers when a product needs them, and only for that long.</summary>
/// <remarks>AWQ <c>gemm</c>: <c>w[o, i] = (code − zero) · scale</c> by groups of inputs, eight outputs to a word. compressed-tensors <c>int-quantized</c>: <c>w = code · scale</c>.
/// DeepSeek's FP8: <c>w = e4m3(code) · scale</c> by blocks of 128 × 128.
/// Dettmers et al. 2023, arXiv:2305.14314, train adapters beside such a matrix.</remarks>
public sealed class QuantizedWeight : IDisposable
{
    /// <summary>Output 8c + j of AWQ is in bits 4 · {0, 4, 1, 5, 2, 6, 3, 7}[j] of word c.</summary>
    private static readonly int[] AwqShifts = [0, 16, 4, 20, 8, 24, 12, 28];

    /// <summary>Rows and columns of FP8 that share a scale.</summary>
    private const long Float8Block = 128;

    private readonly Tensor _codes;
    private readonly Tensor _scales;
    private readonly Tensor? _zeros;
    private readonly long[] _shape;

    private QuantizedWeight(IReadOnlyList<int> shape, Tensor codes, Tensor scales, Tensor? zeros) =>
        (_shape, _codes, _scales, _zeros) = ([.. shape.Select(size => (long)size)], codes.DetachFromDisposeScope(), scales.DetachFromDisposeScope(), zeros?.DetachFromDisposeScope());

    /// <summary>Bytes it takes.</summary>
    public long ByteLength => (_codes.NumberOfElements * _codes.ElementSize) + (_scales.NumberOfElements * _scales.ElementSize) + ((_zeros?.NumberOfElements ?? 0) * 4);

    /// <summary>Reads a matrix that is stored in few bits; null where it is stored in floats.</summary>
    /// <exception cref="NotSupportedException">It is stored in a format that training does not read.</exception>
    public static QuantizedWeight? TryRead(WeightTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        switch (tensor.DType)
        {
            case DType.AwqInt4:
                var zeros = TensorBytes.Read(tensor.AwqZeros!);
                return new QuantizedWeight(tensor.Shape, TensorBytes.Read(tensor, ScalarType.Int32, tensor.Shape[1], tensor.Shape[0] / 8), TensorBytes.Read(tensor.AwqScales!), zeros);
            case DType.I8:
                return new QuantizedWeight(tensor.Shape, TensorBytes.Read(tensor), TensorBytes.Read(tensor.Scale!), null);
            case DType.F8E4M3:
                return new QuantizedWeight(tensor.Shape, TensorBytes.Read(tensor, ScalarType.Byte, tensor.Shape[0], tensor.Shape[1]), TensorBytes.Read(tensor.Scale!), null);
            default:
                return null;
        }
    }

    /// <summary>The numbers, [out, in]; no gradient.</summary>
    public Tensor Dense(ScalarType type)
    {
        using var noGradient = no_grad();
        long outputs = _shape[0], inputs = _shape[1];
        if (_codes.dtype == ScalarType.Byte)
        {
            var numbers = tensor(Float8Numbers, device: _codes.device).index_select(0, _codes.flatten().to(ScalarType.Int32)).view(outputs, inputs);
            var scales = _scales.repeat_interleave(Float8Block, 0).narrow(0, 0, outputs).repeat_interleave(Float8Block, 1).narrow(1, 0, inputs);
            return (numbers * scales).to(type);
        }

        if (_zeros is null)
        {
            var groups = _scales.shape[1];
            return (_codes.view(outputs, groups, inputs / groups).to(ScalarType.Float32) * _scales.to(ScalarType.Float32).unsqueeze(2)).view(outputs, inputs).to(type);
        }

        var rows = _zeros.shape[0];
        var difference = Nibbles(_codes).view(rows, inputs / rows, outputs) - Nibbles(_zeros).view(rows, 1, outputs);
        return (difference.to(ScalarType.Float32) * _scales.to(ScalarType.Float32).unsqueeze(1)).view(inputs, outputs).t().to(type);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _codes.Dispose();
        _scales.Dispose();
        _zeros?.Dispose();
    }

    /// <summary>What each code of e4m3fn stands for: sign, 4 bits of exponent with bias 7, 3 bits of mantissa; 0x7F and 0xFF are no numbers.</summary>
    private static readonly float[] Float8Numbers = [.. Enumerable.Range(0, 256).Select(code =>
    {
        int exponent = (code >> 3) & 15, mantissa = code & 7;
        var magnitude = (code & 0x7F) == 0x7F ? float.NaN : exponent == 0 ? MathF.ScaleB(mantissa, -9) : MathF.ScaleB(8 + mantissa, exponent - 10);
        return code < 128 ? magnitude : -magnitude;
    })];

    private static Tensor Nibbles(Tensor words) => words.unsqueeze(-1).bitwise_right_shift(tensor(AwqShifts, device: words.device)).bitwise_and(tensor(15, device: words.device)).flatten(1);
}

/// <summary><c>y = x Wᵀ</c> with a frozen matrix in few bits, which exists as numbers during the product only, forward and backward.</summary>
internal sealed class QuantizedProduct : autograd.SingleTensorFunction<QuantizedProduct>
{
    public override string Name => nameof(QuantizedProduct);

    /// <param name="input">[…, in].</param>
    /// <param name="weight">[out, in].</param>
    /// <returns>[…, out].</returns>
    public static Tensor Apply(Tensor input, QuantizedWeight weight) => apply(input, weight);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (input, weight) = ((Tensor)vars[0], (QuantizedWeight)vars[1]);
        ctx.save_data("weight", weight);
        return matmul(input, weight.Dense(input.dtype).t());
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) =>
        [matmul(grad_output, ((QuantizedWeight)ctx.get_data("weight")).Dense(grad_output.dtype)), null!];
}
