using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Models;

/// <summary>Finds the tensors of a checkpoint by their published names.</summary>
internal sealed unsafe class WeightBinder(IReadOnlyDictionary<string, WeightTensor> tensors)
{
    /// <summary>Whether the checkpoint has the tensor.</summary>
    public bool Has(string name) => tensors.ContainsKey(name);

    /// <summary>The tensor as it is stored.</summary>
    /// <exception cref="CheckpointException">It is missing.</exception>
    public WeightTensor Tensor(string name) =>
        tensors.TryGetValue(name, out var tensor) ? tensor : throw new CheckpointException($"{name}: expected this tensor, the checkpoint does not have it");

    /// <summary>A projection [out, in] in its stored format.</summary>
    public WeightMatrix Matrix(string name) => WeightMatrix.Create(Tensor(name));

    /// <summary>One matrix per leading index of a stacked tensor [count, rows, columns].</summary>
    public WeightMatrix[] Stack(string name)
    {
        var tensor = Tensor(name);
        var matrices = new WeightMatrix[tensor.Shape[0]];
        var bytes = tensor.ByteLength / matrices.Length;
        for (var i = 0; i < matrices.Length; i++) matrices[i] = WeightMatrix.Create(tensor, tensor.Shape[1], tensor.Shape[2], i * bytes);
        return matrices;
    }

    /// <summary>A norm weight or bias as floats.</summary>
    public float[] Vector(string name)
    {
        var tensor = Tensor(name);
        var values = new float[tensor.ElementCount];
        fixed (float* y = values) WeightMatrix.Create(tensor, 1, values.Length, byteOffset: 0).DequantizeRow(0, y);
        return values;
    }

    /// <summary>A norm weight or bias as floats, or null where the checkpoint has none.</summary>
    public float[]? VectorOrNull(string name) => Has(name) ? Vector(name) : null;
}
