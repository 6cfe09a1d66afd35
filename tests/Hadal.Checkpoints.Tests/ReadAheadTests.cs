using System.Globalization;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

public sealed class ReadAheadTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ReadAheadTests()
    {
        foreach (var file in Directory.EnumerateFiles(GoldenData.PathOf("deepseek-v3/hf"))) File.Copy(file, _folder.PathOf(Path.GetFileName(file)));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Weights_are_in_memory_when_reading_ahead_has_ended()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc/self/smaps, which only Linux has");
        using var checkpoint = Checkpoint.Open(_folder.Path);
        var weightBytes = checkpoint.Tensors.Values.Where(tensor => tensor.Name != "model.embed_tokens.weight").Sum(tensor => tensor.ByteLength);
        foreach (var tensor in checkpoint.Tensors.Values) tensor.Release();
        var before = ResidentBytes();
        await checkpoint.ReadAhead();
        Assert.InRange(before, 0, weightBytes / 2);
        Assert.True(ResidentBytes() >= weightBytes - (2 * Environment.SystemPageSize), $"{ResidentBytes()} of {weightBytes} bytes");
    }

    [Fact]
    public void A_checkpoint_can_be_closed_while_it_is_read_ahead()
    {
        for (var round = 0; round < 20; round++)
        {
            Task reading;
            using (var checkpoint = Checkpoint.Open(_folder.Path)) reading = checkpoint.ReadAhead();
            Assert.True(reading.IsCompletedSuccessfully);
        }
    }

    [Fact]
    public async Task A_shortened_file_is_left_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows does not let an open file be shortened");
        using var checkpoint = Checkpoint.Open(_folder.Path);
        Truncate(_folder.PathOf("model.safetensors"));
        // Touching a page behind the end would end the process.
        await checkpoint.ReadAhead();
        Assert.Throws<CheckpointException>(checkpoint.EnsureUnchanged);
    }

    /// <summary>Shortens a file that this process holds open for reading, as another program may.</summary>
    private static void Truncate(string path)
    {
        using var process = System.Diagnostics.Process.Start("truncate", ["-s", "4096", path]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    /// <summary>Bytes of the mapped weights that are in this process's memory.</summary>
    private long ResidentBytes()
    {
        var bytes = 0L;
        var isOurs = false;
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            // A map begins with its addresses, what is said of it with a name and a colon.
            if (!line.Split(' ')[0].EndsWith(':'))
                isOurs = line.EndsWith(_folder.PathOf("model.safetensors"), StringComparison.Ordinal);
            else if (isOurs && line.StartsWith("Rss:", StringComparison.Ordinal))
                bytes += 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        }

        return bytes;
    }
}
