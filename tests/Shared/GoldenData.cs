using System.IO.Compression;

namespace Hadal.Tests;

/// <summary>Finds the small golden checkpoints under <c>tests/Golden</c>, which are part of the repository.</summary>
internal static class GoldenData
{
    /// <summary>Full path of a file or folder under <c>tests/Golden</c>, for example <c>deepseek-v3/hf</c>.</summary>
    public static string PathOf(string relativePath) => Path.Combine(SharedData.RepositoryRoot, "tests", "Golden", relativePath);

    /// <summary>The checkpoint <paramref name="file"/>, a directory or GGUF file, of a golden folder; what the folder has as .gz is unpacked into <paramref name="temporary"/>.</summary>
    public static string Unpacked(string folder, string file, string temporary)
    {
        var source = Path.Combine(folder, file);
        if (File.Exists(source)) return source;
        if (File.Exists(source + ".gz"))
        {
            Inflate(source + ".gz", Path.Combine(temporary, file));
            return Path.Combine(temporary, file);
        }

        if (!File.Exists(Path.Combine(source, "model.safetensors.gz"))) return source;
        foreach (var path in Directory.GetFiles(source).Where(path => !path.EndsWith(".gz", StringComparison.Ordinal)))
            File.Copy(path, Path.Combine(temporary, Path.GetFileName(path)));
        Inflate(Path.Combine(source, "model.safetensors.gz"), Path.Combine(temporary, "model.safetensors"));
        return temporary;
    }

    private static void Inflate(string source, string target)
    {
        using var packed = new GZipStream(File.OpenRead(source), CompressionMode.Decompress);
        using var plain = File.Create(target);
        packed.CopyTo(plain);
    }
}
