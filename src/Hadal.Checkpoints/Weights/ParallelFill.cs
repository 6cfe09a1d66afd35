namespace Hadal.Checkpoints.Weights;

/// <summary>Computes the bytes of a tensor on several threads, a window at a time, and writes them in order.</summary>
/// <param name="threadCount">Threads; the bytes do not depend on it.</param>
/// <param name="cancellation">Ends the work between two windows.</param>
/// <param name="written">Told the number of bytes after each window; called by the thread that writes.</param>
public sealed class ParallelFill(int threadCount, Action<long>? written = null, CancellationToken cancellation = default)
{
    private const int PieceBytes = 1 << 20;

    private readonly byte[] _window = new byte[PieceBytes * Math.Max(1, threadCount)];
    private readonly ParallelOptions _options = new() { MaxDegreeOfParallelism = Math.Max(1, threadCount) };

    /// <summary>Computes the piece of a tensor that begins at a byte; offsets are multiples of 8.</summary>
    public delegate void FillPiece(long byteOffset, Span<byte> piece);

    /// <summary>Writes <paramref name="byteLength"/> bytes to <paramref name="stream"/>.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Write(Stream stream, long byteLength, FillPiece fill)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(fill);
        for (var begin = 0L; begin < byteLength; begin += _window.Length)
        {
            cancellation.ThrowIfCancellationRequested();
            var length = (int)Math.Min(_window.Length, byteLength - begin);
            var pieces = (length + PieceBytes - 1) / PieceBytes;
            var first = begin;
            if (pieces == 1) fill(first, _window.AsSpan(0, length));
            else Parallel.For(0, pieces, _options, piece => fill(first + ((long)piece * PieceBytes), _window.AsSpan(piece * PieceBytes, Math.Min(PieceBytes, length - (piece * PieceBytes)))));
            stream.Write(_window, 0, length);
            written?.Invoke(length);
        }
    }
}
