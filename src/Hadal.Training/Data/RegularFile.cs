namespace Hadal.Training.Data;

/// <summary>Opens files that a config names. Pipes and devices are refused: they may have no end, and a run reads its files more than once.</summary>
internal static class RegularFile
{
    /// <summary>Bytes of a config or a template at most.</summary>
    private const int MaxTextBytes = 16 << 20;

    /// <summary>Opens a file that has something in it.</summary>
    /// <param name="path">Full path.</param>
    /// <param name="where">What stands before the fault in messages, for example <c>sources: /a/b.txt</c>.</param>
    /// <exception cref="TrainingException">It cannot be read.</exception>
    public static FileStream Open(string path, string where)
    {
        try
        {
            if (Directory.Exists(path)) throw new TrainingException($"{where}: is a directory, expected a file");
            var file = new FileInfo(path);
            if (file.Exists && file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target) file = target;
            if (!file.Exists) throw new TrainingException($"{where}: no such file");

            // What is no file has no length; opening a pipe could wait for ever.
            if (file.Length == 0) throw new TrainingException($"{where}: is empty, or no regular file");
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new TrainingException($"{where}: cannot be read: {fault.Message}", fault);
        }
    }

    /// <summary>The text of a small file: a config or a template.</summary>
    /// <inheritdoc cref="Open"/>
    public static string ReadText(string path, string where)
    {
        using var file = Open(path, where);
        if (file.Length > MaxTextBytes) throw new TrainingException($"{where}: expected at most {MaxTextBytes} bytes, found {file.Length}");
        using var reader = new StreamReader(file);
        return reader.ReadToEnd();
    }
}
