using System.Buffers.Binary;
using System.Globalization;

namespace Hadal.Checkpoints.Weights;

/// <summary>The metadata of a GGUF file by key, with typed access. Valid while the file is open.</summary>
/// <remarks>Every getter returns null for an absent key and throws for a value of another type. Arrays stay in the map and are decoded when asked for.</remarks>
internal sealed class GgufMetadata
{
    private readonly string _where;
    private readonly MappedFile _map;
    private readonly IReadOnlyDictionary<string, GgufValue> _values;

    internal GgufMetadata(string where, MappedFile map, IReadOnlyDictionary<string, GgufValue> values)
    {
        _where = where;
        _map = map;
        _values = values;
    }

    /// <summary>Path of the file.</summary>
    public string Path => _where;

    /// <summary>All keys.</summary>
    public IEnumerable<string> Keys => _values.Keys;

    /// <summary>Whether <paramref name="key"/> is present, whatever its type.</summary>
    public bool Contains(string key) => _values.ContainsKey(key);

    /// <summary>A string.</summary>
    /// <exception cref="CheckpointException">The value is no string.</exception>
    public string? GetString(string key) => Find(key, "a string", type => type == GgufType.String) is { } value ? GgufReader.String(_map, value.ByteOffset) : null;

    /// <summary>A whole number of any width.</summary>
    /// <exception cref="CheckpointException">The value is no whole number, or beyond 2⁶³.</exception>
    public long? GetInteger(string key) => Find(key, "a whole number", IsInteger) is { } value ? Integer(key, value.Type, value.ByteOffset) : null;

    /// <summary>A number, whole or not.</summary>
    /// <exception cref="CheckpointException">The value is no number.</exception>
    public double? GetNumber(string key) => Find(key, "a number", IsNumber) is { } value ? Number(key, value.Type, value.ByteOffset) : null;

    /// <summary>A truth value.</summary>
    /// <exception cref="CheckpointException">The value is none.</exception>
    public bool? GetBoolean(string key) => Find(key, "true or false", type => type == GgufType.Boolean) is { } value ? _map.Slice(value.ByteOffset, 1)[0] != 0 : null;

    /// <summary>Number of elements of an array, whatever their type.</summary>
    /// <exception cref="CheckpointException">The value is no array.</exception>
    public long? GetArrayLength(string key) => Find(key, "an array", type => type == GgufType.Array)?.Count;

    /// <summary>An array of strings.</summary>
    /// <exception cref="CheckpointException">The value is none.</exception>
    public IReadOnlyList<string>? GetStrings(string key)
    {
        if (FindArray(key, "an array of strings", type => type == GgufType.String) is not { } array) return null;
        var strings = new string[array.Count];
        var offset = array.ByteOffset;
        for (var index = 0; index < strings.Length; index++)
        {
            strings[index] = GgufReader.String(_map, offset);
            offset += 8 + (long)GgufReader.U64(_map, offset);
        }

        return strings;
    }

    /// <summary>An array of whole numbers.</summary>
    /// <exception cref="CheckpointException">The value is none, or an element does not fit.</exception>
    public IReadOnlyList<int>? GetIntegers(string key)
    {
        if (FindArray(key, "an array of whole numbers", IsInteger) is not { } array) return null;
        var numbers = new int[array.Count];
        for (var index = 0; index < numbers.Length; index++)
        {
            var number = Integer(key, array.ElementType, array.ByteOffset + (index * (long)GgufReader.SizeOf(array.ElementType)));
            if (number is < int.MinValue or > int.MaxValue) throw new CheckpointException($"{_where}: {key}[{index}] is {number}, beyond 32 bits");
            numbers[index] = (int)number;
        }

        return numbers;
    }

    /// <summary>An array of numbers.</summary>
    /// <exception cref="CheckpointException">The value is none.</exception>
    public IReadOnlyList<float>? GetNumbers(string key)
    {
        if (FindArray(key, "an array of numbers", IsNumber) is not { } array) return null;
        var numbers = new float[array.Count];
        for (var index = 0; index < numbers.Length; index++)
            numbers[index] = (float)Number(key, array.ElementType, array.ByteOffset + (index * (long)GgufReader.SizeOf(array.ElementType)));
        return numbers;
    }

    /// <summary>Elements of an array that is decoded at once; longer ones are longer than any vocabulary.</summary>
    private const long MaxArrayLength = 1 << 24;

    private static bool IsInteger(GgufType type) => type is GgufType.U8 or GgufType.I8 or GgufType.U16 or GgufType.I16
        or GgufType.U32 or GgufType.I32 or GgufType.U64 or GgufType.I64;

    private static bool IsNumber(GgufType type) => IsInteger(type) || type is GgufType.F32 or GgufType.F64;

    private GgufValue? Find(string key, string expected, Predicate<GgufType> accepts)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (!_values.TryGetValue(key, out var value)) return null;
        if (!accepts(value.Type)) throw new CheckpointException($"{_where}: {key} is {value}, expected {expected}");
        return value;
    }

    private GgufValue? FindArray(string key, string expected, Predicate<GgufType> accepts)
    {
        if (Find(key, expected, type => type == GgufType.Array) is not { } array) return null;
        if (!accepts(array.ElementType)) throw new CheckpointException($"{_where}: {key} is {array}, expected {expected}");
        if (array.Count > MaxArrayLength) throw new CheckpointException($"{_where}: {key} is {array}, the limit is {MaxArrayLength}");
        return array;
    }

    private long Integer(string key, GgufType type, long byteOffset)
    {
        var bytes = _map.Slice(byteOffset, GgufReader.SizeOf(type));
        return type switch
        {
            GgufType.U8 => bytes[0],
            GgufType.I8 => (sbyte)bytes[0],
            GgufType.U16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            GgufType.I16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
            GgufType.U32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            GgufType.I32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            GgufType.I64 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            _ => BinaryPrimitives.ReadUInt64LittleEndian(bytes) is var number and <= long.MaxValue
                ? (long)number
                : throw new CheckpointException($"{_where}: {key} is beyond 63 bits"),
        };
    }

    private double Number(string key, GgufType type, long byteOffset) => type switch
    {
        // The shortest decimal that gives the float is the number the converter was given: 1e-6, not 9.99999997e-7.
        GgufType.F32 => double.Parse(
            BinaryPrimitives.ReadSingleLittleEndian(_map.Slice(byteOffset, 4)).ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture),
        GgufType.F64 => BinaryPrimitives.ReadDoubleLittleEndian(_map.Slice(byteOffset, 8)),
        _ => Integer(key, type, byteOffset),
    };
}
