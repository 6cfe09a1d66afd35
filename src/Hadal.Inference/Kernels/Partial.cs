using System.Runtime.CompilerServices;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels;

/// <summary>Fewer elements than a vector has lanes, without touching memory behind them.</summary>
internal static unsafe class Partial
{
    /// <summary>Loads <paramref name="count"/> elements; the other lanes are zero. <paramref name="room"/> has one vector's length.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TLanes, TVector>(float* source, int count, float* room)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        TLanes.Store(room, TLanes.Zero);
        for (var i = 0; i < count; i++) room[i] = source[i];
        return TLanes.Load(room);
    }

    /// <summary>Stores the first <paramref name="count"/> lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TLanes, TVector>(float* target, int count, TVector value, float* room)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        TLanes.Store(room, value);
        for (var i = 0; i < count; i++) target[i] = room[i];
    }

    /// <summary>Copies the last <paramref name="count"/> elements of each row and fills up with zeros to <paramref name="padded"/>.</summary>
    public static void CopyPadded(float* source, long sourceStride, float* target, long targetStride, int rowCount, int count, int padded)
    {
        for (var i = 0; i < rowCount; i++)
        {
            for (var j = 0; j < count; j++) target[(i * targetStride) + j] = source[(i * sourceStride) + j];
            for (var j = count; j < padded; j++) target[(i * targetStride) + j] = 0;
        }
    }
}
