using System.Runtime.InteropServices;

namespace Hadal.Inference.Tests.Kernels;

/// <summary>Unmanaged memory whose last byte is followed, and whose first page is preceded, by a page that may not be touched:
/// a kernel that reads or writes past its operand ends the process.</summary>
/// <remarks>Guard pages exist on Linux; elsewhere the memory is plain.</remarks>
internal sealed unsafe class GuardedBuffer : IDisposable
{
    private const int ReadWrite = 3, None = 0, PrivateAnonymous = 0x22;
    private readonly byte* _mapping;
    private readonly nuint _mappedBytes;

    public GuardedBuffer(long byteLength)
    {
        ByteLength = byteLength;
        if (!OperatingSystem.IsLinux())
        {
            _mapping = (byte*)NativeMemory.AllocZeroed((nuint)Math.Max(byteLength, 1));
            Data = _mapping;
            return;
        }

        var page = (nuint)Environment.SystemPageSize;
        var inner = ((nuint)byteLength + page - 1) / page * page;
        _mappedBytes = inner + (2 * page);
        var mapping = MemoryMap(0, _mappedBytes, ReadWrite, PrivateAnonymous, -1, 0);
        Assert.NotEqual(-1, mapping);
        _mapping = (byte*)mapping;
        Assert.Equal(0, MemoryProtect(mapping, page, None));
        Assert.Equal(0, MemoryProtect(mapping + (nint)(page + inner), page, None));
        Data = _mapping + page + inner - byteLength;
    }

    public long ByteLength { get; }

    public byte* Data { get; }

    public float* Floats => (float*)Data;

    public Span<float> Span => new(Data, (int)(ByteLength / sizeof(float)));

    public Span<byte> Bytes => new(Data, (int)ByteLength);

    public static GuardedBuffer Of(ReadOnlySpan<float> values)
    {
        var buffer = new GuardedBuffer((long)values.Length * sizeof(float));
        values.CopyTo(buffer.Span);
        return buffer;
    }

    public static GuardedBuffer OfBytes(ReadOnlySpan<byte> values)
    {
        var buffer = new GuardedBuffer(values.Length);
        values.CopyTo(buffer.Bytes);
        return buffer;
    }

    public void Dispose()
    {
        if (OperatingSystem.IsLinux()) _ = MemoryUnmap((nint)_mapping, _mappedBytes);
        else NativeMemory.Free(_mapping);
    }

    [DllImport("libc", EntryPoint = "mmap")]
    private static extern nint MemoryMap(nint address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", EntryPoint = "mprotect")]
    private static extern int MemoryProtect(nint address, nuint length, int protection);

    [DllImport("libc", EntryPoint = "munmap")]
    private static extern int MemoryUnmap(nint address, nuint length);
}
