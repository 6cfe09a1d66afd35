using System.Runtime.InteropServices;
using Hadal.Checkpoints.Weights;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>A projection that multiplies its codes with activations of 8 bits.</summary>
/// <param name="tensor">The stored matrix [out, in].</param>
internal abstract unsafe class IntegerMatrix(WeightTensor tensor) : WeightMatrix(tensor.Shape[0], tensor.Shape[1], tensor.DType)
{
    /// <summary>[<see cref="SlabCount"/>, slab] the tiles in memory. While this is null they are made from the stored matrix, block by block, each time they are used.</summary>
    public byte* Slabs { get; private set; }

    /// <summary>Slabs of 32 rows.</summary>
    public abstract int SlabCount { get; }

    /// <summary>Bytes of all tiles.</summary>
    public abstract long ByteCount { get; }

    /// <summary>Makes the tiles of some slabs.</summary>
    /// <param name="slabs">[<see cref="SlabCount"/>, slab] bytes, 64-byte aligned.</param>
    /// <param name="slabBegin">First slab.</param>
    /// <param name="slabEnd">Slab behind the last.</param>
    public abstract void Fill(byte* slabs, int slabBegin, int slabEnd);

    /// <summary>From now on products read these tiles, all of which are filled, and the stored matrix no more. Nobody may multiply meanwhile.</summary>
    /// <param name="slabs">Kept alive by the caller.</param>
    public void Use(byte* slabs) => Slabs = slabs;

    /// <inheritdoc/>
    public override bool ReadsQuantizedRows => true;

    /// <inheritdoc/>
    internal override void WillNeed()
    {
        if (Slabs == null) tensor.WillNeed();
    }

    /// <inheritdoc/>
    internal override void Multiply(in ProjectionInput input, float* y, int yStride, int rowBegin, int rowEnd) =>
        Multiply(IntegerKernels.Best, input.Quantized, input.TokenCount, y, yStride, rowBegin, rowEnd);

    /// <summary>The product by one kernel: <c>y[t·yStride + r] = Σ_k x[t, k] · W[r, k]</c>.</summary>
    public abstract void Multiply(IntegerKernel kernel, QuantizedRows x, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd);

    /// <inheritdoc/>
    /// <remarks>Rounds the activations of this call for itself; products that share their input take a <see cref="ProjectionInput"/>.</remarks>
    public override void Multiply(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd) =>
        Multiply(IntegerKernels.Best, x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);

    /// <inheritdoc/>
    public override void MultiplyTransposed(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd) =>
        ScalarTransposed(x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);

    internal override void Scalar(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd) =>
        Multiply(IntegerKernel.Scalar, x, xStride, tokenCount, y, yStride, rowBegin, rowEnd);

    internal override void ScalarTransposed(float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        CheckRange(tokenCount, rowBegin, rowEnd);
        var w = (float*)NativeMemory.Alloc((nuint)Columns, sizeof(float));
        for (var t = 0; t < tokenCount; t++) new Span<float>(y + ((long)t * yStride), Columns).Clear();
        for (var r = rowBegin; r < rowEnd; r++)
        {
            ScalarRow(r, w);
            for (var t = 0; t < tokenCount; t++)
            {
                var factor = x[((long)t * xStride) + r - rowBegin];
                for (var k = 0; k < Columns; k++) y[((long)t * yStride) + k] += factor * w[k];
            }
        }

        NativeMemory.Free(w);
    }

    private void Multiply(IntegerKernel kernel, float* x, int xStride, int tokenCount, float* y, int yStride, int rowBegin, int rowEnd)
    {
        CheckRange(tokenCount, rowBegin, rowEnd);
        var data = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(1, QuantizedRows.BytesOf(tokenCount, Columns)), 64);
        var quantized = new QuantizedRows(data, Columns);
        for (var t = 0; t < tokenCount; t++) quantized.Quantize(t, 0, x + ((long)t * xStride), Columns);
        Multiply(kernel, quantized, tokenCount, y, yStride, rowBegin, rowEnd);
        NativeMemory.AlignedFree(data);
    }
}
