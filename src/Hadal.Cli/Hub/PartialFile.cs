using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Hadal.Cli.Hub;

/// <summary>A file that is being downloaded in segments: its bytes in their places and, behind them, how many bytes of each segment have come.</summary>
/// <remarks>Bytes are written before they are counted, so that a process that is killed leaves nothing that is counted and not there. After a loss of power the
/// counts may be ahead of the bytes; the hash finds that.</remarks>
internal sealed class PartialFile : IDisposable
{
    private const int CountBytes = sizeof(long), SmallSegment = 16 << 20, LargeSegment = 64 << 20;
    private const long LargeFile = 1L << 30;
    private readonly SafeFileHandle _handle;
    private readonly HubFile _file;
    private readonly long[] _done;

    private PartialFile(SafeFileHandle handle, HubFile file, string path, long[] done) => (_handle, _file, Path, _done) = (handle, file, path, done);

    /// <summary>Where it stands until it is whole.</summary>
    public string Path { get; }

    /// <summary>Number of segments.</summary>
    public int SegmentCount => _done.Length;

    /// <summary>Bytes that have come.</summary>
    public long TotalDone => _done.Sum();

    /// <summary>Opens what an earlier download left, or begins.</summary>
    public static PartialFile Open(string path, HubFile file)
    {
        // A link at this place was not put there by a download; what it leads to is not written to.
        if (new FileInfo(path).LinkTarget is not null) File.Delete(path);
        var handle = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        var done = ReadCounts(handle, file);
        var partial = new PartialFile(handle, file, path, done ?? new long[SegmentCountOf(file)]);
        if (done is null) partial.Clear();
        return partial;
    }

    /// <summary>Bytes of a file that an earlier download left; 0 where there is nothing to go on with.</summary>
    public static long BytesIn(string path, HubFile file)
    {
        if (!File.Exists(path) || new FileInfo(path).LinkTarget is not null) return 0;
        using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return ReadCounts(handle, file)?.Sum() ?? 0;
    }

    /// <summary>Where a segment begins.</summary>
    public long BeginOf(int segment) => BeginOf(_file, segment);

    /// <summary>Bytes of a segment; the last may be shorter.</summary>
    public long LengthOf(int segment) => LengthOf(_file, segment);

    /// <summary>Bytes of a segment that have come.</summary>
    public long DoneOf(int segment) => _done[segment];

    /// <summary>Writes the next bytes of a segment.</summary>
    public void Append(int segment, ReadOnlySpan<byte> bytes)
    {
        RandomAccess.Write(_handle, bytes, BeginOf(segment) + _done[segment]);
        SetCount(segment, _done[segment] + bytes.Length);
    }

    /// <summary>Forgets everything that has come.</summary>
    /// <exception cref="CommandException">The file system has no files of this size.</exception>
    public void Clear()
    {
        try
        {
            RandomAccess.SetLength(_handle, 0);
            RandomAccess.SetLength(_handle, _file.Size + ((long)SegmentCount * CountBytes));
        }
        catch (Exception fault) when (fault is ArgumentOutOfRangeException or IOException)
        {
            throw CommandException.Failed($"{Path}: cannot be made {Sizes.Bytes(_file.Size)} long; its disk, the file system or a limit of the process allows less, set HF_HUB_CACHE to a folder elsewhere", fault);
        }

        Array.Clear(_done);
    }

    /// <summary>Whether the bytes have the hash that they should have.</summary>
    public bool HasHash(CancellationToken cancellation)
    {
        // Git names content by SHA-1; it is what the hub gives for small files, and is compared with, not chosen.
#pragma warning disable CA5350
        using var hash = IncrementalHash.CreateHash(_file.IsSha256 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
#pragma warning restore CA5350
        if (!_file.IsSha256) hash.AppendData(Encoding.ASCII.GetBytes(FormattableString.Invariant($"blob {_file.Size}\0")));
        var buffer = new byte[1 << 20];
        for (var position = 0L; position < _file.Size;)
        {
            cancellation.ThrowIfCancellationRequested();
            var count = RandomAccess.Read(_handle, buffer.AsSpan(0, (int)Math.Min(buffer.Length, _file.Size - position)), position);
            if (count == 0) return false;
            hash.AppendData(buffer, 0, count);
            position += count;
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset()) == _file.Hash;
    }

    /// <summary>Takes the counts away, writes everything to the disk, and gives the file its name: nobody finds half of it there.</summary>
    public void Complete(string path)
    {
        RandomAccess.SetLength(_handle, _file.Size);
        RandomAccess.FlushToDisk(_handle);
        _handle.Dispose();
        File.Move(Path, path, overwrite: true);
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    /// <summary>Bytes of a segment: every one is a request to the hub, which counts them, and what a cut costs where there are no ranges.</summary>
    private static int SegmentBytesOf(HubFile file) => file.Size < LargeFile ? SmallSegment : LargeSegment;

    private static int SegmentCountOf(HubFile file) => checked((int)((file.Size + SegmentBytesOf(file) - 1) / SegmentBytesOf(file)));

    private static long BeginOf(HubFile file, int segment) => (long)segment * SegmentBytesOf(file);

    private static long LengthOf(HubFile file, int segment) => Math.Min(SegmentBytesOf(file), file.Size - BeginOf(file, segment));

    /// <summary>The counts of a file of the right length, or null. Without counts it was whole, and only its new name was missing.</summary>
    private static long[]? ReadCounts(SafeFileHandle handle, HubFile file)
    {
        var length = RandomAccess.GetLength(handle);
        var segments = SegmentCountOf(file);
        if (length == file.Size && segments > 0) return [.. Enumerable.Range(0, segments).Select(segment => LengthOf(file, segment))];
        if (length != file.Size + ((long)segments * CountBytes)) return null;
        var bytes = new byte[segments * CountBytes];
        if (RandomAccess.Read(handle, bytes, file.Size) != bytes.Length) return null;
        var done = Enumerable.Range(0, segments).Select(segment => BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(segment * CountBytes))).ToArray();
        return done.Select((count, segment) => count >= 0 && count <= LengthOf(file, segment)).All(isPossible => isPossible) ? done : null;
    }

    private void SetCount(int segment, long count)
    {
        Span<byte> bytes = stackalloc byte[CountBytes];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, count);
        RandomAccess.Write(_handle, bytes, _file.Size + ((long)segment * CountBytes));
        _done[segment] = count;
    }
}
