using System.Runtime.CompilerServices;

namespace Hadal.Tests;

/// <summary>Finds the golden and data folders that stand beside the repository on the project's own machines.</summary>
internal static class SharedData
{
    /// <summary>The repository root, found from this source file.</summary>
    public static string RepositoryRoot { get; } = Path.GetFullPath(Path.Combine(SourceFolder(), "..", ".."));

    /// <summary>Full path of a file or folder under <c>shared</c>; skips the running test, saying so, where it does not exist.</summary>
    public static string PathOrSkip(string relativePath)
    {
        var path = Path.GetFullPath(Path.Combine(RepositoryRoot, "..", "shared", relativePath));
        Assert.SkipUnless(Path.Exists(path), $"needs shared/{relativePath}, which is not on this machine");
        return path;
    }

    private static string SourceFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
