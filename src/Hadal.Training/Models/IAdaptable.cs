using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>A matrix [out, in] that a low-rank adapter can be put on: a projection, or a slice of stacked experts.</summary>
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

    /// <summary><c>x Wᵀ</c>, without bias and adapter.</summary>
    /// <param name="input">[…, in].</param>
    /// <returns>[…, out].</returns>
    Tensor Product(Tensor input);

    /// <summary>W in float32.</summary>
    Tensor Dense();
}
