using System.Runtime.InteropServices;

namespace Hadal.Checkpoints;

/// <summary>Makes new names last: a file that is flushed can still be lost with its name when the power goes, until its directory is flushed too.</summary>
/// <remarks>Windows has no such call. NTFS writes names into a journal in their order: after a loss of power the old name may be back, and never half of a file.</remarks>
public static partial class DurableName
{
    private const int LinuxCloseOnExec = 0x80000, MacCloseOnExec = 0x1000000;

    /// <summary>Codes of directories that may not be opened for reading, and of file systems that cannot flush one: EACCES, EINVAL.</summary>
    private const int AccessDenied = 13, Invalid = 22;

    /// <summary>Renames a directory, and returns when the disk has its new name.</summary>
    /// <exception cref="IOException">It cannot be renamed, or the disk failed.</exception>
    public static void Move(string from, string to)
    {
        ArgumentException.ThrowIfNullOrEmpty(to);
        Directory.Move(from, to);
        Flush(Path.GetDirectoryName(Path.GetFullPath(to))!);
    }

    /// <summary>Returns when the disk has all names of a directory; at once on Windows, and where the directory or its file system does not allow it.</summary>
    /// <exception cref="IOException">There is no such directory, or the disk failed.</exception>
    public static void Flush(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        if (OperatingSystem.IsWindows()) return;
        var file = Open(directory, OperatingSystem.IsMacOS() ? MacCloseOnExec : LinuxCloseOnExec);
        var code = file < 0 || Synchronize(file) < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (file >= 0) _ = Close(file);
        if (code is not (0 or AccessDenied or Invalid)) throw new IOException($"{directory}: cannot be flushed: {Marshal.GetPInvokeErrorMessage(code)}", code);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Synchronize(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
