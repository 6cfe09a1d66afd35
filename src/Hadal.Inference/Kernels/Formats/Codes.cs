using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Formats;

/// <summary>Handing 16 codes at a time to a use, whatever the width. Codes are put together as bytes, where an operation serves all 16.</summary>
internal static unsafe class Codes
{
    /// <summary>0, 1, …, 15: what tables of 4-bit codes are made from.</summary>
    private static ReadOnlySpan<float> Numbers => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// <summary>The numbers 0 to 15 of a table; only for widths with tables.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Table<TLanes, TVector>()
        where TLanes : struct, ILanes<TVector>
        where TVector : struct =>
        TLanes.Load((float*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(Numbers)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> LowNibbles(Vector128<byte> bytes) => bytes & Vector128.Create((byte)15);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> HighNibbles(Vector128<byte> bytes) => bytes >>> 4;

    /// <summary>Bit i of <paramref name="bits"/> as 16 or 0 in byte i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> FifthBits(uint bits)
    {
        var bytes = Vector128.Shuffle(Vector128.CreateScalarUnsafe(bits).AsByte(), Vector128.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
        var selector = Vector128.Create((byte)1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
        return Vector128.Equals(bytes & selector, selector) & Vector128.Create((byte)16);
    }

    /// <summary>Value <c>q · d + m</c> of 16 codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Affine<TLanes, TVector, TUse>(Vector128<byte> codes, TVector d, TVector m, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        for (var part = 0; part < 16 / TLanes.Count; part++)
        {
            var value = TLanes.Add(TLanes.Multiply(TLanes.FromBytes(codes, part), d), m);
            acc = TUse.Take<TLanes, TVector>(value, p + (part * TLanes.Count), acc);
        }

        return acc;
    }

    /// <summary>Value <c>q · d</c> of 16 signed codes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Scaled<TLanes, TVector, TUse>(Vector128<sbyte> codes, TVector d, float* p, TVector acc)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
        where TUse : struct, IUse
    {
        for (var part = 0; part < 16 / TLanes.Count; part++)
            acc = TUse.Take<TLanes, TVector>(TLanes.Multiply(TLanes.FromSBytes(codes, part), d), p + (part * TLanes.Count), acc);
        return acc;
    }
}
