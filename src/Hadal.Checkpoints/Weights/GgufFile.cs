namespace Hadal.Checkpoints.Weights;

/// <summary>One open GGUF file.</summary>
internal sealed unsafe class GgufFile : IDisposable
{
    private readonly GgufHeader _header;

    private GgufFile(MappedFile map, GgufHeader header)
    {
        Map = map;
        _header = header;
        Metadata = new GgufMetadata(map.Path, map, header.Values);
    }

    /// <summary>The mapped file.</summary>
    public MappedFile Map { get; }

    /// <summary>Its metadata.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>Tensors by the name the file has for them.</summary>
    public IReadOnlyDictionary<string, GgufTensor> Tensors => _header.Tensors;

    /// <summary>Maps and checks <paramref name="path"/>.</summary>
    /// <exception cref="CheckpointException">The file cannot be read or breaks a rule of the format.</exception>
    public static GgufFile Open(string path)
    {
        var map = MappedFile.Open(path);
        try
        {
            return new GgufFile(map, GgufHeader.Read(map));
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>The first byte of <paramref name="tensor"/>.</summary>
    public byte* DataOf(GgufTensor tensor) => Map.At(tensor.ByteOffset, tensor.ByteLength);

    public void Dispose() => Map.Dispose();
}
