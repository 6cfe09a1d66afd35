namespace Hadal.Checkpoints.Tests;

public sealed class DurableNameTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Names_of_a_directory_are_flushed_and_a_directory_that_is_not_there_is_said()
    {
        var (from, to) = (_folder.PathOf("from"), _folder.PathOf("to"));
        Directory.CreateDirectory(from);
        DurableName.Move(from, to);
        Assert.True(Directory.Exists(to));
        DurableName.Flush(to);
        if (OperatingSystem.IsWindows()) return;
        Assert.StartsWith($"{from}: cannot be flushed: ", Assert.Throws<IOException>(() => DurableName.Flush(from)).Message, StringComparison.Ordinal);
    }
}
