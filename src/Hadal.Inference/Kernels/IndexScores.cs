using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>Scores of a lightning indexer over one block of keys, all heads in one go: products, rectifier and weighted sum never leave the registers.</summary>
/// <remarks>DeepSeek-V3.2-Exp, equation 1. Positions are the lanes, so that nothing is summed across them and every width that has fused products gives the same bits.</remarks>
internal static unsafe class IndexScores
{
    private const int Tokens = BlockedAttention.BlockTokens;

    /// <summary>Heads that share the loads of keys.</summary>
    private const int HeadBlock = 4;

    /// <summary><c>scores[s] = Σ_j weights[j] · max(0, Σ_i queries[j, i] · keys[i, s])</c>, heads in order.</summary>
    /// <param name="queries">[headCount, width].</param>
    /// <param name="weights">[headCount].</param>
    /// <param name="headCount">Heads of the indexer.</param>
    /// <param name="keys">[width, 64], transposed; positions that were never written may hold anything.</param>
    /// <param name="width">Width of a key.</param>
    /// <param name="scores">[64]; whatever stands at positions that were never written is no score.</param>
    public static void Block(float* queries, float* weights, int headCount, float* keys, int width, float* scores)
    {
        if (Vector512.IsHardwareAccelerated) Block<Lanes512, Vector512<float>>(queries, weights, headCount, keys, width, scores);
        else if (Vector256.IsHardwareAccelerated) Block<Lanes256, Vector256<float>>(queries, weights, headCount, keys, width, scores);
        else if (Vector128.IsHardwareAccelerated) Block<Lanes128, Vector128<float>>(queries, weights, headCount, keys, width, scores);
        else Scalar(queries, weights, headCount, keys, width, scores);
    }

    /// <summary>The definition of <see cref="Block(float*, float*, int, float*, int, float*)"/>.</summary>
    internal static void Scalar(float* queries, float* weights, int headCount, float* keys, int width, float* scores)
    {
        for (var s = 0; s < Tokens; s++)
        {
            var total = 0f;
            for (var h = 0; h < headCount; h++)
            {
                var product = 0f;
                for (var i = 0; i < width; i++) product += queries[((long)h * width) + i] * keys[((long)i * Tokens) + s];
                total += MathF.Max(product, 0f) * weights[h];
            }

            scores[s] = total;
        }
    }

    internal static void Block<TLanes, TVector>(float* queries, float* weights, int headCount, float* keys, int width, float* scores)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        for (var s = 0; s < Tokens; s += 2 * n)
        {
            TVector left = TLanes.Zero, right = TLanes.Zero;
            var h = 0;
            for (; h <= headCount - HeadBlock; h += HeadBlock)
                Four<TLanes, TVector>(queries + ((long)h * width), weights + h, keys + s, width, ref left, ref right);
            for (; h < headCount; h++) One<TLanes, TVector>(queries + ((long)h * width), weights[h], keys + s, width, ref left, ref right);
            TLanes.Store(scores + s, left);
            TLanes.Store(scores + s + n, right);
        }
    }

    private static void Four<TLanes, TVector>(float* queries, float* weights, float* keys, int width, ref TVector left, ref TVector right)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var n = TLanes.Count;
        float* q1 = queries + width, q2 = q1 + width, q3 = q2 + width;
        TVector l0 = TLanes.Zero, r0 = TLanes.Zero, l1 = TLanes.Zero, r1 = TLanes.Zero, l2 = TLanes.Zero, r2 = TLanes.Zero, l3 = TLanes.Zero, r3 = TLanes.Zero;
        for (var i = 0; i < width; i++)
        {
            TVector l = TLanes.Load(keys), r = TLanes.Load(keys + n);
            keys += Tokens;
            var q = TLanes.Broadcast(queries[i]);
            l0 = TLanes.MultiplyAdd(l, q, l0);
            r0 = TLanes.MultiplyAdd(r, q, r0);
            q = TLanes.Broadcast(q1[i]);
            l1 = TLanes.MultiplyAdd(l, q, l1);
            r1 = TLanes.MultiplyAdd(r, q, r1);
            q = TLanes.Broadcast(q2[i]);
            l2 = TLanes.MultiplyAdd(l, q, l2);
            r2 = TLanes.MultiplyAdd(r, q, r2);
            q = TLanes.Broadcast(q3[i]);
            l3 = TLanes.MultiplyAdd(l, q, l3);
            r3 = TLanes.MultiplyAdd(r, q, r3);
        }

        AddRectified<TLanes, TVector>(l0, r0, weights[0], ref left, ref right);
        AddRectified<TLanes, TVector>(l1, r1, weights[1], ref left, ref right);
        AddRectified<TLanes, TVector>(l2, r2, weights[2], ref left, ref right);
        AddRectified<TLanes, TVector>(l3, r3, weights[3], ref left, ref right);
    }

    private static void One<TLanes, TVector>(float* query, float weight, float* keys, int width, ref TVector left, ref TVector right)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        TVector l = TLanes.Zero, r = TLanes.Zero;
        for (var i = 0; i < width; i++)
        {
            var q = TLanes.Broadcast(query[i]);
            l = TLanes.MultiplyAdd(TLanes.Load(keys), q, l);
            r = TLanes.MultiplyAdd(TLanes.Load(keys + TLanes.Count), q, r);
            keys += Tokens;
        }

        AddRectified<TLanes, TVector>(l, r, weight, ref left, ref right);
    }

    /// <summary><c>sum + weight · max(0, x)</c>, product and sum rounded on their own.</summary>
    private static void AddRectified<TLanes, TVector>(TVector l, TVector r, float weight, ref TVector left, ref TVector right)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var w = TLanes.Broadcast(weight);
        left = TLanes.Add(left, TLanes.Multiply(TLanes.Max(l, TLanes.Zero), w));
        right = TLanes.Add(right, TLanes.Multiply(TLanes.Max(r, TLanes.Zero), w));
    }
}
