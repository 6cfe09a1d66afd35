using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Hadal.Inference.Models;

/// <summary>What a block of a cache holds: the SHA-256 of its tokens and of all that is in front of it, salt and adapter included. Two blocks with one hash have the same numbers.</summary>
/// <param name="High">First half.</param>
/// <param name="Low">Second half.</param>
internal readonly record struct BlockHash(UInt128 High, UInt128 Low)
{
    private const int Bytes = SHA256.HashSizeInBytes;

    /// <summary>What stands in front of the first block.</summary>
    /// <param name="salt">Only requests with the same salt share blocks.</param>
    /// <param name="adapter">Identity of the adapter the tokens are computed with.</param>
    public static BlockHash Root(string? salt, Guid adapter) => Of(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{adapter} {salt}")));

    /// <summary>The hash of the block behind one.</summary>
    /// <param name="before">Hash of what is in front.</param>
    /// <param name="tokenIds">The block's tokens, fewer than <see cref="BlockPool.BlockTokens"/> where it is not full.</param>
    public static BlockHash Next(BlockHash before, ReadOnlySpan<int> tokenIds)
    {
        Span<byte> bytes = stackalloc byte[Bytes + (BlockPool.BlockTokens * sizeof(int))];
        MemoryMarshal.Write(bytes, before);
        MemoryMarshal.AsBytes(tokenIds).CopyTo(bytes[Bytes..]);
        return Of(bytes[..(Bytes + (tokenIds.Length * sizeof(int)))]);
    }

    private static BlockHash Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[Bytes];
        SHA256.HashData(bytes, hash);
        return MemoryMarshal.Read<BlockHash>(hash);
    }
}
