using System.IO.MemoryMappedFiles;

namespace Hadal.Checkpoints.Weights;

/// <summary>A file mapped for reading. Every access is checked against the length the file had when it was opened.</summary>
/// <remarks>The file is held open with <see cref="FileShare.Read"/>, so .NET programs (and, on Windows, all programs) cannot write to or shorten it
/// meanwhile. On Unix another program still can; <see cref="EnsureUnchanged"/> detects that before pages that no longer exist are touched.</remarks>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly FileStream _stream;
    private readonly MemoryMappedFile? _map;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _data;
    private bool _disposed;

    private MappedFile(string path, FileStream stream)
    {
        Path = path;
        _stream = stream;
        Length = stream.Length;
        if (Length == 0) return;

        _map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        _view = _map.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _data);
        _data += _view.PointerOffset;
    }

    /// <summary>Full path.</summary>
    public string Path { get; }

    /// <summary>Length in bytes when the file was opened.</summary>
    public long Length { get; }

    /// <summary>Maps <paramref name="path"/>.</summary>
    /// <exception cref="CheckpointException">The file does not exist or cannot be read.</exception>
    public static MappedFile Open(string path)
    {
        FileStream? stream = null;
        try
        {
            // Pipes and devices have no length; opening one could wait for ever.
            if (new FileInfo(path).Length == 0) throw new CheckpointException($"{path}: is empty, or no regular file");
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            return new MappedFile(path, stream);
        }
        catch (FileNotFoundException fault)
        {
            throw new CheckpointException($"{path}: does not exist", fault);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            stream?.Dispose();
            throw new CheckpointException($"{path}: cannot be read: {fault.Message}", fault);
        }
    }

    /// <summary>Address of the byte at <paramref name="byteOffset"/>, behind which <paramref name="byteLength"/> bytes lie in the file.</summary>
    public byte* At(long byteOffset, long byteLength)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (byteOffset < 0 || byteLength < 0 || byteOffset > Length || byteLength > Length - byteOffset)
            throw new CheckpointException($"{Path}: bytes {byteOffset} to {byteOffset}+{byteLength} lie outside the file ({Length} bytes); it is damaged or incomplete");
        return _data + byteOffset;
    }

    /// <summary>The bytes from <paramref name="byteOffset"/>; at most 2 GiB.</summary>
    public ReadOnlySpan<byte> Slice(long byteOffset, long byteLength) =>
        byteLength == 0 ? [] : new ReadOnlySpan<byte>(At(byteOffset, byteLength), checked((int)byteLength));

    /// <summary>Whether the file still has the length it was opened with.</summary>
    public bool IsUnchanged => RandomAccess.GetLength(_stream.SafeFileHandle) == Length;

    /// <summary>Throws if the file no longer has the length it was opened with.</summary>
    /// <exception cref="CheckpointException">The file was shortened or extended.</exception>
    public void EnsureUnchanged()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var length = RandomAccess.GetLength(_stream.SafeFileHandle);
        if (length != Length)
            throw new CheckpointException($"{Path}: has {length} bytes, had {Length} when it was opened; something rewrote the file; open the checkpoint again");
    }

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        if (_view is not null)
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
        }

        _map?.Dispose();
        _stream.Dispose();
    }
}
