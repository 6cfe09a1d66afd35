using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Formats;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>Scales of one panel in a block of up to 16 groups: as they are kept, and as tiles read them.</summary>
/// <remarks>Tiles read a record of three times 64 bytes per group: 16 float32 scales; 16 float32 minima, or scales of the second half of the columns;
/// and for 16 rows −z in both halves of 32 bits.</remarks>
internal unsafe interface ITileScales
{
    /// <summary>Bytes of the record of a group.</summary>
    const int RecordBytes = 192;

    /// <summary>Where in a record minima or second scales stand.</summary>
    const int SecondOffset = 64;

    /// <summary>Where in a record negated zeros stand.</summary>
    const int ZeroOffset = 128;

    /// <summary>Whether the values are <c>q · scale + minimum</c>.</summary>
    static abstract bool HasMinima { get; }

    /// <summary>Whether every 16 columns have their own scale.</summary>
    static abstract bool HasHalves { get; }

    /// <summary>Groups of a block.</summary>
    const int BlockGroups = 16;

    /// <summary>Bytes that the scales of a block take; a multiple of 16.</summary>
    int BlockBytes { get; }

    /// <summary>Writes what is the same in all records.</summary>
    /// <param name="records">[count, 192].</param>
    /// <param name="count">Number of records.</param>
    /// <param name="takesWholeBytes">Whether codes of 8 bits are taken whole; otherwise only their high nibbles have a zero, which is 8.</param>
    void Prepare(byte* records, int count, bool takesWholeBytes);

    /// <summary>Writes the records of some groups.</summary>
    /// <param name="scales">The block's scales.</param>
    /// <param name="count">Number of groups.</param>
    /// <param name="records">[count, 192].</param>
    void Expand<TLanes, TVector>(byte* scales, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct;

    /// <summary>The value of a code q is <c>(q − Zero) · Scale + Minimum</c>; in tiles <c>(q − TileZero) · Scale + TileMinimum</c>.</summary>
    /// <param name="scales">The block's scales.</param>
    /// <param name="row">0 to 15.</param>
    /// <param name="group">Group of the block.</param>
    /// <param name="half">0 or 1: which 16 columns.</param>
    TileScale At(byte* scales, int row, int group, int half);
}

/// <summary>The scale of one group of a row.</summary>
internal readonly record struct TileScale(float Scale, int Zero, float Minimum, int TileZero, float TileMinimum);

/// <summary>What several kinds of scales do alike.</summary>
internal static unsafe class Records
{
    /// <summary>The same zero everywhere.</summary>
    public static void FillZeros(byte* records, int count, int zero)
    {
        for (var g = 0; g < count; g++) new Span<uint>(records + (g * ITileScales.RecordBytes) + ITileScales.ZeroOffset, 16).Fill(Pair(zero));
    }

    /// <summary>−z in both halves.</summary>
    public static uint Pair(int zero) => (uint)(ushort)-zero * 0x10001u;

    /// <summary>16 halves to 16 floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Halves<TLanes, TVector>(byte* source, byte* target)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        for (var i = 0; i < 16; i += TLanes.Count) TLanes.Store((float*)target + i, TLanes.LoadHalf((ushort*)source + i));
    }
}

/// <summary>One half per row and group, and one zero for all: <c>(q − zero) · d</c>. Per group 16 halves.</summary>
internal readonly unsafe struct HalfScales(int zero) : ITileScales
{
    public static bool HasMinima => false;

    public static bool HasHalves => false;

    public int BlockBytes => 32 * ITileScales.BlockGroups;

    public void Prepare(byte* records, int count, bool takesWholeBytes) => Records.FillZeros(records, count, zero == 128 && !takesWholeBytes ? 8 : zero);

    public void Expand<TLanes, TVector>(byte* scales, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        for (var g = 0; g < count; g++) Records.Halves<TLanes, TVector>(scales + (32 * g), records + (g * ITileScales.RecordBytes));
    }

    public TileScale At(byte* scales, int row, int group, int half) =>
        new(HalfBits.Read(scales + (32 * group) + (2 * row)), zero, 0, zero, 0);
}

/// <summary>One float32 per row and <paramref name="groupsPerScale"/> groups, a divisor of 16; codes of 8 bits, <c>(q − 128) · d</c>. Per scale 16 floats.</summary>
internal readonly unsafe struct FloatScales(int groupsPerScale) : ITileScales
{
    private const int Zero = 128, ScaleBytes = 64;

    public static bool HasMinima => false;

    public static bool HasHalves => false;

    public int BlockBytes => ScaleBytes * ITileScales.BlockGroups / groupsPerScale;

    public void Prepare(byte* records, int count, bool takesWholeBytes) => Records.FillZeros(records, count, takesWholeBytes ? Zero : 8);

    public void Expand<TLanes, TVector>(byte* scales, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        for (var g = 0; g < count; g++)
            Unsafe.CopyBlockUnaligned(records + (g * ITileScales.RecordBytes), scales + (g / groupsPerScale * ScaleBytes), ScaleBytes);
    }

    public TileScale At(byte* scales, int row, int group, int half) =>
        new(*(float*)(scales + (group / groupsPerScale * ScaleBytes) + (4 * row)), Zero, 0, Zero, 0);
}

/// <summary>One half and one zero per row and <paramref name="groupsPerScale"/> groups, a divisor of 16: <c>(q − z) · d</c>. Per scale 16 halves, then 16 bytes.</summary>
internal readonly unsafe struct HalfScalesWithZeros(int groupsPerScale) : ITileScales
{
    /// <summary>Bytes of 16 scales and zeros.</summary>
    public const int ScaleBytes = 48;

    public static bool HasMinima => false;

    public static bool HasHalves => false;

    public int BlockBytes => ScaleBytes * ITileScales.BlockGroups / groupsPerScale;

    public void Prepare(byte* records, int count, bool takesWholeBytes)
    {
    }

    public void Expand<TLanes, TVector>(byte* scales, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var left = 0;
        for (var g = 0; g < count; g++, left--, records += ITileScales.RecordBytes)
        {
            if (left > 0)
            {
                Unsafe.CopyBlockUnaligned(records, records - ITileScales.RecordBytes, ITileScales.RecordBytes);
                continue;
            }

            left = groupsPerScale;
            var source = scales;
            scales += ScaleBytes;
            Records.Halves<TLanes, TVector>(source, records);
            var zeros = Vector128.Load(source + 32);
            Vector128<short> low = -Vector128.WidenLower(zeros).AsInt16(), high = -Vector128.WidenUpper(zeros).AsInt16();
            var target = (uint*)(records + ITileScales.ZeroOffset);
            Twice(Vector128.WidenLower(low.AsUInt16())).Store(target);
            Twice(Vector128.WidenUpper(low.AsUInt16())).Store(target + 4);
            Twice(Vector128.WidenLower(high.AsUInt16())).Store(target + 8);
            Twice(Vector128.WidenUpper(high.AsUInt16())).Store(target + 12);
        }
    }

    public TileScale At(byte* scales, int row, int group, int half)
    {
        var source = scales + (group / groupsPerScale * ScaleBytes);
        int zero = source[32 + row];
        return new(HalfBits.Read(source + (2 * row)), zero, 0, zero, 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Twice(Vector128<uint> halves) => halves | (halves << 16);
}

/// <summary>Two halves per row and group: <c>q · d + m</c>. Per group 16 halves d, then 16 halves m.</summary>
/// <remarks>Tiles of 5 bits subtract 16 from every code, so that sums fit 16 bits, and add 16 d to the minimum.</remarks>
internal readonly unsafe struct HalfScalesWithMinima(int tileZero) : ITileScales
{
    public static bool HasMinima => true;

    public static bool HasHalves => false;

    public int BlockBytes => 64 * ITileScales.BlockGroups;

    public void Prepare(byte* records, int count, bool takesWholeBytes) => Records.FillZeros(records, count, tileZero);

    public void Expand<TLanes, TVector>(byte* scales, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var shift = TLanes.Broadcast(tileZero);
        for (var g = 0; g < count; g++, records += ITileScales.RecordBytes)
        {
            var source = (ushort*)(scales + (g * 64));
            for (var i = 0; i < 16; i += TLanes.Count)
            {
                var d = TLanes.LoadHalf(source + i);
                TLanes.Store((float*)records + i, d);
                TLanes.Store((float*)(records + ITileScales.SecondOffset) + i, TLanes.Add(TLanes.LoadHalf(source + 16 + i), TLanes.Multiply(shift, d)));
            }
        }
    }

    public TileScale At(byte* scales, int row, int group, int half)
    {
        var source = scales + (group * 64L) + (2 * row);
        float d = HalfBits.Read(source), m = HalfBits.Read(source + 32);
        return new(d, 0, m, tileZero, m + (tileZero * d));
    }
}

/// <summary>Six bits of scale and of minimum per row and group, two halves per row and 256 columns: <c>d · sc · q − dmin · mn</c>.
/// Per 256 columns 16 halves d, 16 halves dmin, and for each of eight groups 16 bytes sc and 16 bytes mn.</summary>
/// <inheritdoc cref="HalfScalesWithMinima" path="/remarks"/>
internal readonly unsafe struct SuperScalesWithMinima(int tileZero) : ITileScales
{
    /// <summary>Bytes of 256 columns of a panel.</summary>
    public const int SuperBytes = 320;

    public static bool HasMinima => true;

    public static bool HasHalves => false;

    public int BlockBytes => SuperBytes * ITileScales.BlockGroups / 8;

    public void Prepare(byte* records, int count, bool takesWholeBytes) => Records.FillZeros(records, count, tileZero);

    public void Expand<TLanes, TVector>(byte* scales, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var shift = TLanes.Broadcast(tileZero);
        for (var g = 0; g < count; g++, records += ITileScales.RecordBytes)
        {
            var block = scales + (g / 8 * SuperBytes);
            var bytes = block + 64 + (g % 8 * 32);
            var (sc, mn) = (Vector128.Load(bytes), Vector128.Load(bytes + 16));
            for (var i = 0; i < 16; i += TLanes.Count)
            {
                var part = i / TLanes.Count;
                var scale = TLanes.Multiply(TLanes.LoadHalf((ushort*)block + i), TLanes.FromBytes(sc, part));
                var minimum = TLanes.Multiply(TLanes.LoadHalf((ushort*)block + 16 + i), TLanes.FromBytes(mn, part));
                TLanes.Store((float*)records + i, scale);
                TLanes.Store((float*)(records + ITileScales.SecondOffset) + i, TLanes.Subtract(TLanes.Multiply(shift, scale), minimum));
            }
        }
    }

    public TileScale At(byte* scales, int row, int group, int half)
    {
        var block = scales + (group / 8 * SuperBytes);
        var bytes = block + 64 + (group % 8 * 32) + row;
        var scale = HalfBits.Read(block + (2 * row)) * bytes[0];
        var minimum = HalfBits.Read(block + 32 + (2 * row)) * bytes[16];
        return new(scale, 0, -minimum, tileZero, (tileZero * scale) - minimum);
    }
}

/// <summary>A signed byte of scale per row and 16 columns, one half per row and 256 columns: <c>d · sc · (q − 32)</c>.
/// Per 256 columns 16 halves d, and for each of eight groups 16 bytes for its first and 16 for its second half.</summary>
internal readonly unsafe struct SuperScalesOfHalves : ITileScales
{
    /// <summary>Bytes of 256 columns of a panel.</summary>
    public const int SuperBytes = 288;

    private const int Zero = 32;

    public static bool HasMinima => false;

    public static bool HasHalves => true;

    public int BlockBytes => SuperBytes * ITileScales.BlockGroups / 8;

    public void Prepare(byte* records, int count, bool takesWholeBytes) => Records.FillZeros(records, count, Zero);

    public void Expand<TLanes, TVector>(byte* scales, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        for (var g = 0; g < count; g++, records += ITileScales.RecordBytes)
        {
            var block = scales + (g / 8 * SuperBytes);
            var bytes = (sbyte*)block + 32 + (g % 8 * 32);
            var (first, second) = (Vector128.Load(bytes), Vector128.Load(bytes + 16));
            for (var i = 0; i < 16; i += TLanes.Count)
            {
                var part = i / TLanes.Count;
                var d = TLanes.LoadHalf((ushort*)block + i);
                TLanes.Store((float*)records + i, TLanes.Multiply(d, TLanes.FromSBytes(first, part)));
                TLanes.Store((float*)(records + ITileScales.SecondOffset) + i, TLanes.Multiply(d, TLanes.FromSBytes(second, part)));
            }
        }
    }

    public TileScale At(byte* scales, int row, int group, int half)
    {
        var block = scales + (group / 8 * SuperBytes);
        var scale = HalfBits.Read(block + (2 * row)) * (sbyte)block[32 + (group % 8 * 32) + (16 * half) + row];
        return new(scale, Zero, 0, Zero, 0);
    }
}
