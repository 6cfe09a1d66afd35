using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Decodes runs of a stored matrix row; <see cref="RowMatrix{TFormat}"/> owns traversal, tiles and sums.</summary>
internal unsafe interface IWeightFormat
{
    DType DType { get; }

    /// <summary>The definition: plain loops, one element after another.</summary>
    /// <param name="row">Row index.</param>
    /// <param name="begin">First column; a multiple of <see cref="RowMatrix.ChunkLength"/>.</param>
    /// <param name="count">Number of columns; a whole chunk, or what is left of the row.</param>
    /// <param name="y">[count].</param>
    void Scalar(int row, int begin, int count, float* y);

    /// <summary>The same values, bit for bit, with vectors. Writes nothing behind <paramref name="count"/>.</summary>
    void Decode<TLanes, TVector>(int row, int begin, int count, float* y)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct;
}

/// <summary>A format whose rows are blocks of fixed size, one behind the other, that hold everything that decoding needs.</summary>
internal unsafe interface IBlockFormat
{
    static abstract DType DType { get; }

    /// <summary>The definition: decodes <paramref name="count"/> elements, whole blocks, plain loops.</summary>
    static abstract void Scalar(byte* source, int count, float* y);

    /// <summary>The same values, bit for bit, with vectors.</summary>
    static abstract void Decode<TLanes, TVector>(byte* source, int count, float* y)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct;
}
