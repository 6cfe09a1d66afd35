using Hadal.Inference.Kernels.Integer;

namespace Hadal.Inference.Kernels;

/// <summary>Activations of some tokens as projections read them: float32, 8 bits, or both.</summary>
/// <param name="Values">[tokenCount, in] with rows <paramref name="Stride"/> floats apart; for matrices that read float32.</param>
/// <param name="Stride">Distance of two tokens in <paramref name="Values"/>, in floats.</param>
/// <param name="TokenCount">Number of tokens.</param>
/// <param name="Quantized">The same in 8 bits; for matrices with <see cref="WeightMatrix.ReadsQuantizedRows"/>.</param>
internal readonly unsafe record struct ProjectionInput(nint Values, int Stride, int TokenCount, QuantizedRows Quantized)
{
    public ProjectionInput(float* values, int stride, int tokenCount, QuantizedRows quantized)
        : this((nint)values, stride, tokenCount, quantized)
    {
    }

    /// <summary>Some of the tokens.</summary>
    public ProjectionInput Slice(int begin, int count) =>
        new(Values + (nint)((long)begin * Stride * sizeof(float)), Stride, count, Quantized.Data is null ? Quantized : Quantized.From(begin));
}
