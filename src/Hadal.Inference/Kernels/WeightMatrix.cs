using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Formats;

namespace Hadal.Inference.Kernels;

/// <summary>One projection, computed from its stored format: <c>y = x · Wᵀ</c> with W [<see cref="Rows"/>, <see cref="Columns"/>].</summary>
/// <remarks>Immutable; safe to use from many threads. Valid as long as the tensor's memory. Sums are float32, and each
/// (row, token) has one summation order that depends on <see cref="Columns"/> and the vector width only: the result does not
/// change with the number of tokens, the row range or the number of threads.</remarks>
public abstract unsafe class WeightMatrix
{
    /// <summary>Describes a matrix of the given logical shape.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A dimension is not positive.</exception>
    private protected WeightMatrix(int rows, int columns, DType dtype)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        Rows = rows;
        Columns = columns;
        DType = dtype;
    }

    /// <summary>Number of outputs.</summary>
    public int Rows { get; }

    /// <summary>Number of inputs.</summary>
    public int Columns { get; }

    /// <summary>Storage format.</summary>
    public DType DType { get; }

    /// <summary>A matrix over a two-dimensional tensor [out, in].</summary>
    /// <exception cref="ArgumentException">The tensor is not two-dimensional.</exception>
    /// <exception cref="CheckpointException">The format has no kernels, or sizes do not agree.</exception>
    public static WeightMatrix Create(WeightTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.Shape.Count != 2)
            throw new ArgumentException($"{tensor.Name}: expected two dimensions [out, in], found {tensor.Shape.Count}", nameof(tensor));
        return WeightFormats.Create(tensor, tensor.Shape[0], tensor.Shape[1], byteOffset: 0);
    }

    /// <summary>A matrix over a slice of a larger tensor, for example one head of <c>k_b_proj</c>.</summary>
    /// <param name="tensor">The tensor the slice lies in.</param>
    /// <param name="rows">Outputs of the slice.</param>
    /// <param name="columns">Inputs; rows follow each other without a gap.</param>
    /// <param name="byteOffset">Where the slice begins in the tensor, in bytes.</param>
    /// <exception cref="CheckpointException">The format has no kernels or no slices, or the slice does not lie in the tensor.</exception>
    public static WeightMatrix Create(WeightTensor tensor, int rows, int columns, long byteOffset)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return WeightFormats.Create(tensor, rows, columns, byteOffset);
    }

    /// <summary><c>y[t·yStride + r] = Σ_k x[t·xStride + k] · W[r, k]</c> for r in [rowBegin, rowEnd), t in [0, tokenCount).</summary>
    /// <param name="x">[tokenCount, in] with rows xStride floats apart.</param>
    /// <param name="xStride">Distance of two tokens in <paramref name="x"/>, in floats.</param>
    /// <param name="tokenCount">Number of tokens; 0 does nothing.</param>
    /// <param name="y">[tokenCount, out] with rows yStride floats apart; must not overlap <paramref name="x"/>. Only columns of the row range are written.</param>
    /// <param name="yStride">Distance of two tokens in <paramref name="y"/>, in floats.</param>
    /// <param name="rowBegin">First row.</param>
    /// <param name="rowEnd">Row behind the last.</param>
    /// <exception cref="ArgumentOutOfRangeException">The row range does not lie in the matrix, or the count is negative.</exception>
    public abstract void Multiply(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd);

    /// <summary>Whether products round their activations to 8 bits, see <see cref="Hadal.Inference.Models.Arithmetic"/>.</summary>
    public virtual bool ReadsQuantizedRows => false;

    /// <summary>Says that the weights are read soon; only those that stay in the file on purpose listen.</summary>
    internal virtual void WillNeed()
    {
    }

    /// <summary>The product with activations that several matrices may share.</summary>
    internal virtual void Multiply(in ProjectionInput input, float* y, int yStride, int rowBegin, int rowEnd) =>
        Multiply((float*)input.Values, input.Stride, input.TokenCount, y, yStride, rowBegin, rowEnd);

    /// <summary>The product with all rows, shared out over a crew. The bits do not depend on the number of threads.</summary>
    /// <param name="crew">Threads; they must be idle.</param>
    /// <param name="x">[tokenCount, in] with rows xStride floats apart.</param>
    /// <param name="xStride">Distance of two tokens in <paramref name="x"/>, in floats.</param>
    /// <param name="tokenCount">Number of tokens; 0 does nothing.</param>
    /// <param name="y">[tokenCount, out] with rows yStride floats apart; must not overlap <paramref name="x"/>.</param>
    /// <param name="yStride">Distance of two tokens in <paramref name="y"/>, in floats.</param>
    /// <exception cref="InvalidOperationException">The crew is running a job.</exception>
    public void Multiply(ThreadCrew crew, float* x, int xStride, int tokenCount, float* y, int yStride)
    {
        ArgumentNullException.ThrowIfNull(crew);
        var input = crew.Activations.Prepare(crew, x, xStride, tokenCount, Columns, ReadsQuantizedRows);
        var job = new MatrixJob(this, crew.ThreadCount, input, y, yStride);
        crew.Run(ref job, job.PartCount);
    }

    /// <summary>The transposed product: <c>y[t·yStride + k] = Σ_r x[t·xStride + r − rowBegin] · W[r, k]</c> over r in [rowBegin, rowEnd), all k.</summary>
    /// <param name="x">[tokenCount, rowEnd − rowBegin] with rows xStride floats apart.</param>
    /// <param name="xStride">Distance of two tokens in <paramref name="x"/>, in floats.</param>
    /// <param name="tokenCount">Number of tokens; 0 does nothing.</param>
    /// <param name="y">[tokenCount, in] with rows yStride floats apart; must not overlap <paramref name="x"/>.</param>
    /// <param name="yStride">Distance of two tokens in <paramref name="y"/>, in floats.</param>
    /// <param name="rowBegin">First row.</param>
    /// <param name="rowEnd">Row behind the last.</param>
    /// <remarks>One fixed order of the sum for a row range, whatever the number of tokens. The whole range is summed by one call.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">The row range does not lie in the matrix, or the count is negative.</exception>
    public abstract void MultiplyTransposed(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd);

    /// <summary>Writes the float32 values of one row, for example of an embedding.</summary>
    /// <param name="row">Row index.</param>
    /// <param name="y">[in].</param>
    /// <exception cref="ArgumentOutOfRangeException">The row does not lie in the matrix.</exception>
    public abstract void DequantizeRow(int row, float* y);

    /// <summary>The definition of <see cref="Multiply(float*, int, int, float*, int, int, int)"/>: plain loops.</summary>
    internal abstract void Scalar(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd);

    /// <summary>The definition of <see cref="MultiplyTransposed"/>.</summary>
    internal abstract void ScalarTransposed(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd);

    /// <summary>The definition of <see cref="DequantizeRow"/>.</summary>
    internal abstract void ScalarRow(int row, float* y);

    /// <summary>Throws unless the row range and the token count are sensible.</summary>
    private protected void CheckRange(int tokenCount, int rowBegin, int rowEnd)
    {
        if ((uint)rowEnd > (uint)Rows || (uint)rowBegin > (uint)rowEnd)
            throw new ArgumentOutOfRangeException(nameof(rowEnd), $"rows {rowBegin}..{rowEnd} do not lie in a matrix of {Rows} rows");
        ArgumentOutOfRangeException.ThrowIfNegative(tokenCount);
    }
}
