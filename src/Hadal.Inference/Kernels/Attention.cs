using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>The two products of attention over one block of a paged cache.</summary>
/// <remarks>A score depends on its query and key only, and a weighted sum adds one position after another: where blocks begin and how many
/// queries are computed together changes no bit. Grouped-query attention passes the query heads of a group as queries;
/// absorbed MLA passes all heads, because they share the latent.</remarks>
public static unsafe class Attention
{
    private const int QueryBlock = 16;

    /// <summary><c>scores[q·scoreStride + s] = scale · Σ_i queries[q, i] · keys[s, i]</c>.</summary>
    /// <param name="queries">[queryCount, width], rows queryStride floats apart.</param>
    /// <param name="queryStride">Distance of queries in floats.</param>
    /// <param name="queryCount">Number of queries.</param>
    /// <param name="keys">[keyCount, width], rows keyStride floats apart.</param>
    /// <param name="keyStride">Distance of keys in floats.</param>
    /// <param name="keyCount">Number of keys in the block.</param>
    /// <param name="width">Width of a key.</param>
    /// <param name="scale">Softmax scale.</param>
    /// <param name="scores">[queryCount, keyCount], rows scoreStride floats apart; overlaps nothing.</param>
    /// <param name="scoreStride">Distance of two queries' scores in floats.</param>
    public static void Scores(
        float* queries, int queryStride, int queryCount, float* keys, int keyStride, int keyCount, int width, float scale, float* scores, int scoreStride)
    {
        if (Vector512.IsHardwareAccelerated)
            Scores<Lanes512, Vector512<float>>(queries, queryStride, queryCount, keys, keyStride, keyCount, width, scale, scores, scoreStride);
        else if (Vector256.IsHardwareAccelerated)
            Scores<Lanes256, Vector256<float>>(queries, queryStride, queryCount, keys, keyStride, keyCount, width, scale, scores, scoreStride);
        else if (Vector128.IsHardwareAccelerated)
            Scores<Lanes128, Vector128<float>>(queries, queryStride, queryCount, keys, keyStride, keyCount, width, scale, scores, scoreStride);
        else
            ScalarScores(queries, queryStride, queryCount, keys, keyStride, keyCount, width, scale, scores, scoreStride);
    }

    /// <summary><c>output[i] += Σ_s weights[s] · values[s, i]</c>, one position after another.</summary>
    /// <param name="weights">[valueCount], probabilities of one query.</param>
    /// <param name="values">[valueCount, width], rows valueStride floats apart.</param>
    /// <param name="valueStride">Distance of values in floats.</param>
    /// <param name="valueCount">Number of values in the block.</param>
    /// <param name="width">Width of a value.</param>
    /// <param name="output">[width]; the caller clears it before the first block. Overlaps nothing.</param>
    public static void WeightedSum(float* weights, float* values, int valueStride, int valueCount, int width, float* output)
    {
        if (Vector512.IsHardwareAccelerated)
            Combination.Accumulate<Lanes512, Vector512<float>>(weights, values, valueStride, valueCount, width, output);
        else if (Vector256.IsHardwareAccelerated)
            Combination.Accumulate<Lanes256, Vector256<float>>(weights, values, valueStride, valueCount, width, output);
        else if (Vector128.IsHardwareAccelerated)
            Combination.Accumulate<Lanes128, Vector128<float>>(weights, values, valueStride, valueCount, width, output);
        else
            Combination.Scalar(weights, values, valueStride, valueCount, width, output);
    }

    /// <summary>The definition of <see cref="Scores(float*, int, int, float*, int, int, int, float, float*, int)"/>.</summary>
    internal static void ScalarScores(
        float* queries, int queryStride, int queryCount, float* keys, int keyStride, int keyCount, int width, float scale, float* scores, int scoreStride)
    {
        for (var q = 0; q < queryCount; q++)
        {
            for (var s = 0; s < keyCount; s++)
            {
                var sum = 0f;
                for (var i = 0; i < width; i++) sum += queries[((long)q * queryStride) + i] * keys[((long)s * keyStride) + i];
                scores[((long)q * scoreStride) + s] = sum * scale;
            }
        }
    }

    [SkipLocalsInit]
    internal static void Scores<TLanes, TVector>(
        float* queries, int queryStride, int queryCount, float* keys, int keyStride, int keyCount, int width, float scale, float* scores, int scoreStride)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        var room = stackalloc float[16 + (((QueryBlock * Tiles.RowCount) + QueryBlock + Tiles.RowCount) * n)];
        var acc = (float*)(((nint)room + 63) & ~63);
        var queryTail = acc + (QueryBlock * Tiles.RowCount * n);
        var keyTail = queryTail + (QueryBlock * n);
        var whole = width & -n;
        for (var q = 0; q < queryCount; q += QueryBlock)
        {
            var block = Math.Min(QueryBlock, queryCount - q);
            var x = queries + ((long)q * queryStride);
            if (whole < width) Partial.CopyPadded(x + whole, queryStride, queryTail, n, block, width - whole, n);
            for (var s = 0; s < keyCount; s += Tiles.RowCount)
            {
                var rowCount = Math.Min(Tiles.RowCount, keyCount - s);
                var w = keys + ((long)s * keyStride);
                for (var i = 0; i < block * Tiles.RowCount; i++) TLanes.Store(acc + (i * n), TLanes.Zero);
                Tiles.Accumulate<TLanes, TVector>(w, keyStride, rowCount, x, queryStride, block, whole, acc);
                if (whole < width)
                {
                    Partial.CopyPadded(w + whole, keyStride, keyTail, n, rowCount, width - whole, n);
                    Tiles.Accumulate<TLanes, TVector>(keyTail, n, rowCount, queryTail, n, block, n, acc);
                }

                for (var i = 0; i < block; i++)
                {
                    for (var j = 0; j < rowCount; j++)
                        scores[((long)(q + i) * scoreStride) + s + j] = TLanes.Sum(TLanes.Load(acc + (((i * Tiles.RowCount) + j) * n))) * scale;
                }
            }
        }
    }
}
