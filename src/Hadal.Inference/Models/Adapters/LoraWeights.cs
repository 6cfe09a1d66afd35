using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Models.Adapters;

/// <summary>What an adapter adds to one projection, ready to compute with: <c>y = f ⊙ (W x + s B A x) + Δb</c>; of the table of embeddings <c>y = f ⊙ (W[token] + s B A[:, token])</c>.</summary>
/// <remarks>f is 1 without DoRA, otherwise the trained lengths over the lengths of the rows of <c>W + s B A</c>; Δb is the trained bias minus the model's.
/// A token's numbers do not depend on the tokens beside it or on the share of the outputs. huggingface/peft <c>tuners/lora/layer.py</c>, <c>dora.py</c>.</remarks>
internal sealed unsafe class LoraWeights
{
    private const int TokenBlock = 16;

    private readonly float* _a;
    private readonly float* _b;
    private readonly float* _factors;
    private readonly float* _bias;

    /// <param name="module">The adapter's tensors; not needed afterwards.</param>
    /// <param name="weight">The projection.</param>
    /// <param name="bias">The projection's bias, or null.</param>
    /// <param name="memory">[<see cref="FloatCount"/>], kept by the caller as long as this lives.</param>
    public LoraWeights(LoraModule module, WeightMatrix weight, float[]? bias, float* memory)
    {
        (Rank, InputCount, OutputCount) = (module.Rank, module.InputCount, module.OutputCount);
        var cursor = new ScratchCursor(memory);
        _a = cursor.Take((long)Rank * InputCount);
        _b = cursor.Take((long)Rank * OutputCount);
        if (module.IsEmbedding) ReadOnItsSide(module.A, _a);
        else Read(module.A, _a);
        var row = stackalloc float[Rank];
        var b = WeightMatrix.Create(module.B);
        for (var o = 0; o < OutputCount; o++)
        {
            b.DequantizeRow(o, row);
            for (var j = 0; j < Rank; j++) _b[((long)j * OutputCount) + o] = (float)(module.Scale * row[j]);
        }

        if (module.Magnitude is { } magnitude)
        {
            _factors = cursor.Take(OutputCount);
            Read(magnitude, _factors);
            if (module.IsEmbedding) DivideByColumnLengths(weight);
            else DivideByLengths(weight);
        }

        if (module.Bias is { } trained)
        {
            _bias = cursor.Take(OutputCount);
            Read(trained, _bias);
            for (var o = 0; bias is not null && o < OutputCount; o++) _bias[o] -= bias[o];
        }
    }

    /// <summary>r.</summary>
    public int Rank { get; }

    /// <summary>Number of inputs.</summary>
    public int InputCount { get; }

    /// <summary>Number of outputs.</summary>
    public int OutputCount { get; }

    /// <summary>Whether the trained lengths over those of this model's rows are finite: of a row that is all but zero they need not be, though the adapter's numbers are.</summary>
    public bool HasFiniteLengths => _factors == null || AreFinite(_factors, OutputCount);

    /// <summary>Floats that the weights of a module take.</summary>
    public static long FloatCount(LoraModule module)
    {
        var cursor = new ScratchCursor(null);
        cursor.Take((long)module.Rank * module.InputCount);
        cursor.Take((long)module.Rank * module.OutputCount);
        if (module.Magnitude is not null) cursor.Take(module.OutputCount);
        if (module.Bias is not null) cursor.Take(module.OutputCount);
        return cursor.Length;
    }

    /// <summary>Changes outputs [begin, end) of tokens from those of the projection, without its bias, to those of the adapted one.</summary>
    /// <param name="x">[tokenCount, in], rows xStride floats apart.</param>
    /// <param name="xStride">Distance of two tokens in <paramref name="x"/>, in floats.</param>
    /// <param name="tokenCount">Tokens.</param>
    /// <param name="y">[tokenCount, out], rows yStride floats apart.</param>
    /// <param name="yStride">Distance of two tokens in <paramref name="y"/>, in floats.</param>
    /// <param name="begin">First output.</param>
    /// <param name="end">Output behind the last.</param>
    [SkipLocalsInit]
    public void Apply(float* x, int xStride, int tokenCount, float* y, int yStride, int begin, int end)
    {
        var inner = stackalloc float[TokenBlock * Rank];
        for (var token = 0; token < tokenCount; token += TokenBlock)
        {
            var count = Math.Min(TokenBlock, tokenCount - token);
            var target = y + ((long)token * yStride) + begin;
            Attention.Scores(x + ((long)token * xStride), xStride, count, _a, InputCount, Rank, InputCount, 1f, inner, Rank);
            Combine(inner, count, _b + begin, OutputCount, end - begin, target, yStride);
            for (var t = 0; t < count; t++) Finish(target + ((long)t * yStride), begin, end - begin);
        }
    }

    /// <summary>Of an embedding: changes a token's vector to the adapted one.</summary>
    /// <param name="tokenId">Below in.</param>
    /// <param name="y">[out].</param>
    public void ApplyToToken(int tokenId, float* y)
    {
        Combine(_a + ((long)tokenId * Rank), 1, _b, OutputCount, OutputCount, y, OutputCount);
        Finish(y, 0, OutputCount);
    }

    /// <summary>Adds to <c>Wᵀ x</c> over outputs [begin, end) what the adapter has there: <c>y += Aᵀ (s Bᵀ x)</c>. Lengths are <see cref="ScaleByLengths"/>'s.</summary>
    /// <param name="x">[tokenCount, end − begin], rows xStride floats apart.</param>
    /// <param name="xStride">Distance of two tokens in <paramref name="x"/>, in floats.</param>
    /// <param name="tokenCount">Tokens.</param>
    /// <param name="y">[tokenCount, in], rows yStride floats apart.</param>
    /// <param name="yStride">Distance of two tokens in <paramref name="y"/>, in floats.</param>
    /// <param name="begin">First output.</param>
    /// <param name="end">Output behind the last.</param>
    [SkipLocalsInit]
    public void ApplyTransposed(float* x, int xStride, int tokenCount, float* y, int yStride, int begin, int end)
    {
        var inner = stackalloc float[TokenBlock * Rank];
        for (var token = 0; token < tokenCount; token += TokenBlock)
        {
            var count = Math.Min(TokenBlock, tokenCount - token);
            Attention.Scores(x + ((long)token * xStride), xStride, count, _b + begin, OutputCount, Rank, end - begin, 1f, inner, Rank);
            Combine(inner, count, _a, InputCount, InputCount, y + ((long)token * yStride), yStride);
        }
    }

    /// <summary>DoRA: multiplies outputs [begin, end) of tokens by f; without it, nothing.</summary>
    public void ScaleByLengths(float* x, int xStride, int tokenCount, int begin, int end)
    {
        for (var token = 0; _factors != null && token < tokenCount; token++)
            for (var o = begin; o < end; o++) x[((long)token * xStride) + o - begin] *= _factors[o];
    }

    /// <summary><c>y[t] += Σ_j inner[t, j] · rows[j]</c>.</summary>
    private void Combine(float* inner, int count, float* rows, int rowStride, int width, float* y, int yStride)
    {
        if (Vector512.IsHardwareAccelerated) Combination.AccumulateMany<Lanes512, Vector512<float>>(inner, Rank, count, rows, rowStride, Rank, width, y, yStride);
        else if (Vector256.IsHardwareAccelerated) Combination.AccumulateMany<Lanes256, Vector256<float>>(inner, Rank, count, rows, rowStride, Rank, width, y, yStride);
        else if (Vector128.IsHardwareAccelerated) Combination.AccumulateMany<Lanes128, Vector128<float>>(inner, Rank, count, rows, rowStride, Rank, width, y, yStride);
        else for (var t = 0; t < count; t++) Combination.Scalar(inner + (t * Rank), rows, rowStride, Rank, width, y + ((long)t * yStride));
    }

    private void Finish(float* y, int begin, int width)
    {
        for (var i = 0; _factors != null && i < width; i++) y[i] *= _factors[begin + i];
        for (var i = 0; _bias != null && i < width; i++) y[i] += _bias[begin + i];
    }

    [SkipLocalsInit]
    private void DivideByLengths(WeightMatrix weight)
    {
        var b = stackalloc float[TokenBlock * Rank];
        var rows = new float[TokenBlock * InputCount];
        fixed (float* merged = rows)
        {
            for (var begin = 0; begin < OutputCount; begin += TokenBlock)
            {
                var count = Math.Min(TokenBlock, OutputCount - begin);
                for (var o = 0; o < count; o++)
                {
                    weight.DequantizeRow(begin + o, merged + ((long)o * InputCount));
                    for (var j = 0; j < Rank; j++) b[(o * Rank) + j] = _b[((long)j * OutputCount) + begin + o];
                }

                Combine(b, count, _a, InputCount, InputCount, merged, InputCount);
                for (var o = 0; o < count; o++) _factors[begin + o] = Factor(_factors[begin + o], Squares(new ReadOnlySpan<float>(merged + ((long)o * InputCount), InputCount)));
            }
        }
    }

    /// <summary>Of an embedding, whose table has a row for each input: lengths are those of its columns.</summary>
    private void DivideByColumnLengths(WeightMatrix table)
    {
        var (row, squares) = (new float[OutputCount], new double[OutputCount]);
        fixed (float* merged = row)
        {
            for (var i = 0; i < InputCount; i++)
            {
                table.DequantizeRow(i, merged);
                Combine(_a + ((long)i * Rank), 1, _b, OutputCount, OutputCount, merged, OutputCount);
                for (var o = 0; o < OutputCount; o++) squares[o] += (double)row[o] * row[o];
            }
        }

        for (var o = 0; o < OutputCount; o++) _factors[o] = Factor(_factors[o], squares[o]);
    }

    /// <summary>In singles where these can hold it; of rows too short or too long for them in doubles.</summary>
    private static double Squares(ReadOnlySpan<float> row)
    {
        var squares = (double)Reduction.SumOfSquares(row);
        if (squares is > 1e-25 and < 1e38) return squares;
        squares = 0;
        foreach (var value in row) squares += (double)value * value;
        return squares;
    }

    /// <summary>f of a row. One of zeros has no length and stays zero whatever it is multiplied by; it counts as of length one.</summary>
    private static float Factor(float magnitude, double squares) => (float)(squares == 0 ? magnitude : magnitude / Math.Sqrt(squares));

    private static bool AreFinite(float* numbers, long count)
    {
        for (var i = 0L; i < count; i++)
            if (!float.IsFinite(numbers[i])) return false;
        return true;
    }

    /// <summary>A [r, in] as [in, r].</summary>
    private void ReadOnItsSide(WeightTensor tensor, float* target)
    {
        var matrix = WeightMatrix.Create(tensor);
        var row = new float[InputCount];
        fixed (float* values = row)
        {
            for (var j = 0; j < Rank; j++)
            {
                matrix.DequantizeRow(j, values);
                for (var i = 0; i < InputCount; i++) target[((long)i * Rank) + j] = values[i];
            }
        }
    }

    private static void Read(WeightTensor tensor, float* target) =>
        WeightMatrix.Create(tensor, 1, checked((int)tensor.ElementCount), byteOffset: 0).DequantizeRow(0, target);
}
