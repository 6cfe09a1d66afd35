using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>A matrix [out, in] that a low-rank adapter can be put on: a projection, a slice of stacked experts, or the table of embeddings.</summary>
public interface IAdaptable
{
    /// <summary>out.</summary>
    long OutputSize { get; }

    /// <summary>in.</summary>
    long InputSize { get; }

    /// <summary>Where it lives.</summary>
    Device Device { get; }

    /// <summary>[out], or null.</summary>
    Parameter? Bias { get; }

    /// <summary>What an adapter adds, or null.</summary>
    LowRankUpdate? Update { get; set; }

    /// <summary>Whether its inputs are token ids, each of which stands for a vector that is 1 at its place and 0 elsewhere.</summary>
    bool IsEmbedding => false;

    /// <summary><c>x Wᵀ</c>, without bias and adapter.</summary>
    /// <param name="input">[…, in]; of an embedding token ids, […].</param>
    /// <returns>[…, out].</returns>
    Tensor Product(Tensor input);

    /// <summary>W in float32.</summary>
    Tensor Dense();
}
