namespace Hadal.Inference.Kernels.Integer;

/// <summary>The operations that integer tiles need of one instruction set. Every int32 lane belongs to one row; its four bytes are four columns.</summary>
/// <remarks>Sums of whole numbers are exact, so every implementation gives the same bits. Where an implementation adds in 16 bits, the final
/// value of each half lane fits: |Σ (q − z) · x| over 16 columns is at most 16 · 16 · 127 &lt; 2¹⁵, and additions wrap in between without harm.</remarks>
internal unsafe interface IByteLanes<TVector, TFloat>
    where TVector : struct
    where TFloat : struct
{
    /// <summary>Bytes of a vector.</summary>
    static abstract int ByteCount { get; }

    /// <summary>Whether codes may have 8 bits; otherwise such are taken as two of 4.</summary>
    static abstract bool TakesWholeBytes { get; }

    static abstract TVector Load(byte* source);

    static abstract void Store(byte* target, TVector value);

    /// <summary>Four bytes in every lane.</summary>
    static abstract TVector Broadcast(byte* source);

    /// <summary>Accumulators that hold <c>−z · Σ x</c>.</summary>
    /// <param name="negatedZeros">−z in both 16-bit halves of each lane.</param>
    /// <param name="sums">The sum of x over columns 0 and 1 of every four in the low half of each lane, of 2 and 3 in the high half.</param>
    static abstract TVector Start(TVector negatedZeros, TVector sums);

    /// <summary>Adds <c>Σ q · x</c> of four columns; q of at most 6 bits, or 8 with <see cref="TakesWholeBytes"/>.</summary>
    static abstract TVector MultiplyAdd(TVector accumulators, TVector codes, TVector x);

    /// <summary>The int32 sum of every lane.</summary>
    static abstract TVector Sums(TVector accumulators);

    /// <summary>The int32 sums of codes of 8 bits: those of the low nibbles and 16 times those of the high ones.</summary>
    static abstract TVector Sums(TVector low, TVector high);

    /// <summary>Difference of 16-bit halves.</summary>
    static abstract TVector SubtractHalves(TVector left, TVector right);

    static abstract TVector And(TVector value, byte mask);

    static abstract TVector Or(TVector left, TVector right);

    /// <summary>Shifts 16-bit halves; bits that cross a byte are masked out by the caller.</summary>
    static abstract TVector ShiftRight(TVector value, int count);

    /// <inheritdoc cref="ShiftRight"/>
    static abstract TVector ShiftLeft(TVector value, int count);

    /// <summary>int32 to float32, to nearest.</summary>
    static abstract TFloat ToSingle(TVector sums);
}
