using Hadal.Training.Torch;
using static TorchSharp.torch;

namespace Hadal.Training.Models;

/// <summary>Softmax attention to earlier positions: <c>softmax(scale · q kᵀ + mask) v</c>.</summary>
internal static class CausalAttention
{
    private const long QueryBlock = 128;

    /// <summary>Reads in blocks of queries, so that keys later than a block are not computed and no mask of tokens² is made.</summary>
    /// <remarks>At training lengths on a CPU this takes a third of the time of <c>scaled_dot_product_attention</c>, forward and backward together.</remarks>
    /// <param name="query">[batch, heads, tokens, width].</param>
    /// <param name="key">[batch, heads, tokens, width].</param>
    /// <param name="value">[batch, heads, tokens, value width].</param>
    /// <param name="scale">Softmax scale.</param>
    /// <param name="mask">[batch or 1, heads or 1, tokens, tokens], 0 where read and −∞ elsewhere; null for all positions up to the query's own.</param>
    /// <returns>[batch, heads, tokens, value width].</returns>
    public static Tensor Read(Tensor query, Tensor key, Tensor value, double scale, Tensor? mask)
    {
        var tokens = query.shape[2];
        query = query * Number.Of(scale);
        var blocks = new List<Tensor>();
        for (var begin = 0L; begin < tokens; begin += QueryBlock)
        {
            var count = Math.Min(QueryBlock, tokens - begin);
            var end = begin + count;
            var unread = mask is not null ? mask.narrow(2, begin, count).narrow(3, 0, end) : Future(count, end, begin, query);
            var scores = matmul(query.narrow(2, begin, count), key.narrow(2, 0, end).transpose(-2, -1)).add_(unread, Number.One);
            blocks.Add(matmul(scores.softmax(-1), value.narrow(2, 0, end)));
        }

        return cat(blocks, 2);
    }

    /// <summary>[queries, keys] for queries from position <paramref name="begin"/> on: −∞ where the key is later than the query, else 0, of the type of <paramref name="like"/>.</summary>
    private static Tensor Future(long queries, long keys, long begin, Tensor like) =>
        zeros([queries, keys], like.dtype, like.device).masked_fill_(ones([queries, keys], ScalarType.Bool, like.device).triu(begin + 1), Number.Of(double.NegativeInfinity));

    /// <summary>[tokens, tokens], true where the key is later than the query.</summary>
    public static Tensor Future(long tokens, Device device) => ones([tokens, tokens], ScalarType.Bool, device).triu(1);
}
