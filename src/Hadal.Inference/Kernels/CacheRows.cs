using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Hadal.Inference.Kernels.Formats;
using Hadal.Inference.Models;

namespace Hadal.Inference.Kernels;

/// <summary>One kind of rows of a cache block of 64 tokens: keys, values or latents of some heads, each head for itself.</summary>
/// <param name="HeadCount">Heads; 0 for rows that a model does not have.</param>
/// <param name="Width">Numbers per token and head.</param>
/// <param name="Format">How they are stored.</param>
/// <param name="IsTransposed">[width, 64] per head instead of [64, width]: keys are multiplied without sums across lanes.</param>
internal readonly unsafe record struct CacheRows(int HeadCount, int Width, CacheFormat Format, bool IsTransposed)
{
    private const int Tokens = BlockedAttention.BlockTokens;

    /// <summary>Bytes of one head in a block; for <see cref="CacheFormat.I8"/> the scales [64] stand behind the codes.</summary>
    public long HeadBytes => ((Tokens * (long)Width * ElementBytes) + (Format == CacheFormat.I8 ? Tokens * sizeof(float) : 0) + 63) & ~63L;

    /// <summary>Bytes of a block.</summary>
    public long BlockBytes => HeadCount * HeadBytes;

    /// <summary>Distance in elements of two rows.</summary>
    public int Stride => IsTransposed ? Tokens : Width;

    /// <summary>Floats of room that <see cref="Read"/> needs.</summary>
    public long RoomFloats => Format == CacheFormat.F32 ? 0 : Tokens * (long)Width;

    private int ElementBytes => Format switch { CacheFormat.F32 => sizeof(float), CacheFormat.BF16 => sizeof(ushort), _ => sizeof(sbyte) };

    /// <summary>Writes the numbers of one head of one token.</summary>
    /// <param name="block">Start of the rows of the block.</param>
    /// <param name="head">Head.</param>
    /// <param name="slot">Token of the block, 0 to 63.</param>
    /// <param name="values">[width].</param>
    public void Write(byte* block, int head, int slot, ReadOnlySpan<float> values)
    {
        var target = block + (head * HeadBytes);
        int stride = IsTransposed ? Tokens : 1, begin = IsTransposed ? slot : slot * Width;
        switch (Format)
        {
            case CacheFormat.F32:
                for (var i = 0; i < values.Length; i++) ((float*)target)[begin + (i * stride)] = values[i];
                break;
            case CacheFormat.BF16:
                for (var i = 0; i < values.Length; i++) ((ushort*)target)[begin + (i * stride)] = BFloat16.FromSingle(values[i]);
                break;
            default:
                // A token whose largest number is no number has a scale that is none either: what is broken stays visible.
                var largest = 0f;
                foreach (var value in values) largest = MathF.Max(largest, MathF.Abs(value));
                var factor = largest == 0 ? 0f : 127f / largest;
                for (var i = 0; i < values.Length; i++) ((sbyte*)target)[begin + (i * stride)] = (sbyte)MathF.Round(values[i] * factor);
                Scales(target)[slot] = largest / 127f;
                break;
        }
    }

    /// <summary>The numbers of one head as floats: in place where they are stored so, else in <paramref name="room"/>.</summary>
    /// <param name="block">Start of the rows of the block.</param>
    /// <param name="head">Head.</param>
    /// <param name="count">Tokens that were written; the rest may be anything.</param>
    /// <param name="room">[<see cref="RoomFloats"/>].</param>
    /// <returns>[64, width], or [width, 64] if transposed.</returns>
    public float* Read(byte* block, int head, int count, float* room)
    {
        var source = block + (head * HeadBytes);
        if (Format == CacheFormat.F32) return (float*)source;
        var length = (IsTransposed ? Tokens : count) * Width;
        if (Format == CacheFormat.BF16) CacheExpansion.BFloat16((ushort*)source, length, room);
        else if (IsTransposed) CacheExpansion.Int8Transposed((sbyte*)source, Scales(source), Width, room);
        else CacheExpansion.Int8((sbyte*)source, Scales(source), count, Width, room);
        return room;
    }

    /// <summary>Whether products take the rows as they are stored. Worth it where few queries read them; for many, floats are made once.</summary>
    public bool AreMultipliedInPlace => Format == CacheFormat.F32 || (Vector128.IsHardwareAccelerated && Width % (2 * VectorWidth.Bits / 32) == 0);

    /// <summary>The rows of one head as they are stored.</summary>
    /// <param name="source">Start of the rows of the head.</param>
    /// <param name="ahead">How far behind a row memory is asked for meanwhile, in bytes; 0: not at all.</param>
    public RowBlock Stored(byte* source, nint ahead) =>
        new(source, (long)Stride * ElementBytes, Format == CacheFormat.I8 ? Scales(source) : null, ahead);

    /// <summary>Brings the numbers of one token together, from rows that are not transposed.</summary>
    /// <param name="block">Start of the rows of the block.</param>
    /// <param name="head">Head.</param>
    /// <param name="slot">Token of the block.</param>
    /// <param name="target">[width].</param>
    public void ReadRow(byte* block, int head, int slot, float* target)
    {
        var source = block + (head * HeadBytes);
        var begin = slot * Width;
        if (Format == CacheFormat.F32) new Span<float>((float*)source + begin, Width).CopyTo(new Span<float>(target, Width));
        else if (Format == CacheFormat.BF16) CacheExpansion.BFloat16((ushort*)source + begin, Width, target);
        else CacheExpansion.Int8((sbyte*)source + begin, Scales(source) + slot, 1, Width, target);
    }

    /// <summary>Asks for the memory of a token whose numbers <see cref="ReadRow"/> will bring together.</summary>
    /// <param name="block">Start of the rows of the block.</param>
    /// <param name="head">Head.</param>
    /// <param name="slot">Token of the block.</param>
    public void WillRead(byte* block, int head, int slot)
    {
        if (!Sse.IsSupported) return;
        var length = Width * ElementBytes;
        var source = block + (head * HeadBytes) + ((long)slot * length);
        for (var i = 0; i < length; i += 64) Sse.Prefetch0(source + i);
    }

    private float* Scales(byte* head) => (float*)(head + (Tokens * (long)Width));
}
