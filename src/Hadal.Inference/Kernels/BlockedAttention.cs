using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;
using Hadal.Inference.Models;

namespace Hadal.Inference.Kernels;

/// <summary>Softmax attention over a cache, block by block: no row of scores is longer than a block.</summary>
/// <remarks>
/// Per query a running maximum m, a sum l and a vector o are kept. A block with scores x gives
/// <code>
/// m' = max(m, max x) ;  p = e^(x − m') ;  l = l·e^(m − m') + Σ p ;  o = o·e^(m − m') + Σ p·v
/// </code>
/// and at the end o / l (Milakov and Gimelshein 2018, arXiv:1805.02867; Dao 2023, arXiv:2307.08691). Chunks of the cache are computed apart and merged in
/// order. The bits of a query depend on where its own blocks and chunks begin, not on the queries beside it: how a prompt is cut, who shares the
/// pass and how many threads there are change none.
/// </remarks>
internal static unsafe class BlockedAttention
{
    /// <summary>Positions of a block.</summary>
    public const int BlockTokens = 64;

    /// <summary>Positions of a chunk; long caches are shared out over threads by chunks.</summary>
    public const int ChunkTokens = 512;

    /// <summary>Clears the state of so many queries.</summary>
    public static void Begin(in AttentionState state, int queryCount)
    {
        new Span<float>(state.Max, queryCount).Fill(float.NegativeInfinity);
        new Span<float>(state.Sum, queryCount).Clear();
        new Span<float>(state.Output, queryCount * state.Stride).Clear();
    }

    /// <summary>Adds a block.</summary>
    /// <param name="queries">[queryCount, width] without gaps.</param>
    /// <param name="queryCount">Number of queries.</param>
    /// <param name="width">Width of a key.</param>
    /// <param name="scale">Softmax scale, positive.</param>
    /// <param name="block">Keys and values.</param>
    /// <param name="counts">[queryCount] how many positions of the block each query sees, 0 to 64, not falling.</param>
    /// <param name="scores">Room for [queryCount, 64].</param>
    /// <param name="state">What is kept of the queries.</param>
    public static void Add(float* queries, int queryCount, int width, float scale, in AttentionBlock block, int* counts, float* scores, in AttentionState state)
    {
        var first = 0;
        while (first < queryCount && counts[first] == 0) first++;
        if (first == queryCount) return;
        if (Vector512.IsHardwareAccelerated)
            Add<Lanes512, Vector512<float>>(queries, first, queryCount, width, scale, block, counts, scores, state);
        else if (Vector256.IsHardwareAccelerated)
            Add<Lanes256, Vector256<float>>(queries, first, queryCount, width, scale, block, counts, scores, state);
        else if (Vector128.IsHardwareAccelerated)
            Add<Lanes128, Vector128<float>>(queries, first, queryCount, width, scale, block, counts, scores, state);
        else
            Scalar(queries, first, queryCount, width, scale, block, counts, scores, state);
    }

    /// <summary>Adds a later chunk's state to a state.</summary>
    public static void Merge(in AttentionState total, in AttentionState part, int queryCount)
    {
        for (var q = 0; q < queryCount; q++)
        {
            var max = MathF.Max(total.Max[q], part.Max[q]);
            if (float.IsNegativeInfinity(max)) continue;
            float left = Power(total.Max[q] - max), right = Power(part.Max[q] - max);
            total.Max[q] = max;
            total.Sum[q] = (total.Sum[q] * left) + (part.Sum[q] * right);
            float* o = total.Output + ((long)q * total.Stride), p = part.Output + ((long)q * part.Stride);
            Span<float> sum = new(o, total.Width), other = new(p, total.Width);
            ElementWise.Apply(new Blend(left, right), sum, other, sum);
        }
    }

    /// <summary><c>output[q] = o / l</c>.</summary>
    /// <param name="state">The finished state.</param>
    /// <param name="query">Which query.</param>
    /// <param name="output">[value width].</param>
    public static void Finish(in AttentionState state, int query, float* output)
    {
        var scale = 1f / state.Sum[query];
        var sums = new ReadOnlySpan<float>(state.Output + ((long)query * state.Stride), state.Width);
        ElementWise.Apply(new Scale(scale), sums, sums, new Span<float>(output, state.Width));
    }

    /// <summary>The definition of <see cref="Add(float*, int, int, float, in AttentionBlock, int*, float*, in AttentionState)"/>, over floats.</summary>
    internal static void Scalar(
        float* queries, int first, int queryCount, int width, float scale, in AttentionBlock block, int* counts, float* scores, in AttentionState state)
    {
        float* keys = (float*)block.Keys.Data, values = (float*)block.Values.Data;
        long keyStride = block.Keys.Stride / sizeof(float), valueStride = block.Values.Stride / sizeof(float);
        for (var q = first; q < queryCount; q++)
        {
            var max = state.Max[q];
            for (var s = 0; s < counts[q]; s++)
            {
                var sum = 0f;
                for (var i = 0; i < width; i++)
                    sum += queries[((long)q * width) + i] * keys[block.KeysAreTransposed ? (i * keyStride) + s : (s * keyStride) + i];
                scores[s] = sum * scale;
                max = MathF.Max(max, scores[s]);
            }

            Rescale(state, q, max);
            var output = state.Output + ((long)q * state.Stride);
            for (var s = 0; s < counts[q]; s++)
            {
                var p = MathF.Exp(scores[s] - max);
                state.Sum[q] += p;
                for (var i = 0; i < state.Width; i++) output[i] += p * values[(s * valueStride) + i];
            }
        }
    }

    private static void Add<TLanes, TVector>(
        float* queries, int first, int queryCount, int width, float scale, in AttentionBlock block, int* counts, float* scores, in AttentionState state)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        int count = queryCount - first, seen = counts[queryCount - 1];
        var x = queries + ((long)first * width);
        var rows = scores + (first * BlockTokens);
        if (block.KeysAreTransposed)
        {
            // Columns behind the last position are computed too and masked: whole vectors cost less.
            var pair = 2 * TLanes.Count;
            var columns = (seen + pair - 1) & -pair;
            for (var q = 0; q < count; q++) new Span<float>(rows + (q * BlockTokens), columns).Clear();
            switch (block.Format)
            {
                case CacheFormat.F32: Combine<TLanes, TVector, FloatRows<TLanes, TVector>>(x, width, count, block.Keys, width, columns, rows, BlockTokens); break;
                case CacheFormat.BF16: Combine<TLanes, TVector, BFloat16Rows<TLanes, TVector>>(x, width, count, block.Keys, width, columns, rows, BlockTokens); break;
                default: Combine<TLanes, TVector, Int8ScaledColumns<TLanes, TVector>>(x, width, count, block.Keys, width, columns, rows, BlockTokens); break;
            }
        }
        else
        {
            Attention.Scores<TLanes, TVector>(
                x, width, count, (float*)block.Keys.Data, (int)block.Keys.Stride / sizeof(float), seen, width, 1f, rows, BlockTokens);
        }

        for (var q = first; q < queryCount; q++) Weigh<TLanes, TVector>(scores + (q * BlockTokens), counts[q], scale, state, q);
        var output = state.Output + ((long)first * state.Stride);
        switch (block.Format)
        {
            case CacheFormat.F32: Combine<TLanes, TVector, FloatRows<TLanes, TVector>>(rows, BlockTokens, count, block.Values, seen, state.Width, output, state.Stride); break;
            case CacheFormat.BF16: Combine<TLanes, TVector, BFloat16Rows<TLanes, TVector>>(rows, BlockTokens, count, block.Values, seen, state.Width, output, state.Stride); break;
            default: Combine<TLanes, TVector, Int8ScaledRows<TLanes, TVector>>(rows, BlockTokens, count, block.Values, seen, state.Width, output, state.Stride); break;
        }
    }

    /// <summary><see cref="Combination.AccumulateStored"/>; a width that is no whole number of pairs of vectors has floats.</summary>
    private static void Combine<TLanes, TVector, TRows>(
        float* factors, int factorStride, int count, in RowBlock rows, int rowCount, int width, float* y, int yStride)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TRows : struct, IStoredRows<TVector>
    {
        if (width % (2 * TLanes.Count) == 0)
            Combination.AccumulateStored<TLanes, TVector, TRows>(factors, factorStride, count, rows, rowCount, width, y, yStride);
        else
            Combination.AccumulateMany<TLanes, TVector>(factors, factorStride, count, (float*)rows.Data, rows.Stride / sizeof(float), rowCount, width, y, yStride);
    }

    /// <summary>Scores of one query become weights; those it does not see become 0.</summary>
    private static void Weigh<TLanes, TVector>(float* scores, int count, float scale, in AttentionState state, int query)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        new Span<float>(scores + count, BlockTokens - count).Fill(float.NegativeInfinity);
        var n = TLanes.Count;
        var factor = TLanes.Broadcast(scale);
        var largest = TLanes.Broadcast(state.Max[query]);
        for (var s = 0; s < BlockTokens; s += n)
        {
            var scaled = TLanes.Multiply(TLanes.Load(scores + s), factor);
            TLanes.Store(scores + s, scaled);
            largest = TLanes.Max(largest, scaled);
        }

        var max = TLanes.MaxLane(largest);
        Rescale(state, query, max);
        var maxima = TLanes.Broadcast(max);
        var sums = TLanes.Zero;
        for (var s = 0; s < BlockTokens; s += n)
        {
            var p = Exponential.Apply<TLanes, TVector>(TLanes.Subtract(TLanes.Load(scores + s), maxima));
            sums = TLanes.Add(sums, p);
            TLanes.Store(scores + s, p);
        }

        state.Sum[query] += TLanes.Sum(sums);
    }

    private static void Rescale(in AttentionState state, int query, float max)
    {
        if (state.Max[query] == max) return;
        var factor = Power(state.Max[query] - max);
        state.Max[query] = max;
        state.Sum[query] *= factor;
        var output = new Span<float>(state.Output + ((long)query * state.Stride), state.Width);
        ElementWise.Apply(new Scale(factor), output, output, output);
    }

    /// <summary><c>a · left + b · right</c>, each operation rounded.</summary>
    private readonly struct Blend(float left, float right) : IBinaryOperation
    {
        public float Scalar(float a, float b) => (a * left) + (b * right);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Apply<TLanes, TVector>(TVector a, TVector b)
            where TLanes : struct, ILanes<TVector>
            where TVector : struct =>
            TLanes.Add(TLanes.Multiply(a, TLanes.Broadcast(left)), TLanes.Multiply(b, TLanes.Broadcast(right)));
    }

    /// <summary><c>a · factor</c>.</summary>
    private readonly struct Scale(float factor) : IBinaryOperation
    {
        public float Scalar(float a, float b) => a * factor;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Apply<TLanes, TVector>(TVector a, TVector b)
            where TLanes : struct, ILanes<TVector>
            where TVector : struct =>
            TLanes.Multiply(a, TLanes.Broadcast(factor));
    }

    /// <summary><c>e^x</c> of a difference to the maximum; the first block comes after −∞.</summary>
    private static float Power(float x) => x == 0 ? 1f : MathF.Exp(x);
}

/// <summary>Keys and values of up to 64 positions.</summary>
/// <param name="format">How both are stored; keys that are not transposed and widths that are no whole number of pairs of vectors are floats.</param>
/// <param name="keys">[positions, width], or transposed [width, 64].</param>
/// <param name="keysAreTransposed">Whether a row holds one component of all 64 positions; those behind the last written one may hold anything.</param>
/// <param name="values">[positions, value width].</param>
internal readonly unsafe struct AttentionBlock(CacheFormat format, RowBlock keys, bool keysAreTransposed, RowBlock values)
{
    /// <summary>Floats.</summary>
    public AttentionBlock(float* keys, int keyStride, bool keysAreTransposed, float* values, int valueStride)
        : this(
            CacheFormat.F32, new RowBlock(keys, (long)keyStride * sizeof(float), null, 0), keysAreTransposed,
            new RowBlock(values, (long)valueStride * sizeof(float), null, 0))
    {
    }

    /// <summary>Keys and values of a head where they lie in the cache.</summary>
    /// <param name="layout">Layout of the cache.</param>
    /// <param name="first">Keys of the block.</param>
    /// <param name="second">Values of the block.</param>
    /// <param name="head">Head.</param>
    /// <param name="next">Keys of the block that is read next, or null. Blocks lie apart and the processor does not see by itself what comes next, so
    /// values are asked for while keys are read, and the next keys while values are.</param>
    public static AttentionBlock InPlace(in CacheLayout layout, byte* first, byte* second, int head, byte* next)
    {
        byte* keys = first + (head * layout.First.HeadBytes), values = second + (head * layout.Second.HeadBytes);
        var ahead = next == null ? 0 : (nint)(next + (head * layout.First.HeadBytes) - values);
        return new AttentionBlock(layout.First.Format, layout.First.Stored(keys, (nint)(values - keys)), layout.First.IsTransposed, layout.Second.Stored(values, ahead));
    }

    public CacheFormat Format { get; } = format;

    public RowBlock Keys { get; } = keys;

    public bool KeysAreTransposed { get; } = keysAreTransposed;

    public RowBlock Values { get; } = values;
}

/// <summary>What is kept of several queries between blocks.</summary>
/// <param name="max">[queries] largest score.</param>
/// <param name="sum">[queries] sum of the weights, relative to the largest score.</param>
/// <param name="output">[queries, width] weighted sum of the values, rows <paramref name="stride"/> apart.</param>
/// <param name="width">Width of a value.</param>
/// <param name="stride">Distance of two rows in floats.</param>
internal readonly unsafe struct AttentionState(float* max, float* sum, float* output, int width, int stride)
{
    public float* Max { get; } = max;

    public float* Sum { get; } = sum;

    public float* Output { get; } = output;

    public int Width { get; } = width;

    public int Stride { get; } = stride;

    /// <summary>Floats that the state of so many queries takes.</summary>
    public static long FloatCount(long queries, int width) => (2 * Padded(queries)) + (queries * Padded(width));

    /// <summary>The state of so many queries in a piece of memory.</summary>
    public static AttentionState At(float* memory, int queries, int width) =>
        new(memory, memory + Padded(queries), memory + (2 * Padded(queries)), width, (int)Padded(width));

    private static long Padded(long count) => (count + 15) & ~15L;
}
