using Hadal.Checkpoints.Weights;

namespace Hadal.Inference.Quantization;

/// <summary>What quantising did to one tensor.</summary>
/// <param name="Name">Published name.</param>
/// <param name="DType">Format it is stored in now.</param>
/// <param name="BytesBefore">Bytes it had, with scales.</param>
/// <param name="BytesAfter">Bytes it has, with scales and zero points.</param>
/// <param name="MeanSquaredError">Mean of the squared differences to the weights it had; null where it was left as it was.</param>
/// <param name="RelativeError">Square root of the squared differences over the squared weights, 0 to 1; null likewise.</param>
public sealed record QuantizedTensor(string Name, DType DType, long BytesBefore, long BytesAfter, double? MeanSquaredError, double? RelativeError);

/// <summary>What quantising did to a checkpoint.</summary>
/// <param name="BytesBefore">Bytes of all tensors before.</param>
/// <param name="BytesAfter">Bytes of all tensors now.</param>
/// <param name="MeanSquaredError">Over all weights that were quantised.</param>
/// <param name="Tensors">Every tensor, in the order of the model.</param>
public sealed record QuantizationReport(long BytesBefore, long BytesAfter, double MeanSquaredError, IReadOnlyList<QuantizedTensor> Tensors);
