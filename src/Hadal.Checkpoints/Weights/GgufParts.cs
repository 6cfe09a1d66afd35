using System.Globalization;

namespace Hadal.Checkpoints.Weights;

/// <summary>The files of one GGUF model: a single file, or parts named <c>NAME-00001-of-00003.gguf</c>.</summary>
internal static class GgufParts
{
    private const int MaxParts = 1000;
    private const string Suffix = ".gguf";

    /// <summary>Opens all parts of the model that <paramref name="path"/> belongs to, the one with the metadata first.</summary>
    /// <exception cref="CheckpointException">A part is missing, damaged, or of another model.</exception>
    public static List<GgufFile> Open(string path)
    {
        var files = new List<GgufFile> { GgufFile.Open(path) };
        try
        {
            var count = files[0].Metadata.GetInteger("split.count") ?? 1;
            if (count is 0 or 1) return files;
            if (count is < 0 or > MaxParts) throw new CheckpointException($"{path}: split.count is {count}, expected 1 to {MaxParts}");
            if (PartOf(path) is not { } part || part.Count != count)
                throw new CheckpointException($"{path}: is one of {count} parts (split.count), so its name must end in -00001-of-{count:D5}{Suffix}");

            files[0].Dispose();
            files.Clear();
            for (var number = 1; number <= count; number++) files.Add(OpenPart(part.Name(number), number - 1, count));
            CheckTensorCount(files);
            return files;
        }
        catch
        {
            foreach (var file in files) file.Dispose();
            throw;
        }
    }

    /// <summary>Whether <paramref name="path"/> is named as a part behind the first, which is opened through the first.</summary>
    public static bool IsLaterPart(string path) => PartOf(path) is { Number: > 1 };

    private static GgufFile OpenPart(string path, int index, long count)
    {
        var file = GgufFile.Open(path);
        try
        {
            var (number, total) = (file.Metadata.GetInteger("split.no"), file.Metadata.GetInteger("split.count"));
            if (number != index || total != count)
                throw new CheckpointException($"{path}: expected part {index} of {count} (split.no, split.count), found {Text(number)} of {Text(total)}");
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void CheckTensorCount(List<GgufFile> files)
    {
        var found = files.Sum(file => (long)file.Tensors.Count);
        if (files[0].Metadata.GetInteger("split.tensors.count") is { } stated && stated != found)
            throw new CheckpointException($"{files[0].Map.Path}: split.tensors.count is {stated}, the {files.Count} parts have {found} tensors");
    }

    private static string Text(long? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "none";

    private static Part? PartOf(string path)
    {
        const int TailLength = 15; // -00001-of-00003
        var stem = path.EndsWith(Suffix, StringComparison.Ordinal) ? path[..^Suffix.Length] : "";
        if (stem.Length <= TailLength) return null;
        var tail = stem.AsSpan(stem.Length - TailLength);
        return tail[0] == '-' && tail.Slice(6, 4) is "-of-"
            && int.TryParse(tail.Slice(1, 5), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && int.TryParse(tail.Slice(10, 5), NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? new Part(stem[..^TailLength], number, count)
            : null;
    }

    private readonly record struct Part(string Stem, int Number, int Count)
    {
        public string Name(int number) => string.Create(CultureInfo.InvariantCulture, $"{Stem}-{number:D5}-of-{Count:D5}{Suffix}");
    }
}
