using System.Buffers.Binary;
using System.Text;

namespace Hadal.Training.Torch;

/// <summary>The symbol versions an ELF64 little-endian library needs (section <c>.gnu.version_r</c>), and a way to make one of them optional.</summary>
/// <remarks>System V ABI, generic part; Linux Standard Base 5.0, chapter "Symbol Versioning": <c>Elf64_Verneed</c> {version, count, file, aux, next},
/// <c>Elf64_Vernaux</c> {hash, flags, other, name, next}. A need with <c>VER_FLG_WEAK</c> is not an error when the version is absent.</remarks>
public static class ElfVersionNeeds
{
    private const uint SectionTypeVersionNeeds = 0x6ffffffe;
    private const ushort FlagWeak = 0x2;

    /// <summary>Sets <c>VER_FLG_WEAK</c> on every need of <paramref name="version"/>.</summary>
    /// <param name="file">The whole library; changed in place.</param>
    /// <param name="version">Version name, for example <c>GLIBCXX_3.4.32</c>.</param>
    /// <returns>How many needs carry that name; all of them are weak afterwards.</returns>
    /// <exception cref="InvalidDataException">The bytes are not an ELF64 little-endian file, or its tables point outside of it.</exception>
    public static int MakeWeak(Span<byte> file, string version)
    {
        ArgumentException.ThrowIfNullOrEmpty(version);
        if (file.Length < 64 || !file[..4].SequenceEqual("\u007fELF"u8) || file[4] != 2 || file[5] != 1)
            throw new InvalidDataException("not an ELF64 little-endian file");

        var sectionsOffset = Read64(file, 0x28);
        int entrySize = Read16(file, 0x3a), sectionCount = Read16(file, 0x3c);
        if (entrySize < 64) throw new InvalidDataException($"section headers of {entrySize} bytes, expected 64");
        var found = 0;
        for (var index = 0; index < sectionCount; index++)
        {
            var section = sectionsOffset + ((long)index * entrySize);
            if (Read32(file, section + 4) != SectionTypeVersionNeeds) continue;

            var strings = Read64(file, sectionsOffset + (Read32(file, section + 0x28) * (long)entrySize) + 0x18);
            found += MarkNeeds(file, Read64(file, section + 0x18), strings, version);
        }

        return found;
    }

    private static int MarkNeeds(Span<byte> file, long need, long strings, string version)
    {
        var found = 0;
        while (true)
        {
            var auxiliary = need + Read32(file, need + 8);
            for (var remaining = Read16(file, need + 2); remaining > 0; remaining--)
            {
                if (NameAt(file, strings + Read32(file, auxiliary + 8)).SequenceEqual(Encoding.ASCII.GetBytes(version)))
                {
                    var flags = Read16(file, auxiliary + 4);
                    BinaryPrimitives.WriteUInt16LittleEndian(Slice(file, auxiliary + 4, 2), (ushort)(flags | FlagWeak));
                    found++;
                }

                auxiliary += Read32(file, auxiliary + 12);
            }

            var next = Read32(file, need + 12);
            if (next == 0) return found;
            need += next;
        }
    }

    private static ReadOnlySpan<byte> NameAt(Span<byte> file, long offset)
    {
        var tail = Slice(file, offset, file.Length - offset);
        var end = tail.IndexOf((byte)0);
        return end < 0 ? throw new InvalidDataException("a version name runs past the end of the file") : tail[..end];
    }

    private static ushort Read16(Span<byte> file, long offset) => BinaryPrimitives.ReadUInt16LittleEndian(Slice(file, offset, 2));

    private static uint Read32(Span<byte> file, long offset) => BinaryPrimitives.ReadUInt32LittleEndian(Slice(file, offset, 4));

    private static long Read64(Span<byte> file, long offset) => BinaryPrimitives.ReadInt64LittleEndian(Slice(file, offset, 8));

    private static Span<byte> Slice(Span<byte> file, long offset, long length) =>
        offset >= 0 && length >= 0 && offset <= file.Length - length
            ? file.Slice((int)offset, (int)length)
            : throw new InvalidDataException($"a table points to byte {offset}, the file has {file.Length}");
}
