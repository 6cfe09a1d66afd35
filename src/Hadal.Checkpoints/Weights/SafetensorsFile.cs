namespace Hadal.Checkpoints.Weights;

/// <summary>One open safetensors file.</summary>
internal sealed unsafe class SafetensorsFile : IDisposable
{
    private readonly MappedFile _map;
    private readonly SafetensorsHeader _header;

    private SafetensorsFile(MappedFile map, SafetensorsHeader header)
    {
        _map = map;
        _header = header;
    }

    /// <summary>The mapped file.</summary>
    public MappedFile Map => _map;

    /// <summary>Tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _header.Entries;

    /// <summary>The <c>__metadata__</c> strings.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Maps and checks <paramref name="path"/>.</summary>
    /// <exception cref="CheckpointException">The file cannot be read or breaks a rule of the format.</exception>
    public static SafetensorsFile Open(string path)
    {
        var map = MappedFile.Open(path);
        try
        {
            return new SafetensorsFile(map, SafetensorsHeader.Read(path, map.Length, map.Slice));
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>The first byte of <paramref name="entry"/>.</summary>
    public byte* DataOf(SafetensorsEntry entry) => _map.At(_header.DataOffset + entry.Begin, entry.ByteLength);

    public void Dispose() => _map.Dispose();
}
