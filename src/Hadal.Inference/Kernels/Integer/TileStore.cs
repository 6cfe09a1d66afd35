using Hadal.Checkpoints.Weights;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>Repacks matrices into tiles and owns their memory.</summary>
/// <remarks>A matrix computes from the file until its turn to be repacked has come: the numbers are the same, the time is not.</remarks>
internal sealed unsafe class TileStore : IDisposable
{
    private readonly TileArena _arena = new();
    private readonly Queue<(IntegerMatrix Matrix, WeightTensor Tensor)> _waiting = new();
    private byte* _slabs;
    private int _filledSlabs;

    /// <summary>Bytes of all tiles, of those too that are not made yet.</summary>
    public long ByteCount { get; private set; }

    /// <summary>Whether all matrices are repacked.</summary>
    public bool IsRepacked => _waiting.Count == 0;

    /// <summary>Whether a format has integer tiles: its weights are then held as tiles, and not read from the file again.</summary>
    public static bool Takes(WeightTensor tensor) =>
        tensor.Shape.Count == 2 && tensor.Shape[1] % QuantizedRows.GroupSize == 0 && tensor.DType switch
        {
            DType.Q4_0 or DType.Q4_1 or DType.Q5_0 or DType.Q5_1 or DType.Q8_0 or DType.Q4_K or DType.Q5_K or DType.Q6_K => true,
            DType.I8 => tensor.Scale is { Shape: [_, var groups] } && GroupsPerScale(tensor.Shape[1], groups) > 0,
            DType.AwqInt4 => tensor.AwqZeros is { Shape: [var groups, _] } && groups > 0 && tensor.Shape[1] / groups is 32 or 64 or 128 or 256 or 512 && tensor.Shape[1] % groups == 0,
            _ => false,
        };

    /// <summary>Bytes of the tiles of a tensor that <see cref="Takes"/> accepts.</summary>
    public static long BytesOf(WeightTensor tensor)
    {
        var (rows, columns) = (tensor.Shape[0], tensor.Shape[1]);
        return tensor.DType switch
        {
            DType.Q4_0 => TileMatrix<Nibbles, HalfScales>.BytesOf(new HalfScales(8), rows, columns),
            DType.Q4_1 => TileMatrix<Nibbles, HalfScalesWithMinima>.BytesOf(default, rows, columns),
            DType.Q5_0 => TileMatrix<FiveBits, HalfScales>.BytesOf(new HalfScales(16), rows, columns),
            DType.Q5_1 => TileMatrix<FiveBits, HalfScalesWithMinima>.BytesOf(default, rows, columns),
            DType.Q8_0 => TileMatrix<WholeBytes, HalfScales>.BytesOf(new HalfScales(128), rows, columns),
            DType.Q4_K => TileMatrix<Nibbles, SuperScalesWithMinima>.BytesOf(default, rows, columns),
            DType.Q5_K => TileMatrix<FiveBits, SuperScalesWithMinima>.BytesOf(default, rows, columns),
            DType.Q6_K => TileMatrix<SixBits, SuperScalesOfHalves>.BytesOf(default, rows, columns),
            DType.I8 => TileMatrix<WholeBytes, FloatScales>.BytesOf(new FloatScales(GroupsPerScale(columns, tensor.Scale!.Shape[1])), rows, columns),
            _ => TileMatrix<Nibbles, HalfScalesWithZeros>.BytesOf(new HalfScalesWithZeros(columns / tensor.AwqZeros!.Shape[0] / QuantizedRows.GroupSize), rows, columns),
        };
    }

    /// <summary>Adds a matrix that was checked by <see cref="WeightMatrix.Create(WeightTensor)"/>, to be repacked later.</summary>
    /// <param name="tensor">One that <see cref="Takes"/> accepts.</param>
    /// <param name="isRepacked">Whether it is to be repacked at all.</param>
    public IntegerMatrix Add(WeightTensor tensor, bool isRepacked = true)
    {
        var matrix = Create(tensor);
        if (!isRepacked) return matrix;
        ByteCount += matrix.ByteCount;
        _waiting.Enqueue((matrix, tensor));
        return matrix;
    }

    /// <summary>Repacks matrices in the order in which they were added.</summary>
    /// <param name="crew">Threads; they must be idle.</param>
    /// <param name="byteCount">Bytes of tiles after which it is enough for now.</param>
    /// <exception cref="OutOfMemoryException">There is no memory for the next matrix, which stays as it is.</exception>
    public void Repack(ThreadCrew crew, long byteCount = long.MaxValue)
    {
        while (byteCount > 0 && _waiting.TryPeek(out var next))
        {
            var (matrix, tensor) = next;
            if (_slabs == null) _slabs = _arena.Take(matrix.ByteCount);
            var slabBytes = matrix.ByteCount / matrix.SlabCount;
            var count = (int)Math.Min(matrix.SlabCount - _filledSlabs, ((byteCount - 1) / slabBytes) + 1);
            var job = new FillJob(matrix, _slabs, _filledSlabs, count, crew.ThreadCount);
            crew.Run(ref job, crew.ThreadCount);
            byteCount -= count * slabBytes;
            _filledSlabs += count;
            if (_filledSlabs < matrix.SlabCount) return;
            matrix.Use(_slabs);
            _slabs = null;
            _filledSlabs = 0;
            _waiting.Dequeue();
            // The tiles stand for the tensor from now on; its pages of the file would be a second copy in memory.
            tensor.Release();
        }
    }

    private static IntegerMatrix Create(WeightTensor tensor) => tensor.DType switch
    {
        DType.Q4_0 => Blocks<Q4_0Source, Nibbles, HalfScales>(tensor, new HalfScales(8)),
        DType.Q4_1 => Blocks<Q4_1Source, Nibbles, HalfScalesWithMinima>(tensor, new HalfScalesWithMinima(0)),
        DType.Q5_0 => Blocks<Q5_0Source, FiveBits, HalfScales>(tensor, new HalfScales(16)),
        DType.Q5_1 => Blocks<Q5_1Source, FiveBits, HalfScalesWithMinima>(tensor, new HalfScalesWithMinima(16)),
        DType.Q8_0 => Blocks<Q8_0Source, WholeBytes, HalfScales>(tensor, new HalfScales(128)),
        DType.Q4_K => Blocks<Q4_KSource, Nibbles, SuperScalesWithMinima>(tensor, new SuperScalesWithMinima(0)),
        DType.Q5_K => Blocks<Q5_KSource, FiveBits, SuperScalesWithMinima>(tensor, new SuperScalesWithMinima(16)),
        DType.Q6_K => Blocks<Q6_KSource, SixBits, SuperScalesOfHalves>(tensor, default),
        DType.I8 => Int8(tensor),
        DType.AwqInt4 => Awq(tensor),
        _ => throw new ArgumentException($"{tensor.Name}: {tensor.DType} has no integer tiles", nameof(tensor)),
    };

    /// <inheritdoc/>
    public void Dispose() => _arena.Dispose();

    private static TileMatrix<TCodes, TScales> Blocks<TBlock, TCodes, TScales>(WeightTensor tensor, TScales scales)
        where TBlock : struct, IBlockSource
        where TCodes : struct, ITileCodes
        where TScales : struct, ITileScales =>
        Matrix<BlockSource<TBlock>, TCodes, TScales>(tensor, new BlockSource<TBlock>(tensor.Data, tensor.Shape[1]), scales);

    private static TileMatrix<Nibbles, HalfScalesWithZeros> Awq(WeightTensor tensor)
    {
        var (rows, columns) = (tensor.Shape[0], tensor.Shape[1]);
        var groupSize = columns / tensor.AwqZeros!.Shape[0];
        var source = new AwqSource((uint*)tensor.Data, (uint*)tensor.AwqZeros.Data, tensor.AwqScales!.Data, groupSize, rows);
        return Matrix<AwqSource, Nibbles, HalfScalesWithZeros>(tensor, source, new HalfScalesWithZeros(groupSize / QuantizedRows.GroupSize));
    }

    private static TileMatrix<WholeBytes, FloatScales> Int8(WeightTensor tensor)
    {
        var groupsPerScale = GroupsPerScale(tensor.Shape[1], tensor.Scale!.Shape[1]);
        return Matrix<Int8Source, WholeBytes, FloatScales>(
            tensor, new Int8Source(tensor.Data, tensor.Shape[1], tensor.Scale, groupsPerScale), new FloatScales(groupsPerScale));
    }

    /// <summary>Groups of 32 columns for which a tile keeps one scale: a power of two up to 16 that divides those of the file's; 0 where there is none.</summary>
    private static int GroupsPerScale(int columns, int scaleCount)
    {
        if (scaleCount <= 0 || columns % (scaleCount * QuantizedRows.GroupSize) != 0) return 0;
        var groups = columns / scaleCount / QuantizedRows.GroupSize;
        return scaleCount == 1 ? ITileScales.BlockGroups : Math.Min(groups & -groups, ITileScales.BlockGroups);
    }

    private static TileMatrix<TCodes, TScales> Matrix<TSource, TCodes, TScales>(WeightTensor tensor, TSource source, TScales scales)
        where TSource : struct, ITileSource
        where TCodes : struct, ITileCodes
        where TScales : struct, ITileScales =>
        new(new TilePacker<TSource, TCodes, TScales>(source, scales, tensor.Shape[0], tensor.Shape[1] / QuantizedRows.GroupSize), scales, tensor);

    private readonly struct FillJob(IntegerMatrix matrix, byte* slabs, int first, int count, int partCount) : ICrewJob
    {
        public void Execute(int partIndex) =>
            matrix.Fill(slabs, first + (int)((long)count * partIndex / partCount), first + (int)((long)count * (partIndex + 1) / partCount));
    }
}
