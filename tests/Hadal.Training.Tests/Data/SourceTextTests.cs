using System.IO.Compression;
using System.Text;
using Hadal.Training.Data;

namespace Hadal.Training.Tests.Data;

public sealed class SourceTextTests : IDisposable
{
    /// <summary>Longer than two blocks of the reader, with characters of one to four bytes at every offset from their borders.</summary>
    private static readonly string Long = string.Concat(Enumerable.Range(0, 260_000).Select(i => i % 7 == 0 ? "aé世😀\r\n" : "深é😀"));

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_text_comes_whole_plain_or_packed_without_its_byte_order_mark()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Long);
        Assert.True(bytes.Length > 2 << 20);
        Assert.Equal(Long, Read("a.txt", bytes));
        Assert.Equal(Long, Read("a.txt.gz", Packed(bytes)));
        Assert.Equal(Long + Long, Read("b.txt.gz", [.. Packed(bytes), .. Packed(bytes)]));
        Assert.Equal("é", Read("mark.txt", [0xEF, 0xBB, 0xBF, .. "é"u8]));
        Assert.Equal("\uFFFD", Read("stand-in.txt", [.. "\uFFFD"u8]));
    }

    [Fact]
    public void Packed_text_that_ends_early_or_is_damaged_is_refused()
    {
        var packed = Packed(Encoding.UTF8.GetBytes(Long[..5000]));
        foreach (var length in (int[])[1, 9, 10, 11, packed.Length / 2, packed.Length - 9, packed.Length - 8, packed.Length - 7, packed.Length - 1])
            Assert.EndsWith("cut.gz: is no gzip file, ends early or is damaged; fetch it again", Fault("cut.gz", packed[..length]), StringComparison.Ordinal);
        packed[^6] ^= 1;
        Assert.Contains("is damaged", Fault("flipped.gz", packed), StringComparison.Ordinal);
        Assert.Contains("is no gzip file", Fault("plain.gz", [.. "plain text"u8]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData((1 << 20) - 1)]
    [InlineData(1 << 20)]
    [InlineData((1 << 20) + 1)]
    public void Bytes_that_are_not_UTF8_are_refused_with_their_place(int offset)
    {
        var text = Enumerable.Repeat((byte)'a', offset).ToArray();
        Assert.Contains($"expected UTF-8 text, found other bytes at offset {offset}; ", Fault("a.txt", [.. text, 0xFF, (byte)'b']), StringComparison.Ordinal);
        Assert.Contains($"found other bytes at offset {offset}; ", Fault("b.txt", [.. text, 0xC3]), StringComparison.Ordinal);
        Assert.Contains($"found other bytes at offset {offset}; ", Fault("c.txt.gz", Packed([.. text, 0xE4, 0xB8, (byte)'c'])), StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_that_is_too_long_is_refused_while_it_is_read()
    {
        Assert.Equal("12345", Read("a.txt", [.. "12345"u8], maxCharacters: 5));
        Assert.Contains("expected at most 5 characters, found more", Assert.Throws<TrainingException>(() => Read("a.txt", [.. "123456"u8], maxCharacters: 5)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_file_is_refused_before_it_is_opened()
    {
        Assert.EndsWith("none.txt: no such file", Fault("none.txt", null), StringComparison.Ordinal);
        Assert.EndsWith("empty.txt: is empty, or no regular file", Fault("empty.txt", []), StringComparison.Ordinal);
        _folder.CreateSubdirectory("folder");
        Assert.EndsWith("folder: is a directory, expected a file", Fault("folder", null), StringComparison.Ordinal);
        Assert.SkipUnless(File.Exists("/dev/zero"), "needs /dev/zero");
        Assert.Equal("sources: /dev/zero: is empty, or no regular file", Fault("/dev/zero", null));
        File.CreateSymbolicLink(Path.Combine(_folder.FullName, "link.txt"), "/dev/zero");
        Assert.EndsWith("link.txt: is empty, or no regular file", Fault("link.txt", null), StringComparison.Ordinal);
        File.CreateSymbolicLink(Path.Combine(_folder.FullName, "broken.txt"), "nowhere");
        Assert.EndsWith("broken.txt: no such file", Fault("broken.txt", null), StringComparison.Ordinal);
    }

    [Fact]
    public void Reading_can_be_stopped()
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "a.txt"), "text");
        Assert.Throws<OperationCanceledException>(() => SourceText.Read(Path.Combine(_folder.FullName, "a.txt"), 100, new CancellationToken(canceled: true)));
    }

    private static byte[] Packed(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var stream = new GZipStream(packed, CompressionLevel.Fastest)) stream.Write(bytes);
        return packed.ToArray();
    }

    private string Fault(string name, byte[]? content) => Assert.Throws<TrainingException>(() => Read(name, content)).Message;

    private string Read(string name, byte[]? content, int maxCharacters = SourceText.MaxCharacters)
    {
        var path = Path.Combine(_folder.FullName, name);
        if (content is not null) File.WriteAllBytes(path, content);
        return SourceText.Read(path, maxCharacters, CancellationToken.None);
    }
}
