namespace Hadal.Tests;

/// <summary>Finds the small golden checkpoints under <c>tests/Golden</c>, which are part of the repository.</summary>
internal static class GoldenData
{
    /// <summary>Full path of a file or folder under <c>tests/Golden</c>, for example <c>deepseek-v3/hf</c>.</summary>
    public static string PathOf(string relativePath) => Path.Combine(SharedData.RepositoryRoot, "tests", "Golden", relativePath);
}
