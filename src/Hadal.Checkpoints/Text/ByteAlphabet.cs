using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>The alphabet of byte-level vocabularies: each byte has one printable character. Bytes 33–126, 161–172 and 174–255 stand for
/// themselves, the other 68 in increasing order for U+0100, U+0101, … (space: U+0120). Source: the GPT-2 encoder.</summary>
internal static class ByteAlphabet
{
    private const int CharCount = 256 + 68;

    private static readonly char[] CharsByByte = new char[256];
    private static readonly short[] BytesByChar = new short[CharCount];

    static ByteAlphabet()
    {
        Array.Fill(BytesByChar, (short)-1);
        var next = (char)256;
        for (var value = 0; value < 256; value++)
        {
            var isPrintable = value is >= 33 and <= 126 or >= 161 and <= 172 or >= 174;
            var letter = isPrintable ? (char)value : next++;
            CharsByByte[value] = letter;
            BytesByChar[letter] = (short)value;
        }
    }

    /// <summary>The character of a byte.</summary>
    public static char CharOf(byte value) => CharsByByte[value];

    /// <summary>The byte of a character, or false for a character outside the alphabet.</summary>
    public static bool TryGetByte(char letter, out byte value)
    {
        var found = letter < CharCount ? BytesByChar[letter] : (short)-1;
        value = (byte)found;
        return found >= 0;
    }

    /// <summary>Spells bytes in the alphabet.</summary>
    public static string Spell(ReadOnlySpan<byte> bytes) => string.Create(bytes.Length, bytes, static (chars, source) =>
    {
        for (var i = 0; i < chars.Length; i++) chars[i] = CharsByByte[source[i]];
    });

    /// <summary>The bytes that a vocabulary entry stands for; an entry with any character outside the alphabet stands for its own UTF-8.</summary>
    public static byte[] Unspell(string entry)
    {
        var bytes = new byte[entry.Length];
        for (var i = 0; i < entry.Length; i++)
            if (!TryGetByte(entry[i], out bytes[i])) return Encoding.UTF8.GetBytes(entry);
        return bytes;
    }
}
