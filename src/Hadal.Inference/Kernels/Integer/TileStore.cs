using Hadal.Checkpoints.Weights;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>Repacks matrices into tiles and owns their memory.</summary>
internal sealed unsafe class TileStore : IDisposable
{
    private readonly TileArena _arena = new();

    /// <summary>Bytes of all tiles.</summary>
    public long ByteCount { get; private set; }

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

    /// <summary>Repacks a matrix that was checked by <see cref="WeightMatrix.Create(WeightTensor)"/>, on all threads of a crew.</summary>
    /// <param name="crew">Threads; they must be idle.</param>
    /// <param name="tensor">One that <see cref="Takes"/> accepts.</param>
    public IntegerMatrix Create(ThreadCrew crew, WeightTensor tensor) => tensor.DType switch
    {
        DType.Q4_0 => Blocks<Q4_0Source, Nibbles, HalfScales>(crew, tensor, new HalfScales(8)),
        DType.Q4_1 => Blocks<Q4_1Source, Nibbles, HalfScalesWithMinima>(crew, tensor, new HalfScalesWithMinima(0)),
        DType.Q5_0 => Blocks<Q5_0Source, FiveBits, HalfScales>(crew, tensor, new HalfScales(16)),
        DType.Q5_1 => Blocks<Q5_1Source, FiveBits, HalfScalesWithMinima>(crew, tensor, new HalfScalesWithMinima(16)),
        DType.Q8_0 => Blocks<Q8_0Source, WholeBytes, HalfScales>(crew, tensor, new HalfScales(128)),
        DType.Q4_K => Blocks<Q4_KSource, Nibbles, SuperScalesWithMinima>(crew, tensor, new SuperScalesWithMinima(0)),
        DType.Q5_K => Blocks<Q5_KSource, FiveBits, SuperScalesWithMinima>(crew, tensor, new SuperScalesWithMinima(16)),
        DType.Q6_K => Blocks<Q6_KSource, SixBits, SuperScalesOfHalves>(crew, tensor, default),
        DType.I8 => Int8(crew, tensor),
        DType.AwqInt4 => Awq(crew, tensor),
        _ => throw new ArgumentException($"{tensor.Name}: {tensor.DType} has no integer tiles", nameof(tensor)),
    };

    /// <inheritdoc/>
    public void Dispose() => _arena.Dispose();

    private TileMatrix<TCodes, TScales> Blocks<TBlock, TCodes, TScales>(ThreadCrew crew, WeightTensor tensor, TScales scales)
        where TBlock : struct, IBlockSource
        where TCodes : struct, ITileCodes
        where TScales : struct, ITileScales =>
        Pack<BlockSource<TBlock>, TCodes, TScales>(crew, tensor, new BlockSource<TBlock>(tensor.Data, tensor.Shape[1]), scales);

    private TileMatrix<Nibbles, HalfScalesWithZeros> Awq(ThreadCrew crew, WeightTensor tensor)
    {
        var (rows, columns) = (tensor.Shape[0], tensor.Shape[1]);
        var groupSize = columns / tensor.AwqZeros!.Shape[0];
        var source = new AwqSource((uint*)tensor.Data, (uint*)tensor.AwqZeros.Data, tensor.AwqScales!.Data, groupSize, rows);
        return Pack<AwqSource, Nibbles, HalfScalesWithZeros>(crew, tensor, source, new HalfScalesWithZeros(groupSize / QuantizedRows.GroupSize));
    }

    private TileMatrix<WholeBytes, FloatScales> Int8(ThreadCrew crew, WeightTensor tensor)
    {
        var groupsPerScale = GroupsPerScale(tensor.Shape[1], tensor.Scale!.Shape[1]);
        return Pack<Int8Source, WholeBytes, FloatScales>(
            crew, tensor, new Int8Source(tensor.Data, tensor.Shape[1], tensor.Scale, groupsPerScale), new FloatScales(groupsPerScale));
    }

    /// <summary>Groups of 32 columns for which a tile keeps one scale: a power of two up to 16 that divides those of the file's; 0 where there is none.</summary>
    private static int GroupsPerScale(int columns, int scaleCount)
    {
        if (scaleCount <= 0 || columns % (scaleCount * QuantizedRows.GroupSize) != 0) return 0;
        var groups = columns / scaleCount / QuantizedRows.GroupSize;
        return scaleCount == 1 ? ITileScales.BlockGroups : Math.Min(groups & -groups, ITileScales.BlockGroups);
    }

    private TileMatrix<TCodes, TScales> Pack<TSource, TCodes, TScales>(ThreadCrew crew, WeightTensor tensor, TSource source, TScales scales)
        where TSource : struct, ITileSource
        where TCodes : struct, ITileCodes
        where TScales : struct, ITileScales
    {
        var (rows, columns) = (tensor.Shape[0], tensor.Shape[1]);
        var bytes = TileMatrix<TCodes, TScales>.BytesOf(scales, rows, columns);
        var panels = _arena.Take(bytes);
        ByteCount += bytes;
        var matrix = new TileMatrix<TCodes, TScales>(panels, scales, rows, columns, tensor.DType);
        var job = new PackJob<TSource, TCodes, TScales>(matrix, source, (rows + IntegerTiles.SlabRows - 1) / IntegerTiles.SlabRows, crew.ThreadCount);
        crew.Run(ref job, crew.ThreadCount);
        return matrix;
    }

    private readonly struct PackJob<TSource, TCodes, TScales>(TileMatrix<TCodes, TScales> matrix, TSource source, int slabCount, int partCount) : ICrewJob
        where TSource : struct, ITileSource
        where TCodes : struct, ITileCodes
        where TScales : struct, ITileScales
    {
        public void Execute(int partIndex) =>
            matrix.Pack(source, (int)((long)slabCount * partIndex / partCount), (int)((long)slabCount * (partIndex + 1) / partCount));
    }
}
