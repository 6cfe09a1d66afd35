using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Kernels.Formats;

namespace Hadal.Inference.Kernels.Integer;

/// <summary>Signed bytes [rows, columns] with scales [rows, groups], one for a row or for every group of it: compressed-tensors <c>int-quantized</c>.</summary>
/// <param name="data">[rows, columns] bytes.</param>
/// <param name="columns">Row length.</param>
/// <param name="scale">F32, F16 or BF16 [rows, groups].</param>
/// <param name="groupsPerScale">Groups of 32 columns that a scale of the tile is for; it divides the groups that a scale of the file is for.</param>
internal readonly unsafe struct Int8Source(byte* data, int columns, WeightTensor scale, int groupsPerScale) : ITileSource
{
    private readonly byte* _scales = scale.Data;
    private readonly DType _scaleType = scale.DType;
    private readonly int _scaleCount = scale.Shape[1];

    [SkipLocalsInit]
    public void PackCodes<TCodes>(int row, int rowCount, int group, byte* packed)
        where TCodes : struct, ITileCodes
    {
        var codes = stackalloc byte[WholeBytes.ByteCount];
        var flip = Vector128.Create((byte)128);
        var first = data + ((long)row * columns) + ((long)group * QuantizedRows.GroupSize);
        for (var r = 0; r < IntegerTiles.PanelRows; r += 4)
        {
            // Rows that are not there are the last one again; nothing reads them.
            byte* a = first + ((long)Math.Min(r, rowCount - 1) * columns), b = first + ((long)Math.Min(r + 1, rowCount - 1) * columns);
            byte* c = first + ((long)Math.Min(r + 2, rowCount - 1) * columns), d = first + ((long)Math.Min(r + 3, rowCount - 1) * columns);
            for (var part = 0; part < 32; part += 16)
                Zip.StoreRows(Vector128.Load(a + part) ^ flip, Vector128.Load(b + part) ^ flip, Vector128.Load(c + part) ^ flip, Vector128.Load(d + part) ^ flip, codes + (16 * part) + (4 * r));
        }

        TCodes.Pack(codes, packed);
    }

    public void ReadScales(int row, int rowCount, int group, int groupCount, byte* scales)
    {
        for (var g = 0; g < groupCount; g += groupsPerScale)
        {
            var index = (long)(group + g) * QuantizedRows.GroupSize * _scaleCount / columns;
            for (var r = 0; r < rowCount; r++) ((float*)scales)[(g / groupsPerScale * 16) + r] = Scale(((long)(row + r) * _scaleCount) + index);
        }
    }

    /// <inheritdoc/>
    /// <remarks>A part is a row.</remarks>
    public void WillNeed(int row, int rowCount, int group, int groupCount, int part)
    {
        if (part < rowCount)
            IntegerTiles.Prefetch(data + ((long)(row + part) * columns) + ((long)group * QuantizedRows.GroupSize), groupCount * QuantizedRows.GroupSize);
    }

    private float Scale(long index) => _scaleType switch
    {
        DType.F32 => Unsafe.ReadUnaligned<float>(_scales + (4 * index)),
        DType.F16 => HalfBits.Read(_scales + (2 * index)),
        _ => BitConverter.UInt32BitsToSingle((uint)Unsafe.ReadUnaligned<ushort>(_scales + (2 * index)) << 16),
    };
}
