using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>What attention reads where several documents share a row: earlier positions of the same document, none of its neighbours.</summary>
/// <remarks>Rotary scores depend on the distance of two positions only, so a document need not begin at position 0.</remarks>
internal sealed class DocumentMask
{
    private DocumentMask(Tensor unread, ScalarType computeType)
    {
        Unread = unread;
        Additive = zeros(unread.shape, computeType, unread.device).masked_fill_(unread, Number.Of(double.NegativeInfinity)).unsqueeze(1);
    }

    /// <summary>[batch, query, key], true where the key is later than the query or of another document.</summary>
    public Tensor Unread { get; }

    /// <summary>[batch, 1, query, key], 0 where read and −∞ elsewhere, in the compute type.</summary>
    public Tensor Additive { get; }

    /// <summary>The mask of a batch.</summary>
    /// <param name="documents">[batch, tokens], int64, equal where tokens belong together; null where each row is one document, which needs no mask.</param>
    /// <param name="computeType">Dtype of scores.</param>
    public static DocumentMask? Of(Tensor? documents, ScalarType computeType)
    {
        if (documents is null) return null;
        var isOther = documents.unsqueeze(2).not_equal(documents.unsqueeze(1));
        return new DocumentMask(isOther.logical_or(CausalAttention.Future(documents.shape[1], documents.device)), computeType);
    }
}
