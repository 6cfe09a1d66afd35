using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;

namespace Hadal.Checkpoints.Weights;

/// <summary>One tensor as a safetensors header states it, checked.</summary>
/// <param name="Name">Name in the file.</param>
/// <param name="DTypeName">The format's word for the element type, such as <c>BF16</c>.</param>
/// <param name="Shape">Dimensions; empty for a scalar.</param>
/// <param name="Begin">First byte, relative to the data section.</param>
/// <param name="ByteLength">Number of bytes.</param>
internal sealed record SafetensorsEntry(string Name, string DTypeName, int[] Shape, long Begin, long ByteLength);

/// <summary>The header of a safetensors file: <c>u64 length | JSON | data</c>, huggingface/safetensors README "Format".</summary>
internal sealed class SafetensorsHeader
{
    /// <summary>Longest header, as in the published implementation.</summary>
    public const int MaxHeaderBytes = 100_000_000;

    private const int MaxRank = 8;

    /// <summary>Tensors by name.</summary>
    public Dictionary<string, SafetensorsEntry> Entries { get; } = new(StringComparer.Ordinal);

    /// <summary>The <c>__metadata__</c> strings, in file order; empty where there are none.</summary>
    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>Offset of the data section in the file.</summary>
    public long DataOffset { get; private init; }

    /// <summary>Reads the header of a file of <paramref name="fileLength"/> bytes.</summary>
    /// <param name="where">Path, for messages.</param>
    /// <param name="fileLength">Length of the whole file in bytes.</param>
    /// <param name="read">Gives the bytes at an offset and of a length inside the file.</param>
    /// <exception cref="CheckpointException">The file breaks a rule of the format.</exception>
    public static SafetensorsHeader Read(string where, long fileLength, ReadBytes read)
    {
        if (fileLength < 8) throw Fault(where, $"has {fileLength} bytes, a safetensors file has at least 8");
        var stated = BinaryPrimitives.ReadUInt64LittleEndian(read(0, 8));
        if (stated > MaxHeaderBytes) throw Fault(where, $"states a header of {stated} bytes, the limit is {MaxHeaderBytes}");
        var length = (long)stated;
        if (length > fileLength - 8) throw Fault(where, $"states a header of {length} bytes, the file has {fileLength - 8} left");
        var json = read(8, length);
        if (length == 0 || json[0] != (byte)'{') throw Fault(where, "the header does not begin with '{'");
        if (!Utf8.IsValid(json)) throw Fault(where, "the header is not UTF-8");

        var header = new SafetensorsHeader { DataOffset = 8 + length };
        try
        {
            header.Parse(where, json);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException or FormatException)
        {
            throw Fault(where, $"the header is not valid JSON: {fault.Message}", fault);
        }

        header.CheckCoverage(where, fileLength - header.DataOffset);
        return header;
    }

    /// <summary>Bytes at <paramref name="byteOffset"/>, <paramref name="byteLength"/> of them.</summary>
    public delegate ReadOnlySpan<byte> ReadBytes(long byteOffset, long byteLength);

    private void Parse(string where, ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 8 });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (name == "__metadata__")
            {
                if (Metadata.Count > 0) throw Fault(where, "__metadata__ appears twice");
                ParseMetadata(where, ref reader);
                continue;
            }

            if (!Entries.TryAdd(name, ParseEntry(where, name, ref reader))) throw Fault(where, $"tensor '{name}' appears twice");
        }

        while (reader.Read())
        {
            // Only white space may follow; the reader throws otherwise.
        }
    }

    private void ParseMetadata(string where, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Fault(where, "__metadata__ is not an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw Fault(where, $"__metadata__ '{key}' is not a string");
            if (!Metadata.TryAdd(key, reader.GetString()!)) throw Fault(where, $"__metadata__ '{key}' appears twice");
        }
    }

    private static SafetensorsEntry ParseEntry(string where, string name, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Fault(where, $"tensor '{name}' is not described by an object");
        string? dtype = null;
        int[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            var repeated = key switch { "dtype" => dtype is not null, "shape" => shape is not null, "data_offsets" => offsets is not null, _ => false };
            if (repeated) throw Fault(where, $"tensor '{name}' has '{key}' twice");
            switch (key)
            {
                case "dtype" when reader.TokenType == JsonTokenType.String:
                    dtype = reader.GetString();
                    break;
                case "shape":
                    shape = ParseShape(where, name, ref reader);
                    break;
                case "data_offsets":
                    offsets = ParseOffsets(where, name, ref reader);
                    break;
                case "dtype":
                    throw Fault(where, $"tensor '{name}' has a dtype that is not a string");
                default:
                    reader.Skip();
                    break;
            }
        }

        if (dtype is null || shape is null || offsets is null) throw Fault(where, $"tensor '{name}' lacks dtype, shape or data_offsets");
        return CheckSize(where, new SafetensorsEntry(name, dtype, shape, offsets[0], offsets[1] - offsets[0]));
    }

    private static int[] ParseShape(string where, string name, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw Fault(where, $"tensor '{name}' has a shape that is not a list");
        var sizes = new List<int>(4);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out var size) || size < 0)
                throw Fault(where, $"tensor '{name}' has a dimension that is not a whole number from 0 to {int.MaxValue}");
            if (sizes.Count == MaxRank) throw Fault(where, $"tensor '{name}' has more than {MaxRank} dimensions");
            sizes.Add(size);
        }

        return [.. sizes];
    }

    private static long[] ParseOffsets(string where, string name, ref Utf8JsonReader reader)
    {
        var offsets = new long[2];
        var valid = reader.TokenType == JsonTokenType.StartArray;
        for (var index = 0; index < 2 && valid; index++)
            valid = reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out offsets[index]) && offsets[index] >= 0;
        if (!valid || !reader.Read() || reader.TokenType != JsonTokenType.EndArray)
            throw Fault(where, $"tensor '{name}' has data_offsets that are not two non-negative numbers");
        if (offsets[1] < offsets[0]) throw Fault(where, $"tensor '{name}' ends at {offsets[1]} before it begins at {offsets[0]}");
        return offsets;
    }

    private static SafetensorsEntry CheckSize(string where, SafetensorsEntry entry)
    {
        if (SafetensorsDTypes.Bits(entry.DTypeName) is not { } bits) throw Fault(where, $"tensor '{entry.Name}' has unknown dtype '{entry.DTypeName}'");
        UInt128 count = 1;
        foreach (var size in entry.Shape)
        {
            count *= (uint)size;
            if (count > long.MaxValue) throw Fault(where, $"tensor '{entry.Name}' has a shape [{string.Join(", ", entry.Shape)}] beyond any file");
        }

        var totalBits = count * (uint)bits;
        if (totalBits % 8 != 0) throw Fault(where, $"tensor '{entry.Name}' does not fill whole bytes");
        if (totalBits / 8 != (UInt128)entry.ByteLength)
        {
            throw Fault(where, $"tensor '{entry.Name}' of {entry.DTypeName} [{string.Join(", ", entry.Shape)}] needs {totalBits / 8} bytes, "
                + $"data_offsets give {entry.ByteLength}");
        }

        return entry;
    }

    /// <summary>The tensors must cover the data section completely, without holes or overlap.</summary>
    private void CheckCoverage(string where, long dataLength)
    {
        var position = 0L;
        foreach (var entry in Entries.Values.OrderBy(entry => entry.Begin).ThenBy(entry => entry.ByteLength))
        {
            if (entry.Begin != position)
                throw Fault(where, $"tensor '{entry.Name}' begins at {entry.Begin}, {position} expected; data must have neither holes nor overlap");
            if (entry.ByteLength > dataLength - position)
                throw Fault(where, $"tensor '{entry.Name}' ends at {(UInt128)position + (ulong)entry.ByteLength}, the data section has {dataLength} bytes; copy the file again");
            position += entry.ByteLength;
        }

        if (position != dataLength) throw Fault(where, $"{dataLength - position} bytes follow the last tensor, none are allowed");
    }

    private static CheckpointException Fault(string where, string fault, Exception? inner = null) =>
        new($"{where}: {fault}; the file is damaged or not safetensors", inner);
}

/// <summary>The format's element types.</summary>
internal static class SafetensorsDTypes
{
    /// <summary>Bits per element, or null for a word the format does not know.</summary>
    public static int? Bits(string dtypeName) => dtypeName switch
    {
        "F4" => 4,
        "F6_E2M3" or "F6_E3M2" => 6,
        "BOOL" or "U8" or "I8" or "F8_E5M2" or "F8_E4M3" or "F8_E8M0" or "F8_E4M3FNUZ" or "F8_E5M2FNUZ" => 8,
        "I16" or "U16" or "F16" or "BF16" => 16,
        "I32" or "U32" or "F32" => 32,
        "C64" or "F64" or "I64" or "U64" => 64,
        _ => null,
    };

    /// <summary>Our format for the word, or null for types no weight is stored in.</summary>
    public static DType? ToDType(string dtypeName) => dtypeName switch
    {
        "F32" => DType.F32,
        "F16" => DType.F16,
        "BF16" => DType.BF16,
        "F8_E4M3" => DType.F8E4M3,
        "I8" => DType.I8,
        "U8" => DType.U8,
        "I32" => DType.I32,
        "I64" => DType.I64,
        _ => null,
    };

    /// <summary>The format's word, or null for block formats, which safetensors cannot hold.</summary>
    public static string? NameOf(DType dtype) => dtype switch
    {
        DType.F32 => "F32",
        DType.F16 => "F16",
        DType.BF16 => "BF16",
        DType.F8E4M3 => "F8_E4M3",
        DType.I8 => "I8",
        DType.U8 => "U8",
        DType.I32 => "I32",
        DType.I64 => "I64",
        _ => null,
    };
}
