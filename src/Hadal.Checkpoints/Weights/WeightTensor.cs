using System.Runtime.InteropServices;

namespace Hadal.Checkpoints.Weights;

/// <summary>One tensor of an open checkpoint: a view into its memory map under the published (Hugging Face) name.</summary>
/// <remarks>Valid while the <c>Checkpoint</c> is open. Row-major; rows run along the last dimension.
/// Immutable and safe to read from any thread.</remarks>
public sealed unsafe partial class WeightTensor
{
    private readonly byte* _data;

    /// <summary>Creates a view of <paramref name="byteLength"/> bytes at <paramref name="data"/>, which the caller keeps alive.</summary>
    public WeightTensor(string name, DType dtype, IReadOnlyList<int> shape, byte* data, long byteLength)
    {
        Name = name;
        DType = dtype;
        Shape = shape;
        _data = data;
        ByteLength = byteLength;
    }

    /// <summary>Published name, for example <c>model.layers.0.self_attn.q_proj.weight</c>.</summary>
    public string Name { get; }

    /// <summary>Storage format.</summary>
    public DType DType { get; }

    /// <summary>Dimensions in row-major order, [out, in] for projections.</summary>
    public IReadOnlyList<int> Shape { get; }

    /// <summary>Number of bytes stored.</summary>
    public long ByteLength { get; }

    /// <summary>First byte. Files of published writers align it to the element; older safetensors files may not.</summary>
    public byte* Data => _data;

    /// <summary>Whether the bytes lie in the map of a file, from where they can be read again at any time.</summary>
    internal bool IsMapped { get; init; }

    /// <summary>FP8: the block scales, F32 [ceil(out / 128), ceil(in / 128)]. I8: the scales, F32, F16 or BF16 [out, groups], a group being as many inputs
    /// as there are for each. Both are to be multiplied; otherwise null.</summary>
    public WeightTensor? Scale { get; init; }

    /// <summary>AWQ: zero codes, I32 [in / group, out / 8]; otherwise null. The tensor itself is qweight, I32 [in, out / 8], under its logical shape.</summary>
    public WeightTensor? AwqZeros { get; init; }

    /// <summary>AWQ: scales, F16 [in / group, out]; otherwise null.</summary>
    public WeightTensor? AwqScales { get; init; }

    /// <summary>The same bytes under another name.</summary>
    public WeightTensor As(string name) => new(name, DType, Shape, _data, ByteLength) { IsMapped = IsMapped, Scale = Scale, AwqZeros = AwqZeros, AwqScales = AwqScales };

    /// <summary>Number of elements.</summary>
    public long ElementCount
    {
        get
        {
            var count = 1L;
            foreach (var size in Shape) count *= size;
            return count;
        }
    }

    /// <summary>The bytes as a span.</summary>
    /// <exception cref="InvalidOperationException">The tensor has more than 2 GiB; read it by rows through <see cref="Data"/>.</exception>
    public ReadOnlySpan<byte> Bytes => ByteLength <= int.MaxValue
        ? new ReadOnlySpan<byte>(_data, (int)ByteLength)
        : throw new InvalidOperationException($"{Name}: {ByteLength} bytes do not fit a span; read it by rows");

    /// <summary>Says that the bytes are not needed for now: the pages of a mapped file leave this process's memory, and are read again when they are touched.
    /// Nothing happens to tensors that lie elsewhere.</summary>
    public void Release()
    {
        AwqZeros?.Release();
        AwqScales?.Release();
        Scale?.Release();
        if (!IsMapped || !OperatingSystem.IsLinux()) return;
        // Whole pages only; the first and the last may belong to a neighbour too.
        var page = (ulong)Environment.SystemPageSize;
        ulong begin = ((ulong)_data + page - 1) & ~(page - 1), end = ((ulong)_data + (ulong)ByteLength) & ~(page - 1);
        if (end > begin) _ = Advise((void*)begin, (nuint)(end - begin), AdviseDontNeed);
    }

    /// <summary>Says that the bytes are needed soon: those of a mapped file that are not in memory begin to be read, and nobody waits.</summary>
    public void WillNeed()
    {
        AwqZeros?.WillNeed();
        AwqScales?.WillNeed();
        Scale?.WillNeed();
        if (!IsMapped || !OperatingSystem.IsLinux()) return;
        var begin = (ulong)_data & ~((ulong)Environment.SystemPageSize - 1);
        _ = Advise((void*)begin, (nuint)((ulong)_data + (ulong)ByteLength - begin), AdviseWillNeed);
    }

    /// <summary>Bytes that one call of <see cref="Touch"/> reads from.</summary>
    internal const int TouchedBytes = 1 << 20;

    /// <summary>Where the bytes lie.</summary>
    internal nint Address => (nint)_data;

    /// <summary>Reads a byte of each page of a piece of <see cref="TouchedBytes"/>, so that it is there.</summary>
    internal void Touch(long begin)
    {
        var end = Math.Min(begin + TouchedBytes, ByteLength);
        for (var at = begin; at < end; at += Environment.SystemPageSize) _ = Volatile.Read(ref _data[at]);
    }

    private const int AdviseWillNeed = 3, AdviseDontNeed = 4;

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
