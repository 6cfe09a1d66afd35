using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Hadal.Training.Data.Examples;

/// <summary>Examples in a file, read one at a time: there may be more of them than memory holds.</summary>
/// <remarks>Layout, little-endian: a mark of 8 bytes, the fingerprint of what it was made from (32 bytes); per example two 32-bit counts, a 64-bit float, ids and labels
/// (32 bits each); −1, and the SHA-256 of everything before. Thread-safe.</remarks>
internal sealed class ExampleFile : IDisposable
{
    private const int HashBytes = 32, HeadBytes = 16, EndMark = -1;

    private readonly SafeFileHandle _file;
    private readonly List<long> _offsets;
    private readonly List<int> _lengths;

    private ExampleFile(SafeFileHandle file, List<long> offsets, List<int> lengths) => (_file, _offsets, _lengths) = (file, offsets, lengths);

    private static ReadOnlySpan<byte> Mark => "hadalex1"u8;

    /// <summary>Number of examples.</summary>
    public int Count => _offsets.Count;

    /// <summary>Tokens of each.</summary>
    public IReadOnlyList<int> Lengths => _lengths;

    /// <summary>Opens a file made from what <paramref name="fingerprint"/> stands for; null where it is missing, of something else, or damaged.</summary>
    public static ExampleFile? TryOpen(string path, ReadOnlySpan<byte> fingerprint)
    {
        if (!File.Exists(path)) return null;
        var (offsets, lengths) = (new List<long>(), new List<int>());
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1 << 20))
        using (var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256))
        {
            var head = new byte[Mark.Length + HashBytes];
            if (!Read(stream, hash, head) || !head.AsSpan(0, Mark.Length).SequenceEqual(Mark) || !head.AsSpan(Mark.Length).SequenceEqual(fingerprint)) return null;
            var counts = new byte[4];
            var body = new byte[1 << 16];
            while (true)
            {
                var offset = stream.Position;
                if (!Read(stream, hash, counts)) return null;
                var ids = BinaryPrimitives.ReadInt32LittleEndian(counts);
                if (ids == EndMark) break;
                if (!Read(stream, hash, counts)) return null;
                var left = sizeof(double) + (4L * ids) + (4L * BinaryPrimitives.ReadInt32LittleEndian(counts));
                if (ids < 0 || left < 0 || left > stream.Length) return null;
                offsets.Add(offset);
                lengths.Add(ids);
                for (; left > 0; left -= Math.Min(left, body.Length))
                    if (!Read(stream, hash, body.AsSpan(0, (int)Math.Min(left, body.Length)))) return null;
            }

            var stored = new byte[HashBytes];
            if (stream.ReadAtLeast(stored, HashBytes, throwOnEndOfStream: false) < HashBytes || !stored.AsSpan().SequenceEqual(hash.GetHashAndReset())) return null;
        }

        return new ExampleFile(File.OpenHandle(path), offsets, lengths);
    }

    /// <summary>Values that take the place of the stored ones; null for those.</summary>
    public IReadOnlyList<double>? Values { get; set; }

    /// <summary>Example number <paramref name="index"/>.</summary>
    public TrainingExample Read(int index)
    {
        Span<byte> head = stackalloc byte[HeadBytes];
        Fill(head, _offsets[index]);
        var ids = new int[BinaryPrimitives.ReadInt32LittleEndian(head)];
        var labels = new int[BinaryPrimitives.ReadInt32LittleEndian(head[4..])];
        Fill(MemoryMarshal.AsBytes(ids.AsSpan()), _offsets[index] + HeadBytes);
        Fill(MemoryMarshal.AsBytes(labels.AsSpan()), _offsets[index] + HeadBytes + (4L * ids.Length));
        return new TrainingExample(ids, labels, Values?[index] ?? BinaryPrimitives.ReadDoubleLittleEndian(head[8..]));
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void Fill(Span<byte> bytes, long offset)
    {
        while (!bytes.IsEmpty)
        {
            var count = RandomAccess.Read(_file, bytes, offset);
            if (count == 0) throw new TrainingException("data: a file of examples was shortened while it was read; use --resume");
            bytes = bytes[count..];
            offset += count;
        }
    }

    private static bool Read(FileStream stream, IncrementalHash hash, Span<byte> bytes)
    {
        if (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length) return false;
        hash.AppendData(bytes);
        return true;
    }

    /// <summary>Writes such a file.</summary>
    internal sealed class Writer : IDisposable
    {
        private readonly Stream _stream;
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public Writer(Stream stream, ReadOnlySpan<byte> fingerprint)
        {
            _stream = stream;
            Write(Mark);
            Write(fingerprint);
        }

        /// <summary>Examples written.</summary>
        public long Count { get; private set; }

        /// <summary>Their tokens.</summary>
        public long TokenCount { get; private set; }

        public void Add(TrainingExample example)
        {
            Span<byte> head = stackalloc byte[HeadBytes];
            BinaryPrimitives.WriteInt32LittleEndian(head, example.Ids.Length);
            BinaryPrimitives.WriteInt32LittleEndian(head[4..], example.Labels.Length);
            BinaryPrimitives.WriteDoubleLittleEndian(head[8..], example.Value);
            Write(head);
            Write(MemoryMarshal.AsBytes(example.Ids.AsSpan()));
            Write(MemoryMarshal.AsBytes(example.Labels.AsSpan()));
            Count++;
            TokenCount += example.Ids.Length;
        }

        public void End()
        {
            Span<byte> mark = stackalloc byte[4];
            BinaryPrimitives.WriteInt32LittleEndian(mark, EndMark);
            Write(mark);
            _stream.Write(_hash.GetHashAndReset());
        }

        public void Dispose() => _hash.Dispose();

        private void Write(ReadOnlySpan<byte> bytes)
        {
            _stream.Write(bytes);
            _hash.AppendData(bytes);
        }
    }
}
