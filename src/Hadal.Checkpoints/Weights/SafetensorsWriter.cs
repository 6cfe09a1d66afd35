using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Hadal.Checkpoints.Weights;

/// <summary>A tensor to be written: its description and where its bytes come from.</summary>
/// <param name="Name">Published name.</param>
/// <param name="DType">A plain format; block formats cannot be held by safetensors.</param>
/// <param name="Shape">Dimensions; empty for a scalar.</param>
/// <param name="WriteTo">Writes all bytes, row-major and little-endian, when the tensor's turn comes; called once.</param>
public sealed record TensorToWrite(string Name, DType DType, IReadOnlyList<int> Shape, Action<Stream> WriteTo)
{
    /// <summary>A tensor whose bytes are in memory.</summary>
    public TensorToWrite(string name, DType dtype, IReadOnlyList<int> shape, ReadOnlyMemory<byte> bytes)
        : this(name, dtype, shape, stream => stream.Write(bytes.Span))
    {
    }

    /// <summary>The tensors of an open checkpoint's <paramref name="tensor"/>: itself, and for FP8 and AWQ the parts it is stored as.</summary>
    /// <remarks>They are written as they are stored. What <see cref="Checkpoint.Tensors"/> says a GGUF file keeps in its own layout is no part of a directory
    /// that others read.</remarks>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    public static IEnumerable<TensorToWrite> From(WeightTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.DType != DType.AwqInt4)
        {
            yield return new TensorToWrite(tensor.Name, tensor.DType, tensor.Shape, stream => Copy(tensor, stream));
            if (tensor.Scale is { } scale) yield return new TensorToWrite(scale.Name, scale.DType, scale.Shape, stream => Copy(scale, stream));
            yield break;
        }

        var (zeros, scales) = (tensor.AwqZeros!, tensor.AwqScales!);
        var name = tensor.Name[..^"weight".Length] + "qweight";
        yield return new TensorToWrite(name, DType.I32, [tensor.Shape[1], tensor.Shape[0] / 8], stream => Copy(tensor, stream));
        yield return new TensorToWrite(zeros.Name, zeros.DType, zeros.Shape, stream => Copy(zeros, stream));
        yield return new TensorToWrite(scales.Name, scales.DType, scales.Shape, stream => Copy(scales, stream));
    }

    private static unsafe void Copy(WeightTensor tensor, Stream stream)
    {
        for (var offset = 0L; offset < tensor.ByteLength; offset += 1 << 24)
            stream.Write(new ReadOnlySpan<byte>(tensor.Data + offset, (int)Math.Min(1 << 24, tensor.ByteLength - offset)));
    }
}

/// <summary>Writes safetensors files that appear under their name only when they are complete and on disk.</summary>
/// <remarks>Header and order (wider elements first, then name) are those of huggingface/safetensors, so that equal tensors give equal bytes.</remarks>
public static class SafetensorsWriter
{
    /// <summary>Metadata that published files carry.</summary>
    private static readonly Dictionary<string, string> PublishedMetadata = new() { ["format"] = "pt" };

    /// <summary>Writes one file.</summary>
    /// <param name="path">File to create or replace.</param>
    /// <param name="tensors">The tensors, in any order.</param>
    /// <param name="metadata">The <c>__metadata__</c> strings; <c>format: pt</c> when null.</param>
    /// <exception cref="ArgumentException">A name appears twice, a format or shape is not possible, or a tensor wrote another number of bytes.</exception>
    /// <exception cref="IOException">The file cannot be written; an older file of that name is left as it was.</exception>
    public static void Write(string path, IEnumerable<TensorToWrite> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        var ordered = Order(tensors);
        AtomicFile.Write(path, stream => WriteTo(stream, ordered, metadata ?? PublishedMetadata));
    }

    /// <summary>Writes a checkpoint's weights into <paramref name="directory"/>: <c>model.safetensors</c>, or shards of at most
    /// <paramref name="maxShardBytes"/> of tensor data with <c>model.safetensors.index.json</c>. Weight files of an earlier save are removed last.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Write"/>.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static void WriteModel(
        string directory, IEnumerable<TensorToWrite> tensors, long maxShardBytes = 5_000_000_000, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxShardBytes);
        Directory.CreateDirectory(directory);
        var shards = Split(tensors, maxShardBytes);
        var written = new HashSet<string>(StringComparer.Ordinal);
        var weightMap = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var index = 0; index < shards.Count; index++)
        {
            var file = shards.Count == 1
                ? "model.safetensors"
                : string.Create(CultureInfo.InvariantCulture, $"model-{index + 1:D5}-of-{shards.Count:D5}.safetensors");
            foreach (var tensor in shards[index])
            {
                if (!weightMap.TryAdd(tensor.Name, file)) throw new ArgumentException($"tensor '{tensor.Name}' appears twice", nameof(tensors));
            }

            Write(Path.Combine(directory, file), shards[index], metadata);
            written.Add(file);
        }

        if (shards.Count > 1)
        {
            AtomicFile.Write(Path.Combine(directory, "model.safetensors.index.json"), stream => WriteIndex(stream, weightMap, shards.Sum(shard => shard.Sum(ByteLength))));
            written.Add("model.safetensors.index.json");
        }

        foreach (var stale in Directory.EnumerateFiles(directory, "model*.safetensors*").Where(file => !written.Contains(Path.GetFileName(file)) && IsWeightFile(file)).ToList())
            File.Delete(stale);
    }

    /// <summary>Number of bytes of <paramref name="tensor"/>.</summary>
    internal static long ByteLength(TensorToWrite tensor)
    {
        if (SafetensorsDTypes.NameOf(tensor.DType) is null) throw new ArgumentException($"tensor '{tensor.Name}': safetensors cannot hold {tensor.DType}", nameof(tensor));
        var count = 1L;
        foreach (var size in tensor.Shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(tensor));
            count = checked(count * size);
        }

        return checked(count * tensor.DType.BlockBytes());
    }

    private static bool IsWeightFile(string path)
    {
        var name = Path.GetFileName(path);
        return name is "model.safetensors" or "model.safetensors.index.json"
            || (name.StartsWith("model-", StringComparison.Ordinal) && name.Contains("-of-", StringComparison.Ordinal) && name.EndsWith(".safetensors", StringComparison.Ordinal));
    }

    private static List<List<TensorToWrite>> Split(IEnumerable<TensorToWrite> tensors, long maxShardBytes)
    {
        var shards = new List<List<TensorToWrite>> { new() };
        var bytes = 0L;
        foreach (var tensor in tensors)
        {
            var length = ByteLength(tensor);
            if (bytes + length > maxShardBytes && shards[^1].Count > 0)
            {
                shards.Add([]);
                bytes = 0;
            }

            shards[^1].Add(tensor);
            bytes += length;
        }

        return shards;
    }

    private static List<TensorToWrite> Order(IEnumerable<TensorToWrite> tensors)
    {
        var ordered = tensors.OrderBy(tensor => Rank(tensor.DType)).ThenBy(tensor => tensor.Name, StringComparer.Ordinal).ToList();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tensor in ordered)
        {
            if (tensor.Name == "__metadata__" || !names.Add(tensor.Name)) throw new ArgumentException($"tensor '{tensor.Name}' appears twice or has a reserved name", nameof(tensors));
        }

        return ordered;
    }

    /// <summary>The order of huggingface/safetensors: its list of types backwards.</summary>
    private static int Rank(DType dtype) => dtype switch
    {
        DType.I64 => 0,
        DType.F32 => 1,
        DType.I32 => 2,
        DType.BF16 => 3,
        DType.F16 => 4,
        DType.F8E4M3 => 5,
        DType.I8 => 6,
        _ => 7,
    };

    private static void WriteTo(Stream stream, List<TensorToWrite> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var header = Header(tensors, metadata);
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach (var tensor in tensors)
        {
            var begin = stream.Position;
            tensor.WriteTo(stream);
            if (stream.Position - begin != ByteLength(tensor))
                throw new ArgumentException($"tensor '{tensor.Name}' wrote {stream.Position - begin} bytes, its shape needs {ByteLength(tensor)}", nameof(tensors));
        }
    }

    private static byte[] Header(List<TensorToWrite> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            if (metadata.Count > 0)
            {
                writer.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata) writer.WriteString(key, value);
                writer.WriteEndObject();
            }

            var begin = 0L;
            foreach (var tensor in tensors)
            {
                writer.WriteStartObject(tensor.Name);
                writer.WriteString("dtype", SafetensorsDTypes.NameOf(tensor.DType));
                writer.WriteStartArray("shape");
                foreach (var size in tensor.Shape) writer.WriteNumberValue(size);
                writer.WriteEndArray();
                writer.WriteStartArray("data_offsets");
                writer.WriteNumberValue(begin);
                writer.WriteNumberValue(begin += ByteLength(tensor));
                writer.WriteEndArray();
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        var header = new byte[(buffer.WrittenCount + 7) / 8 * 8];
        header.AsSpan().Fill((byte)' ');
        buffer.WrittenSpan.CopyTo(header);
        return header.Length <= SafetensorsHeader.MaxHeaderBytes
            ? header
            : throw new ArgumentException($"the header would have {header.Length} bytes, the limit is {SafetensorsHeader.MaxHeaderBytes}; write more shards", nameof(tensors));
    }

    private static void WriteIndex(Stream stream, SortedDictionary<string, string> weightMap, long totalBytes)
    {
        using var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        writer.WriteStartObject();
        writer.WriteStartObject("metadata");
        writer.WriteNumber("total_size", totalBytes);
        writer.WriteEndObject();
        writer.WriteStartObject("weight_map");
        foreach (var (name, file) in weightMap) writer.WriteString(name, file);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}
