using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>The table of token embeddings, as an adapter sees it: a matrix [hidden_size, vocab_size] of which every token takes a column.</summary>
/// <param name="table">[vocab_size, hidden_size]; kept by the caller.</param>
public sealed class AdaptableEmbedding(Embedding table) : IAdaptable
{
    /// <inheritdoc/>
    public long OutputSize => table.weight!.shape[1];

    /// <inheritdoc/>
    public long InputSize => table.weight!.shape[0];

    /// <inheritdoc/>
    public Device Device => table.weight!.device;

    /// <inheritdoc/>
    public Parameter? Bias => null;

    /// <inheritdoc/>
    public LowRankUpdate? Update { get; set; }

    /// <inheritdoc/>
    public bool IsEmbedding => true;

    /// <summary>The vectors of tokens.</summary>
    /// <param name="tokenIds">[…], int64.</param>
    /// <returns>[…, hidden_size], float32.</returns>
    public Tensor Forward(Tensor tokenIds) => Update?.Apply(this, tokenIds) ?? Product(tokenIds);

    /// <inheritdoc/>
    public Tensor Product(Tensor input) => table.forward(input);

    /// <inheritdoc/>
    public Tensor Dense() => table.weight!.transpose(0, 1);
}
