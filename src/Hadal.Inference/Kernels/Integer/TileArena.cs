using System.Runtime.InteropServices;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>Memory for tiles: large stretches that the system may back with large pages, handed out piece by piece and freed together.</summary>
/// <remarks>A product reads a matrix from end to end; with pages of 2 MiB it waits less for the translation of addresses.</remarks>
internal sealed unsafe partial class TileArena : IDisposable
{
    private const long StretchBytes = 64L << 20, LargePage = 2L << 20;
    private const int AdviseHugePage = 14;

    private readonly List<nint> _stretches = [];
    private byte* _next;
    private byte* _end;

    /// <summary>64-byte aligned memory that belongs to this arena.</summary>
    /// <exception cref="OutOfMemoryException">There is none.</exception>
    public byte* Take(long byteCount)
    {
        var rounded = checked(byteCount + 63) & ~63L;
        if (rounded > _end - _next) Grow(rounded);
        var piece = _next;
        _next += rounded;
        return piece;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var stretch in _stretches) NativeMemory.AlignedFree((void*)stretch);
        _stretches.Clear();
        _next = _end = null;
    }

    private void Grow(long byteCount)
    {
        var length = (Math.Max(byteCount, StretchBytes) + LargePage - 1) & ~(LargePage - 1);
        var stretch = (byte*)NativeMemory.AlignedAlloc(checked((nuint)length), (nuint)LargePage);
        _stretches.Add((nint)stretch);
        // Advice only: where the system has no large pages to give, nothing changes.
        if (OperatingSystem.IsLinux()) _ = Advise(stretch, (nuint)length, AdviseHugePage);
        _next = stretch;
        _end = stretch + length;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint length, int advice);
}
