using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Inference.Kernels.Formats;
using Hadal.Inference.Kernels.Lanes;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>Scales of the groups of one panel: as they are kept, and as tiles read them.</summary>
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

    /// <summary>Bytes that the scales of a panel take.</summary>
    long BytesOf(int groupCount);

    /// <summary>Writes what is the same in all records.</summary>
    /// <param name="records">[count, 192].</param>
    /// <param name="count">Number of records.</param>
    /// <param name="takesWholeBytes">Whether codes of 8 bits are taken whole; otherwise only their high nibbles have a zero, which is 8.</param>
    void Prepare(byte* records, int count, bool takesWholeBytes);

    /// <summary>Writes the records of some groups.</summary>
    /// <param name="scales">The panel's scales.</param>
    /// <param name="group">First group; a multiple of 16.</param>
    /// <param name="count">Number of groups.</param>
    /// <param name="records">[count, 192].</param>
    void Expand<TLanes, TVector>(byte* scales, int group, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct;

    /// <summary>The value of a code q is <c>(q − Zero) · Scale + Minimum</c>; in tiles <c>(q − TileZero) · Scale + TileMinimum</c>.</summary>
    /// <param name="scales">The panel's scales.</param>
    /// <param name="row">0 to 15.</param>
    /// <param name="group">Group of 32 columns.</param>
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

/// <summary>One half per row and <paramref name="groupsPerScale"/> groups, and one zero for all: <c>(q − zero) · d</c>. Per scale 16 halves.</summary>
internal readonly unsafe struct HalfScales(int groupsPerScale, int zero) : ITileScales
{
    public static bool HasMinima => false;

    public static bool HasHalves => false;

    public long BytesOf(int groupCount) => 32L * (groupCount / groupsPerScale);

    public void Prepare(byte* records, int count, bool takesWholeBytes) => Records.FillZeros(records, count, zero == 128 && !takesWholeBytes ? 8 : zero);

    public void Expand<TLanes, TVector>(byte* scales, int group, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        for (var g = 0; g < count; g++)
            Records.Halves<TLanes, TVector>(scales + ((group + g) / groupsPerScale * 32), records + (g * ITileScales.RecordBytes));
    }

    public TileScale At(byte* scales, int row, int group, int half) =>
        new(HalfBits.Read(scales + (group / groupsPerScale * 32) + (2 * row)), zero, 0, zero, 0);
}

/// <summary>One half and one zero per row and <paramref name="groupsPerScale"/> groups: <c>(q − z) · d</c>. Per scale 16 halves, then 16 bytes.</summary>
internal readonly unsafe struct HalfScalesWithZeros(int groupsPerScale) : ITileScales
{
    /// <summary>Bytes of 16 scales and zeros.</summary>
    public const int ScaleBytes = 48;

    public static bool HasMinima => false;

    public static bool HasHalves => false;

    public long BytesOf(int groupCount) => (long)ScaleBytes * (groupCount / groupsPerScale);

    public void Prepare(byte* records, int count, bool takesWholeBytes)
    {
    }

    public void Expand<TLanes, TVector>(byte* scales, int group, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var expanded = -1;
        for (var g = 0; g < count; g++, records += ITileScales.RecordBytes)
        {
            var index = (group + g) / groupsPerScale;
            if (index == expanded)
            {
                Unsafe.CopyBlockUnaligned(records, records - ITileScales.RecordBytes, ITileScales.RecordBytes);
                continue;
            }

            expanded = index;
            var source = scales + (index * ScaleBytes);
            Records.Halves<TLanes, TVector>(source, records);
            var zeros = (uint*)(records + ITileScales.ZeroOffset);
            for (var i = 0; i < 16; i++) zeros[i] = Records.Pair(source[32 + i]);
        }
    }

    public TileScale At(byte* scales, int row, int group, int half)
    {
        var source = scales + (group / groupsPerScale * ScaleBytes);
        int zero = source[32 + row];
        return new(HalfBits.Read(source + (2 * row)), zero, 0, zero, 0);
    }
}

/// <summary>Two halves per row and group: <c>q · d + m</c>. Per group 16 halves d, then 16 halves m.</summary>
/// <remarks>Tiles of 5 bits subtract 16 from every code, so that sums fit 16 bits, and add 16 d to the minimum.</remarks>
internal readonly unsafe struct HalfScalesWithMinima(int tileZero) : ITileScales
{
    public static bool HasMinima => true;

    public static bool HasHalves => false;

    public long BytesOf(int groupCount) => 64L * groupCount;

    public void Prepare(byte* records, int count, bool takesWholeBytes) => Records.FillZeros(records, count, tileZero);

    public void Expand<TLanes, TVector>(byte* scales, int group, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var shift = TLanes.Broadcast(tileZero);
        for (var g = 0; g < count; g++, records += ITileScales.RecordBytes)
        {
            var source = (ushort*)(scales + ((group + g) * 64L));
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
    public const int BlockBytes = 320;

    public static bool HasMinima => true;

    public static bool HasHalves => false;

    public long BytesOf(int groupCount) => (long)BlockBytes * (groupCount / 8);

    public void Prepare(byte* records, int count, bool takesWholeBytes) => Records.FillZeros(records, count, tileZero);

    public void Expand<TLanes, TVector>(byte* scales, int group, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        var shift = TLanes.Broadcast(tileZero);
        for (var g = 0; g < count; g++, records += ITileScales.RecordBytes)
        {
            var block = scales + ((group + g) / 8 * (long)BlockBytes);
            var bytes = block + 64 + ((group + g) % 8 * 32);
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
        var block = scales + (group / 8 * (long)BlockBytes);
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
    public const int BlockBytes = 288;

    private const int Zero = 32;

    public static bool HasMinima => false;

    public static bool HasHalves => true;

    public long BytesOf(int groupCount) => (long)BlockBytes * (groupCount / 8);

    public void Prepare(byte* records, int count, bool takesWholeBytes) => Records.FillZeros(records, count, Zero);

    public void Expand<TLanes, TVector>(byte* scales, int group, int count, byte* records)
        where TLanes : struct, ILanes<TVector>
        where TVector : struct
    {
        for (var g = 0; g < count; g++, records += ITileScales.RecordBytes)
        {
            var block = scales + ((group + g) / 8 * (long)BlockBytes);
            var bytes = (sbyte*)block + 32 + ((group + g) % 8 * 32);
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
        var block = scales + (group / 8 * (long)BlockBytes);
        var scale = HalfBits.Read(block + (2 * row)) * (sbyte)block[32 + (group % 8 * 32) + (16 * half) + row];
        return new(scale, Zero, 0, Zero, 0);
    }
}
