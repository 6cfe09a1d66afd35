using System.Globalization;
using System.Numerics;

namespace Hadal.Checkpoints.Weights;

/// <summary>One tensor as a GGUF file states it, checked.</summary>
/// <param name="Name">Name in the file, for example <c>blk.0.attn_q.weight</c>.</param>
/// <param name="DType">Storage format.</param>
/// <param name="Shape">Dimensions, the contiguous one last.</param>
/// <param name="ByteOffset">First byte in the file.</param>
/// <param name="ByteLength">Number of bytes.</param>
internal sealed record GgufTensor(string Name, DType DType, int[] Shape, long ByteOffset, long ByteLength);

/// <summary>The part of a GGUF file before its data: metadata and tensor descriptions. ggml-org/ggml <c>docs/gguf.md</c>.</summary>
/// <remarks>Counts and lengths are held against the bytes that are left before anything of their size is allocated.</remarks>
internal sealed class GgufHeader
{
    private const int MaxKeyBytes = 65535;
    private const int MaxTensorNameBytes = 256;
    private const int MaxRank = 4;
    private const uint MaxAlignment = 1 << 20;

    private readonly MappedFile _map;
    private readonly FaultList _faults;
    private long _position;

    private GgufHeader(MappedFile map)
    {
        _map = map;
        _faults = new FaultList(map.Path);
    }

    /// <summary>Metadata values by key.</summary>
    public Dictionary<string, GgufValue> Values { get; } = new(StringComparer.Ordinal);

    /// <summary>Tensors by name.</summary>
    public Dictionary<string, GgufTensor> Tensors { get; } = new(StringComparer.Ordinal);

    /// <summary>Reads the header of a mapped file.</summary>
    /// <exception cref="CheckpointException">It breaks a rule of the format, or has a version or tensor types that are not supported.</exception>
    public static GgufHeader Read(MappedFile map)
    {
        var header = new GgufHeader(map);
        header.Read();
        return header;
    }

    private void Read()
    {
        if (_map.Length < 24) throw Fault($"has {_map.Length} bytes, a GGUF header has at least 24");
        if (!_map.Slice(0, 4).SequenceEqual("GGUF"u8)) throw Fault("does not begin with 'GGUF'");
        CheckVersion(GgufReader.U32(_map, 4));
        ulong tensorCount = GgufReader.U64(_map, 8), valueCount = GgufReader.U64(_map, 16);
        _position = 24;

        // A value takes 13 bytes at least (empty key, type, one byte), a tensor 32 (empty name, one dimension).
        CheckCount(valueCount, 13, "metadata values");
        CheckCount(tensorCount, 32, "tensors");
        for (var index = 0UL; index < valueCount; index++) ReadValue();
        var alignment = Alignment();
        for (var index = 0UL; index < tensorCount; index++) ReadTensor(alignment);
        _faults.ThrowIfAny("supported tensor types: " + GgufTypes.Supported);
        Place(alignment);
    }

    private void CheckVersion(uint version)
    {
        if (version is 2 or 3) return;
        if (BitConverter.IsLittleEndian && System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(version) is > 0 and < 16)
            throw new CheckpointException($"{_map.Path}: is a big-endian GGUF file; supported are little-endian files of versions 2 and 3");
        throw new CheckpointException($"{_map.Path}: is GGUF version {version}; supported are 2 and 3; convert the model again with a current converter");
    }

    private void ReadValue()
    {
        var at = _position;
        var key = ReadName(MaxKeyBytes, "metadata key");
        var type = ReadType(key);
        var value = type == GgufType.Array ? ReadArray(key) : new GgufValue(type, type, 1, _position);
        if (type != GgufType.Array) Skip(type, 1, key);
        if (key.Length == 0) throw Fault($"the metadata key at byte {at} is empty");
        if (!Values.TryAdd(key, value)) throw Fault($"metadata key '{key}' appears twice");
    }

    private GgufValue ReadArray(string key)
    {
        var elementType = ReadType(key);
        if (elementType == GgufType.Array) throw Fault($"{key}: is an array of arrays, which GGUF readers do not accept");
        var count = ReadU64(key);
        CheckCount(count, elementType == GgufType.String ? 8 : GgufReader.SizeOf(elementType), $"elements of {key}");
        var value = new GgufValue(GgufType.Array, elementType, (long)count, _position);
        Skip(elementType, (long)count, key);
        return value;
    }

    private void Skip(GgufType type, long count, string key)
    {
        if (type != GgufType.String)
        {
            Advance(GgufReader.SizeOf(type) * count, key);
            return;
        }

        for (var index = 0L; index < count; index++)
        {
            var length = ReadU64(key);
            if (length > (ulong)(_map.Length - _position))
                throw Fault($"{key}: states a string of {length} bytes, {_map.Length - _position} are left");
            Advance((long)length, key);
        }
    }

    private GgufType ReadType(string key)
    {
        var type = (GgufType)ReadU32(key);
        return Enum.IsDefined(type) ? type : throw Fault($"{key}: has the unknown value type {(uint)type}");
    }

    private uint Alignment()
    {
        if (!Values.TryGetValue("general.alignment", out var value)) return 32;
        if (value.Type != GgufType.U32) throw Fault($"general.alignment is {value}, expected a 32-bit number");
        var alignment = GgufReader.U32(_map, value.ByteOffset);
        return alignment is >= 8 and <= MaxAlignment && BitOperations.IsPow2(alignment)
            ? alignment
            : throw Fault($"general.alignment is {alignment}, expected a power of two from 8 to {MaxAlignment}");
    }

    private void ReadTensor(uint alignment)
    {
        var name = ReadName(MaxTensorNameBytes, "tensor name");
        var rank = ReadU32(name);
        if (rank is 0 or > MaxRank) throw Fault($"{name}: has {rank} dimensions, expected 1 to {MaxRank}");
        var shape = new int[rank];
        for (var axis = (int)rank - 1; axis >= 0; axis--)
        {
            var size = ReadU64(name);
            shape[axis] = size is > 0 and <= int.MaxValue ? (int)size : throw Fault($"{name}: has a dimension of {size}, expected 1 to {int.MaxValue}");
        }

        var type = ReadU32(name);
        var offset = ReadU64(name);
        if (GgufTypes.ToDType(type) is not { } dtype)
        {
            _faults.Add($"{name}: is stored as {GgufTypes.NameOf(type)}");
            return;
        }

        if (offset % alignment != 0 || offset > long.MaxValue)
            throw Fault($"{name}: begins at {offset}, which is not a multiple of the alignment {alignment}");
        if (!Tensors.TryAdd(name, new GgufTensor(name, dtype, shape, (long)offset, ByteLength(name, dtype, shape))))
            throw Fault($"tensor '{name}' appears twice");
    }

    private long ByteLength(string name, DType dtype, int[] shape)
    {
        if (shape[^1] % dtype.BlockSize() != 0)
            throw Fault($"{name}: rows of {dtype} need a multiple of {dtype.BlockSize()} elements, found {shape[^1]}");
        UInt128 bytes = (UInt128)(shape[^1] / dtype.BlockSize()) * (uint)dtype.BlockBytes();
        foreach (var size in shape.AsSpan()[..^1]) bytes *= (uint)size;
        return bytes <= (UInt128)_map.Length ? (long)bytes : throw Fault($"{name}: {dtype} {TensorBinder.Text(shape)} needs {bytes} bytes, the file has {_map.Length}");
    }

    /// <summary>Turns offsets into places in the file and checks that tensors lie inside it and apart from each other.</summary>
    private void Place(uint alignment)
    {
        var dataOffset = (_position + alignment - 1) / alignment * alignment;
        var end = 0L;
        var previous = "";
        foreach (var tensor in Tensors.Values.OrderBy(tensor => tensor.ByteOffset).ToList())
        {
            if (tensor.ByteOffset < end) throw Fault($"{tensor.Name}: begins at {tensor.ByteOffset}, inside {previous}, which ends at {end}");
            if (tensor.ByteOffset > _map.Length - dataOffset - tensor.ByteLength)
            {
                throw Fault(string.Create(CultureInfo.InvariantCulture,
                    $"{tensor.Name}: needs {tensor.ByteLength} bytes from {tensor.ByteOffset}, the data section has {Math.Max(0, _map.Length - dataOffset)}; copy the file again"));
            }

            (end, previous) = (tensor.ByteOffset + tensor.ByteLength, tensor.Name);
            Tensors[tensor.Name] = tensor with { ByteOffset = dataOffset + tensor.ByteOffset };
        }
    }

    private string ReadName(int maxBytes, string what)
    {
        var length = ReadU64(what);
        if (length > (ulong)maxBytes) throw Fault($"the {what} at byte {_position - 8} has {length} bytes, allowed are {maxBytes}");
        var at = _position - 8;
        Advance((long)length, what);
        return GgufReader.String(_map, at);
    }

    private uint ReadU32(string what)
    {
        Advance(4, what);
        return GgufReader.U32(_map, _position - 4);
    }

    private ulong ReadU64(string what)
    {
        Advance(8, what);
        return GgufReader.U64(_map, _position - 8);
    }

    private void Advance(long byteCount, string what)
    {
        if (byteCount > _map.Length - _position) throw Fault($"ends at byte {_map.Length}, inside {what}");
        _position += byteCount;
    }

    private void CheckCount(ulong count, int leastBytes, string what)
    {
        if (count > (ulong)((_map.Length - _position) / leastBytes))
            throw Fault($"states {count} {what}, the {_map.Length - _position} bytes left cannot hold them");
    }

    private CheckpointException Fault(string fault) => new($"{_map.Path}: {fault}; the file is damaged or not GGUF");
}

/// <summary>The tensor types of ggml by the number a file stores.</summary>
internal static class GgufTypes
{
    public const string Supported = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K";

    /// <summary>Our format, or null for types without kernels.</summary>
    public static DType? ToDType(uint type) => type switch
    {
        0 => DType.F32,
        1 => DType.F16,
        2 => DType.Q4_0,
        3 => DType.Q4_1,
        6 => DType.Q5_0,
        7 => DType.Q5_1,
        8 => DType.Q8_0,
        12 => DType.Q4_K,
        13 => DType.Q5_K,
        14 => DType.Q6_K,
        30 => DType.BF16,
        _ => null,
    };

    /// <summary>The word ggml has for the type; its number where it has none.</summary>
    public static string NameOf(uint type) => type switch
    {
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => ToDType(type)?.ToString() ?? string.Create(CultureInfo.InvariantCulture, $"the unknown type {type}"),
    };
}
