using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>How the rows of a product lie in memory: a vector of them as floats, whatever they are stored as.</summary>
/// <remarks>Conversions are exact and a scale is one product, so rows that are read where they lie give the bits of rows expanded before
/// (<see cref="CacheExpansion"/>).</remarks>
internal unsafe interface IStoredRows<TVector>
    where TVector : struct
{
    /// <summary>Bytes of an element.</summary>
    static abstract int ElementBytes { get; }

    /// <summary>The scale of a row, where rows have scales.</summary>
    static abstract TVector RowScale(float* scales, nint row);

    /// <summary>The scales of columns, where columns have scales.</summary>
    static abstract TVector ColumnScale(float* scales, nint column);

    /// <summary>A vector of elements.</summary>
    static abstract TVector Load(byte* source, TVector rowScale, TVector columnScale);
}

/// <summary>Floats.</summary>
internal readonly unsafe struct FloatRows<TLanes, TVector> : IStoredRows<TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    public static int ElementBytes => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector RowScale(float* scales, nint row) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ColumnScale(float* scales, nint column) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(byte* source, TVector rowScale, TVector columnScale) => TLanes.Load((float*)source);
}

/// <summary>bfloat16.</summary>
internal readonly unsafe struct BFloat16Rows<TLanes, TVector> : IStoredRows<TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    public static int ElementBytes => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector RowScale(float* scales, nint row) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ColumnScale(float* scales, nint column) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(byte* source, TVector rowScale, TVector columnScale) => TLanes.LoadBFloat16((ushort*)source);
}

/// <summary>Signed bytes with a scale per row.</summary>
internal readonly unsafe struct Int8ScaledRows<TLanes, TVector> : IStoredRows<TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    public static int ElementBytes => sizeof(sbyte);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector RowScale(float* scales, nint row) => TLanes.Broadcast(scales[row]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ColumnScale(float* scales, nint column) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(byte* source, TVector rowScale, TVector columnScale) => TLanes.Multiply(Codes(source), rowScale);

    /// <summary>As many codes as there are lanes, and not a byte behind them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TVector Codes(byte* source) => TLanes.FromSBytes(
        TLanes.Count switch
        {
            16 => Vector128.Load((sbyte*)source),
            8 => Vector128.CreateScalarUnsafe(*(ulong*)source).AsSByte(),
            _ => Vector128.CreateScalarUnsafe(*(uint*)source).AsSByte(),
        },
        0);
}

/// <summary>Signed bytes with a scale per column.</summary>
internal readonly unsafe struct Int8ScaledColumns<TLanes, TVector> : IStoredRows<TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    public static int ElementBytes => sizeof(sbyte);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector RowScale(float* scales, nint row) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ColumnScale(float* scales, nint column) => TLanes.Load(scales + column);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(byte* source, TVector rowScale, TVector columnScale) => TLanes.Multiply(Int8ScaledRows<TLanes, TVector>.Codes(source), columnScale);
}
