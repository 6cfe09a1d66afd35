using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels;

namespace Hadal.Inference.Quantization;

/// <summary>Quantises one matrix after the other on several threads. Its buffers hold the codes of the present one.</summary>
/// <param name="quantization">What to make.</param>
/// <param name="threadCount">Threads; no byte depends on it.</param>
/// <param name="cancellation">Ends the work.</param>
internal sealed unsafe class MatrixQuantizer(WeightQuantization quantization, int threadCount, CancellationToken cancellation)
{
    /// <summary>Rows of one piece of work: 16 words of packed codes, the line of the cache that no other piece writes to.</summary>
    private const int PieceRows = 128;

    /// <summary>Columns that are packed at a time, so that their words stay in the first-level cache.</summary>
    private const int PackColumns = 64;

    private readonly ParallelOptions _options = new() { MaxDegreeOfParallelism = threadCount, CancellationToken = cancellation };
    private byte[] _codes = [];

    /// <summary>Quantises <paramref name="tensor"/>.</summary>
    /// <returns>The codes in the layout of their file, valid until the next call; zero points (4 bits only) and scales; sums of squared errors and weights.</returns>
    /// <exception cref="CheckpointException">A weight is not finite, or too large for a half scale.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public (ReadOnlyMemory<byte> Codes, byte[] Zeros, byte[] Scales, double SquaredError, double SquaredWeights) Quantize(WeightTensor tensor)
    {
        int rows = tensor.Shape[0], columns = tensor.Shape[1], groups = columns / quantization.GroupSize;
        var bytes = (long)rows * columns * quantization.Bits / 8;
        if (bytes > Array.MaxLength) throw new CheckpointException($"{tensor.Name}: has {(long)rows * columns} weights, more than can be quantised together");
        var codeBytes = (int)bytes;
        if (_codes.Length < codeBytes) _codes = GC.AllocateUninitializedArray<byte>(codeBytes);
        var zeros = quantization.Bits == 4 ? new byte[(long)groups * rows / 2] : [];
        var scales = new byte[(long)groups * rows * (quantization.Bits == 4 ? 2 : 4)];
        var matrix = WeightMatrix.Create(tensor);
        var pieces = (rows + PieceRows - 1) / PieceRows;
        var (errors, squares) = (new double[pieces], new double[pieces]);
        try
        {
            Parallel.For(0, pieces, _options, () => new Room(columns, groups), (piece, _, room) =>
            {
                var begin = piece * PieceRows;
                (errors[piece], squares[piece]) = Piece(matrix, tensor.Name, begin, Math.Min(PieceRows, rows - begin), room, _codes, zeros, scales);
                return room;
            }, _ => { });
        }
        catch (AggregateException fault) when (fault.InnerException is CheckpointException inner)
        {
            throw new CheckpointException(inner.Message, fault);
        }

        return (_codes.AsMemory(0, codeBytes), zeros, scales, errors.Sum(), squares.Sum());
    }

    private (double SquaredError, double SquaredWeights) Piece(
        WeightMatrix matrix, string name, int begin, int count, Room room, byte[] codes, byte[] zeros, byte[] scales)
    {
        int rows = matrix.Rows, columns = matrix.Columns, size = quantization.GroupSize, groups = columns / size;
        var (error, squares) = (0.0, 0.0);
        for (var r = 0; r < count; r++)
        {
            var row = begin + r;
            fixed (float* weights = room.Row) matrix.DequantizeRow(row, weights);
            var sum = 0.0;
            foreach (var weight in room.Row) sum += (double)weight * weight;
            if (!double.IsFinite(sum)) throw new CheckpointException($"{name}: row {row} has a weight that is not finite; such a model cannot be quantised");
            squares += sum;
            for (var group = 0; group < groups; group++)
            {
                var weights = room.Row.AsSpan(group * size, size);
                if (quantization.Bits == 8)
                {
                    error += RoundToNearest.EightBits(weights, codes.AsSpan((row * columns) + (group * size), size), out var scale);
                    BinaryPrimitives.WriteSingleLittleEndian(scales.AsSpan(4 * ((row * groups) + group)), scale);
                    continue;
                }

                error += RoundToNearest.FourBits(weights, room.Codes.AsSpan((r * columns) + (group * size), size), out var zero, out var half);
                if (!Half.IsFinite(half)) throw new CheckpointException($"{name}: row {row} has weights too large for a half scale; such a model cannot be quantised to 4 bits");
                BinaryPrimitives.WriteHalfLittleEndian(scales.AsSpan(2 * ((group * rows) + row)), half);
                room.Zeros[(r * groups) + group] = zero;
            }
        }

        if (quantization.Bits == 4)
        {
            Pack(room.Codes, count, columns, codes, begin, rows);
            Pack(room.Zeros, count, groups, zeros, begin, rows);
        }

        return (error, squares);
    }

    /// <summary>Turns codes [count, columns] into words [columns, rows / 8], eight rows to a word: output 8c + j is in nibble {0, 4, 1, 5, 2, 6, 3, 7}[j].</summary>
    private static void Pack(byte[] codes, int count, int columns, byte[] target, int begin, int rows)
    {
        ReadOnlySpan<byte> nibbleOf = [0, 4, 1, 5, 2, 6, 3, 7];
        var words = MemoryMarshal.Cast<byte, uint>(target.AsSpan());
        Span<uint> tile = stackalloc uint[PackColumns * PieceRows / 8];
        int wide = count / 8, stride = rows / 8;
        for (var first = 0; first < columns; first += PackColumns)
        {
            var width = Math.Min(PackColumns, columns - first);
            tile.Clear();
            for (var r = 0; r < count; r++)
            {
                var source = codes.AsSpan((r * columns) + first, width);
                int shift = 4 * nibbleOf[r % 8], word = r / 8;
                for (var k = 0; k < source.Length; k++) tile[(k * wide) + word] |= (uint)source[k] << shift;
            }

            for (var k = 0; k < width; k++) tile.Slice(k * wide, wide).CopyTo(words[(((first + k) * stride) + (begin / 8))..]);
        }
    }

    /// <summary>What one thread works in.</summary>
    private sealed class Room(int columns, int groups)
    {
        public float[] Row { get; } = new float[columns];

        public byte[] Codes { get; } = new byte[PieceRows * columns];

        public byte[] Zeros { get; } = new byte[PieceRows * groups];
    }
}
