using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Tests.Hostile;

/// <summary>Opens checkpoints that may be anything, and checks how it ends.</summary>
internal static unsafe class Refusals
{
    /// <summary>Allocations that opening is allowed whatever the file, and for each byte of it.</summary>
    private const long FixedBytes = 2 << 20;
    private const long BytesPerByte = 64;

    /// <summary>Opens the checkpoint, its tokenizer and its template, and reads the ends of every tensor.</summary>
    /// <returns>The message of the refusal, or null where all of it is in order.</returns>
    public static string? Open(string path)
    {
        var size = Directory.Exists(path) ? Directory.GetFiles(path).Sum(file => new FileInfo(file).Length) : new FileInfo(path).Length;
        return Run(() => Read(path), size);
    }

    /// <summary>Runs a reader of <paramref name="size"/> bytes and gives the message of its refusal, or null. Anything else it throws is thrown on.</summary>
    public static string? Run(Action read, long size)
    {
        string? message = null;
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            read();
        }
        catch (CheckpointException fault)
        {
            message = fault.Message;
        }
        catch (ChatTemplateException fault)
        {
            message = fault.Message.ReplaceLineEndings(" ");
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated <= FixedBytes + (size * BytesPerByte), $"{allocated} bytes were allocated for {size} bytes: {message ?? "opened"}");
        Assert.False(message?.Any(char.IsControl) ?? false, message);
        return message;
    }

    /// <summary>As <see cref="Open"/>, for what must be refused with a message that contains <paramref name="expected"/>.</summary>
    public static string Refused(string path, string expected)
    {
        var message = Open(path);
        Assert.True(message is not null, $"opened, expected: {expected}");
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.StartsWith(Directory.Exists(path) ? path : Path.GetDirectoryName(path)!, message, StringComparison.Ordinal);
        return message;
    }

    private static void Read(string path)
    {
        using var checkpoint = Checkpoint.Open(path);
        foreach (var tensor in checkpoint.Tensors.Values)
        {
            foreach (var part in new[] { tensor, tensor.Scale, tensor.AwqZeros, tensor.AwqScales })
                if (part is { ByteLength: > 0 }) _ = part.Data[0] + part.Data[part.ByteLength - 1];
        }

        checkpoint.LoadTokenizer();
        if (checkpoint.ChatTemplate is { } template) ChatTemplate.Parse(template);
    }
}
