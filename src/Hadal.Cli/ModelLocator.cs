using System.CommandLine;
using Hadal.Cli.Hub;

namespace Hadal.Cli;

/// <summary>A model that was found.</summary>
/// <param name="Name">How people call it.</param>
/// <param name="Path">Its checkpoint directory or .gguf file.</param>
internal sealed record ModelLocation(string Name, string Path);

/// <summary>Finds the model that an argument means: a directory, a .gguf file, <c>owner/name</c> in the local hub cache, or one that comes with the program.</summary>
internal sealed class ModelLocator(Shell shell)
{
    /// <summary>Name of the model that comes with the program.</summary>
    public const string BuiltInName = "hadal-mini";

    /// <summary>Name of the model for conversations that comes with the program: the other one, instructed.</summary>
    public const string ChatName = "hadal-mini-chat";

    private const string Advice = "give a checkpoint directory, a .gguf file, or the owner/name of a model in the local hub cache";

    private readonly HubCache _cache = new(shell);

    /// <summary>Names of the models that come with the program and are there.</summary>
    public IEnumerable<string> BuiltIns => new[] { BuiltInName, ChatName }.Where(name => Directory.Exists(PathOf(name)));

    /// <summary>Where the built-in model is, whether it is there or not.</summary>
    public string BuiltInPath => PathOf(BuiltInName);

    /// <summary>Folders of the hub cache, in the order they are searched in.</summary>
    public IReadOnlyList<string> CacheFolders => _cache.Folders;

    /// <summary>Models in the hub cache, as <c>owner/name</c>.</summary>
    public IEnumerable<string> CachedModels() => _cache.Models();

    /// <summary>The argument that names a model.</summary>
    /// <param name="leftOut">What it means where it is left out.</param>
    public static Argument<string?> Argument(string leftOut = $"{BuiltInName}, which comes with the program")
    {
        var argument = new Argument<string?>("MODEL")
        {
            Description = $"Checkpoint directory, .gguf file, or owner/name in the local hub cache. Left out: {leftOut}.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        // The parser takes an option it does not know for a value.
        argument.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: ['-', ..] option }]) result.AddError($"unknown option '{option}'");
        });
        return argument;
    }

    /// <summary>Finds a model.</summary>
    /// <param name="model">The argument; null for the built-in model.</param>
    /// <param name="builtIn">The one that comes with the program and is meant where the argument is null.</param>
    /// <exception cref="CommandException">It is not there; the message has everything that was looked for.</exception>
    public ModelLocation Find(string? model, string builtIn = BuiltInName)
    {
        if (model is null) return BuiltIn(builtIn) ?? throw CommandException.Failed($"{builtIn} is missing: expected {PathOf(builtIn)}, which comes with the program; {Advice}");
        if (string.IsNullOrWhiteSpace(model) || model.Contains('\0')) throw CommandException.Usage($"MODEL is empty; {Advice}");
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(model, shell.CurrentDirectory));
        if (Directory.Exists(path)) return new ModelLocation(Path.GetFileName(path), InFolder(path, path));
        if (File.Exists(path)) return OfFile(path);
        if (model is BuiltInName or ChatName && BuiltIn(model) is { } named) return named;
        var looked = new List<string> { $"{path} (no such file or directory)" };
        if (model is BuiltInName or ChatName) looked.Add($"{PathOf(model)} (the built-in model)");
        if (_cache.Find(model, looked) is { } snapshot) return new ModelLocation(model, InFolder(snapshot, model));
        var known = CachedModels().Take(8).ToList();
        var there = known.Count > 0 ? $"the hub cache has {string.Join(", ", known)}; " : "";
        var download = HubName.TryParse(model) is { } name ? $"hadal pull {name} downloads it if the hub has it; or " : "";
        throw CommandException.Failed($"model '{model}' was not found; looked for {string.Join(", ", looked)}; {there}{download}{Advice}");
    }

    private ModelLocation? BuiltIn(string name) => Directory.Exists(PathOf(name)) ? new ModelLocation(name, PathOf(name)) : null;

    private string PathOf(string name) => Path.Combine(shell.ProgramDirectory, "models", name);

    private static ModelLocation OfFile(string path)
    {
        if (IsGguf(path)) return new ModelLocation(Path.GetFileNameWithoutExtension(path), path);
        throw CommandException.Failed($"{path} is a file, expected a .gguf file or a directory with config.json; for safetensors give the directory they are in");
    }

    /// <summary>What to open in a folder: itself, or the one .gguf file that stands there in place of a checkpoint.</summary>
    private static string InFolder(string folder, string name)
    {
        if (File.Exists(Path.Combine(folder, "config.json"))) return folder;
        var files = Directory.EnumerateFiles(folder).Where(IsGguf).Order(StringComparer.Ordinal).Take(9).ToList();
        return files.Count switch
        {
            0 => folder,
            1 => files[0],
            _ => throw CommandException.Failed($"{name} has several .gguf files ({string.Join(", ", files.Select(Path.GetFileName))}); give the path of one, for example {files[0]}"),
        };
    }

    /// <summary>Whether a path names a GGUF file.</summary>
    public static bool IsGguf(string path) => path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);
}
