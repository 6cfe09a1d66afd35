using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Decodes stored matrix rows in units of a few vectors; <see cref="RowMatrix{TFormat}"/> owns traversal, tiles and sums.</summary>
internal unsafe interface IWeightFormat
{
    DType DType { get; }

    /// <summary>Columns of one unit; a divisor of <see cref="RowMatrix.ChunkLength"/> and a multiple of every lane count.</summary>
    int UnitLength { get; }

    /// <summary>Bytes of one unit.</summary>
    int UnitBytes { get; }

    /// <summary>First byte of a unit.</summary>
    byte* At(int row, int begin);

    /// <summary>The definition: plain loops, one element after another.</summary>
    /// <param name="row">Row index.</param>
    /// <param name="begin">First column; a multiple of the unit.</param>
    /// <param name="count">Number of columns; whole units, or what is left of the row.</param>
    /// <param name="y">[count].</param>
    void Scalar(int row, int begin, int count, float* y);

    /// <summary>Decodes one unit to the same values, bit for bit, and hands every vector of it to <typeparamref name="TUse"/> in the order of columns.</summary>
    /// <param name="unit">First byte of the unit.</param>
    /// <param name="row">Row of the unit.</param>
    /// <param name="begin">First column of the unit.</param>
    /// <param name="p">What the vectors meet: [UnitLength].</param>
    /// <param name="acc">Accumulator, handed on from vector to vector.</param>
    TVector Unpack<TLanes, TVector, TUse>(byte* unit, int row, int begin, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse;
}

/// <summary>A format whose rows are blocks of fixed size, one behind the other, that hold everything that decoding needs.</summary>
internal unsafe interface IBlockFormat
{
    static abstract DType DType { get; }

    /// <summary>Elements of one unit: a block, or several single numbers.</summary>
    static abstract int UnitLength { get; }

    /// <summary>The definition: decodes <paramref name="count"/> elements, whole blocks, plain loops.</summary>
    static abstract void Scalar(byte* source, int count, float* y);

    /// <inheritdoc cref="IWeightFormat.Unpack"/>
    static abstract TVector Unpack<TLanes, TVector, TUse>(byte* unit, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse;
}

/// <summary>A format of single numbers, any of which can be read alone.</summary>
internal unsafe interface IElementFormat : IBlockFormat
{
    /// <summary>Bytes of a number.</summary>
    static abstract int ElementBytes { get; }

    /// <summary>One vector of numbers as floats.</summary>
    static abstract TVector Load<TLanes, TVector>(byte* source)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct;
}

/// <summary>What happens to a decoded vector.</summary>
internal unsafe interface IUse
{
    static abstract TVector Take<TLanes, TVector>(TVector weights, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct;
}
