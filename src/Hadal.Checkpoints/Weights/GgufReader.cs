using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Hadal.Checkpoints.Weights;

/// <summary>Types of GGUF metadata values, by the number the file stores.</summary>
internal enum GgufType : uint
{
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Boolean = 7,
    String = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

/// <summary>Where a metadata value lies in the file.</summary>
/// <param name="Type">Type of the value.</param>
/// <param name="ElementType">Type of the elements of an array; otherwise <paramref name="Type"/>.</param>
/// <param name="Count">Number of elements of an array; otherwise 1.</param>
/// <param name="ByteOffset">Offset of the value, of the length of a string, or of the first element.</param>
internal readonly record struct GgufValue(GgufType Type, GgufType ElementType, long Count, long ByteOffset)
{
    public override string ToString() => Type == GgufType.Array
        ? string.Create(CultureInfo.InvariantCulture, $"an array of {Count} {ElementType}")
        : $"of type {Type}";
}

/// <summary>Elementary reads from a GGUF file; every offset is checked by the map.</summary>
internal static class GgufReader
{
    /// <summary>Bytes of one value of a fixed-size type, or 0 for strings and arrays.</summary>
    public static int SizeOf(GgufType type) => type switch
    {
        GgufType.U8 or GgufType.I8 or GgufType.Boolean => 1,
        GgufType.U16 or GgufType.I16 => 2,
        GgufType.U32 or GgufType.I32 or GgufType.F32 => 4,
        GgufType.U64 or GgufType.I64 or GgufType.F64 => 8,
        _ => 0,
    };

    public static uint U32(MappedFile map, long byteOffset) => BinaryPrimitives.ReadUInt32LittleEndian(map.Slice(byteOffset, 4));

    public static ulong U64(MappedFile map, long byteOffset) => BinaryPrimitives.ReadUInt64LittleEndian(map.Slice(byteOffset, 8));

    /// <summary>The string whose length stands at <paramref name="byteOffset"/>; invalid UTF-8 is replaced.</summary>
    public static string String(MappedFile map, long byteOffset) =>
        Encoding.UTF8.GetString(map.Slice(byteOffset + 8, checked((long)U64(map, byteOffset))));
}
