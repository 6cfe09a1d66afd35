using System.CommandLine;
using Hadal.Checkpoints;

namespace Hadal.Cli;

/// <summary>What commands do that write a checkpoint: find its place, see that it fits, show how far it is, and end on Ctrl+C with nothing left.</summary>
internal static class OutputDirectory
{
    /// <summary>The option that names the directory.</summary>
    public static Option<string> Option() => new("-o", "--output") { Description = "Directory to create.", HelpName = "DIR", Required = true };

    /// <summary>Full path of a directory that can be created.</summary>
    /// <exception cref="CommandException">The name is empty.</exception>
    /// <exception cref="CheckpointException">Something is there.</exception>
    public static string Find(Shell shell, string name)
    {
        if (string.IsNullOrWhiteSpace(name) || name.Contains('\0')) throw CommandException.Usage("-o: the name of the directory is empty");
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(name, shell.CurrentDirectory));
        AtomicDirectory.EnsureFree(path);
        return path;
    }

    /// <summary>Refuses to begin what the disk has no room for.</summary>
    /// <exception cref="CommandException">It has not.</exception>
    public static void CheckSpace(string path, long bytes)
    {
        var folder = path;
        while (!Directory.Exists(folder)) folder = Path.GetDirectoryName(folder)!;
        var free = new DriveInfo(folder).AvailableFreeSpace;
        if (bytes > free) throw CommandException.Failed($"{path}: too little space: expected {Sizes.Bytes(bytes)}, found {Sizes.Bytes(free)} free on its disk");
    }

    /// <summary>Does the work, under a bar where standard error is a terminal.</summary>
    /// <returns>False where it was cancelled.</returns>
    public static bool Run(Shell shell, string title, double total, Action<Action<long>, CancellationToken> work, CancellationToken token)
    {
        try
        {
            if (!shell.IsErrorTerminal) work(_ => { }, token);
            else
                Tables.WithBar(shell, title, total, done =>
                {
                    work(sofar => done(sofar), token);
                    return true;
                });
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
