using System.IO.Enumeration;

namespace Hadal.Cli.Hub;

/// <summary>Chooses the files of a repository that are downloaded: those a model is opened from, or those that patterns name.</summary>
/// <param name="include">Patterns with <c>*</c> and <c>?</c> over whole paths; where there are any, they replace the choice of the program.</param>
/// <param name="exclude">Patterns of files that are left out.</param>
internal sealed class FileSelection(IReadOnlyList<string> include, IReadOnlyList<string> exclude)
{
    private const int ShownNames = 8;
    private static readonly string[] Texts = ["*.json", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt", "LICENSE*"];
    private static readonly string[] TextsOfOthers = ["*.bin.index.json", "*.msgpack.index.json", "*.h5.index.json"];

    /// <summary>Chooses.</summary>
    /// <exception cref="CommandException">Nothing is left, it is not clear which weights are meant, or a name cannot be used on every system.</exception>
    public IReadOnlyList<HubFile> Choose(HubName name, IReadOnlyList<HubFile> files)
    {
        var chosen = include.Count > 0 ? files.Where(file => Fits(include, file)) : Needed(name, [.. files.Where(file => file.IsAtTop && !Fits(exclude, file))]);
        var left = chosen.Where(file => !Fits(exclude, file)).ToList();
        if (left.Count == 0) throw CommandException.Failed($"{name}: no file fits {string.Join(", ", include)}; it has {Shown(files)}");
        if (left.FirstOrDefault(file => !HubFile.IsPortable(file.Path)) is { } odd)
            throw CommandException.Failed($"{name}: the file name '{odd.Path}' cannot be used on every system; leave it out with --exclude");
        var twice = left.GroupBy(file => file.Path, StringComparer.OrdinalIgnoreCase).FirstOrDefault(group => group.Count() > 1);
        return twice is null ? left : throw CommandException.Failed($"{name}: the file names '{string.Join("' and '", twice.Select(file => file.Path))}' are one on some systems; leave one out with --exclude");
    }

    private static IEnumerable<HubFile> Needed(HubName name, IReadOnlyList<HubFile> top) =>
        top.Where(file => Fits(Texts, file) && !Fits(TextsOfOthers, file)).Concat(Weights(name, top));

    /// <summary>The safetensors files that a directory is opened from, else the one GGUF file or its parts.</summary>
    private static List<HubFile> Weights(HubName name, IReadOnlyList<HubFile> top)
    {
        var tensors = top.Where(file => file.Path.EndsWith(".safetensors", StringComparison.Ordinal)).ToList();
        if (tensors.Where(file => file.Path == "model.safetensors").ToList() is [var single]) return [single];
        if (tensors.Where(file => file.Path.StartsWith("model-", StringComparison.Ordinal)).ToList() is { Count: > 0 } shards) return shards;
        if (tensors.Count > 0) return tensors;
        var models = top.Where(file => ModelLocator.IsGguf(file.Path)).GroupBy(file => WithoutPart(file.Path)).ToList();
        if (models.Count == 1) return [.. models[0]];
        if (models.Count > 1)
        {
            throw CommandException.Failed(
                $"{name}: has {models.Count} GGUF models ({Shown(models.Select(model => model.First()))}); choose one, for example with --include '{models[0].Key}*'");
        }

        throw CommandException.Failed($"{name}: has neither safetensors nor GGUF files, and nothing else is read; it has {Shown(top)}");
    }

    /// <summary>What the parts of one GGUF model have in common: <c>name</c> of <c>name-00001-of-00003.gguf</c>.</summary>
    private static string WithoutPart(string path)
    {
        var stem = System.IO.Path.GetFileNameWithoutExtension(path);
        return FileSystemName.MatchesSimpleExpression("*-?????-of-?????", stem, ignoreCase: false) ? stem[..^15] : stem;
    }

    private static bool Fits(IEnumerable<string> patterns, HubFile file) => patterns.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, file.Path, ignoreCase: false));

    private static string Shown(IEnumerable<HubFile> files)
    {
        var names = files.Select(file => file.Path).ToList();
        return names.Count == 0 ? "no files" : string.Join(", ", names.Take(ShownNames)) + (names.Count > ShownNames ? $" and {names.Count - ShownNames} more" : "");
    }
}
