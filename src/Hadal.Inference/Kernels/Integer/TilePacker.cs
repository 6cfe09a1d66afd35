namespace Hadal.Inference.Kernels.Integer;

/// <summary>Makes blocks of tiles from a stored matrix.</summary>
internal abstract unsafe class TilePacker
{
    /// <summary>Makes one block of a slab, see <see cref="TileMatrix{TCodes, TScales}"/>.</summary>
    /// <param name="slab">Slab of 32 rows.</param>
    /// <param name="group">First group of 32 columns; a multiple of 16.</param>
    /// <param name="groupCount">1 to 16.</param>
    /// <param name="block">Room for the block, 64-byte aligned.</param>
    public abstract void Pack(int slab, int group, int groupCount, byte* block);
}

/// <summary>Makes blocks of tiles from one kind of source.</summary>
/// <param name="source">The stored matrix; kept alive by the caller.</param>
/// <param name="scales">How scales are kept.</param>
/// <param name="rows">Rows of the matrix; those that fill up the last slab have scales of zero.</param>
/// <param name="groups">Groups of 32 columns of the matrix.</param>
internal sealed unsafe class TilePacker<TSource, TCodes, TScales>(TSource source, TScales scales, int rows, int groups) : TilePacker
    where TSource : struct, ITileSource
    where TCodes : struct, ITileCodes
    where TScales : struct, ITileScales
{
    private readonly int _scaleBytes = TileMatrix<TCodes, TScales>.ScaleBytesOf(scales);

    /// <inheritdoc/>
    /// <remarks>Meanwhile the next block comes from memory: the rows of a block lie apart, too short each for a processor to see where reading will go on.</remarks>
    public override void Pack(int slab, int group, int groupCount, byte* block)
    {
        new Span<byte>(block, 2 * _scaleBytes).Clear();
        var (nextSlab, nextGroup) = group + ITileScales.BlockGroups < groups ? (slab, group + ITileScales.BlockGroups) : (slab + 1, 0);
        var nextGroupCount = Math.Min(ITileScales.BlockGroups, groups - nextGroup);
        for (var p = 0; p < 2; p++)
        {
            var nextRow = (nextSlab * IntegerTiles.SlabRows) + (p * IntegerTiles.PanelRows);
            var nextRowCount = Math.Min(rows - nextRow, IntegerTiles.PanelRows);
            var row = (slab * IntegerTiles.SlabRows) + (p * IntegerTiles.PanelRows);
            var rowCount = Math.Clamp(rows - row, 0, IntegerTiles.PanelRows);
            if (rowCount > 0) source.ReadScales(row, rowCount, group, groupCount, block + (p * _scaleBytes));
            var target = block + (2 * _scaleBytes) + (p * TCodes.GroupBytes);
            for (var g = 0; g < groupCount; g++, target += 2 * TCodes.GroupBytes)
            {
                for (var part = g; part < ITileScales.BlockGroups && nextRowCount > 0; part += groupCount) source.WillNeed(nextRow, nextRowCount, nextGroup, nextGroupCount, part);
                if (rowCount > 0) source.PackCodes<TCodes>(row, rowCount, group + g, target);
                else new Span<byte>(target, TCodes.GroupBytes).Clear();
            }
        }
    }
}
