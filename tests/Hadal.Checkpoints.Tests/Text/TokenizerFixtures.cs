using System.Text.Json;
using Hadal.Checkpoints.Text;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests.Text;

/// <summary>The golden folders in the repository and beside it.</summary>
internal static class TokenizerFixtures
{
    public static string GoldenFolder(string name)
    {
        var folder = Path.Combine(SharedData.RepositoryRoot, "tests", "Golden", name);
        return File.Exists(Path.Combine(folder, "hf", "tokenizer.json")) ? folder : SharedData.PathOrSkip($"golden/{name}");
    }

    public static Tokenizer Golden(string name) => TokenizerLoader.FromDirectory(Path.Combine(GoldenFolder(name), "hf"));

    public static JsonElement GoldenNumbers(string name) => Json(Path.Combine(GoldenFolder(name), "golden.json"));

    public static JsonElement Json(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }

    /// <summary>A file beside the tests of this folder.</summary>
    public static string LocalFile(string name) => Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Text", name);

    public static int[] Ids(JsonElement list) => [.. list.EnumerateArray().Select(id => id.GetInt32())];
}
