using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Hadal.Checkpoints.Tests.Hostile;

/// <summary>Damages files at random, the same way for the same seed.</summary>
internal sealed class Mutator(int seed)
{
    private static readonly ulong[] Numbers =
    [
        0, 1, 2, 7, 8, 31, 32, 255, 256, 65535, 65536, int.MaxValue, 1UL << 31, uint.MaxValue, 1UL << 32, 1UL << 40, 1UL << 60, long.MaxValue, 1UL << 63, ulong.MaxValue - 31, ulong.MaxValue,
    ];

    private static readonly string[] JsonPieces =
    [
        "null", "true", "[]", "{}", "\"\"", "-1", "0", "1e400", "-0.0", "9223372036854775808", "2147483648", "1.5", "\"\\ud800\"", "\"\\u0000\"", "\"../x\"", ",", "}", "]", "\"", "\\", ":",
        "NaN", "{\"a\":", "[[[[[[[[", "\uFEFF", "/*x*/",
    ];

    private readonly Random _random = new(seed);

    /// <summary>A damaged copy of <paramref name="source"/>.</summary>
    /// <param name="source">A valid file.</param>
    /// <param name="headerLength">Bytes from its beginning in which damage is looked for; behind them is data that nothing parses.</param>
    /// <param name="isText">Whether it is JSON, which is also damaged in its own terms.</param>
    public byte[] Mutate(byte[] source, int headerLength, bool isText)
    {
        var bytes = new List<byte>(source);
        for (var count = 1 + _random.Next(3); count > 0; count--)
        {
            var end = Math.Min(headerLength, bytes.Count);
            if (end == 0) break;
            if (isText && _random.Next(2) == 0) MutateText(bytes, end);
            else MutateBytes(bytes, end);
        }

        return [.. bytes];
    }

    private void MutateBytes(List<byte> bytes, int end)
    {
        var at = _random.Next(end);
        switch (_random.Next(9))
        {
            case 0:
                bytes[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1:
                bytes[at] = (byte)_random.Next(256);
                break;
            case 2:
                Put(bytes, at, 8, Number(bytes.Count));
                break;
            case 3:
                Put(bytes, at, 4, Number(bytes.Count));
                break;
            case 4:
                bytes.RemoveRange(at, Math.Min(bytes.Count - at, 1 + _random.Next(16)));
                break;
            case 5:
                bytes.InsertRange(at, Piece(bytes, end));
                break;
            case 6:
                var piece = Piece(bytes, end);
                for (var index = 0; index < piece.Count && at + index < bytes.Count; index++) bytes[at + index] = piece[index];
                break;
            case 7:
                // A number near the one that stands there: lengths and offsets that are off by a little.
                Put(bytes, at, 8, Read(bytes, at) + (ulong)_random.Next(-9, 10));
                break;
            default:
                if (_random.Next(4) == 0) bytes.RemoveRange(at, bytes.Count - at);
                else bytes[at] = 0xFF;
                break;
        }
    }

    private void MutateText(List<byte> bytes, int end)
    {
        var at = _random.Next(end);
        var replacement = Encoding.UTF8.GetBytes(_random.Next(3) == 0 ? Number(bytes.Count).ToString(CultureInfo.InvariantCulture) : JsonPieces[_random.Next(JsonPieces.Length)]);
        switch (_random.Next(5))
        {
            case 0:
                bytes.InsertRange(at, replacement);
                break;
            case 1:
                // In place of the number or word at or behind the place.
                while (at < end && !IsWord(bytes[at])) at++;
                var last = at;
                while (last < bytes.Count && IsWord(bytes[last])) last++;
                bytes.RemoveRange(at, last - at);
                bytes.InsertRange(at, replacement);
                break;
            case 2:
                // A line or member of the file once more, somewhere else.
                bytes.InsertRange(at, Piece(bytes, end));
                break;
            case 3:
                bytes.InsertRange(at, Enumerable.Repeat((byte)"[{\"9a"[_random.Next(5)], 1 << _random.Next(13)));
                break;
            default:
                bytes.RemoveRange(at, Math.Min(bytes.Count - at, 1 + _random.Next(40)));
                break;
        }
    }

    private List<byte> Piece(List<byte> bytes, int end)
    {
        var from = _random.Next(end);
        return bytes.GetRange(from, Math.Min(bytes.Count - from, 1 << _random.Next(9)));
    }

    private ulong Number(int length) => _random.Next(4) switch
    {
        0 => (ulong)(length + _random.Next(-9, 10)),
        1 => (ulong)_random.NextInt64(),
        _ => Numbers[_random.Next(Numbers.Length)],
    };

    private static bool IsWord(byte value) => value is (>= (byte)'0' and <= (byte)'9') or (>= (byte)'a' and <= (byte)'z') or (byte)'-' or (byte)'.' or (byte)'_';

    private static ulong Read(List<byte> bytes, int at)
    {
        Span<byte> number = stackalloc byte[8];
        for (var index = 0; index < 8 && at + index < bytes.Count; index++) number[index] = bytes[at + index];
        return BinaryPrimitives.ReadUInt64LittleEndian(number);
    }

    private static void Put(List<byte> bytes, int at, int width, ulong number)
    {
        for (var index = 0; index < width && at + index < bytes.Count; index++) bytes[at + index] = (byte)(number >> (8 * index));
    }
}
