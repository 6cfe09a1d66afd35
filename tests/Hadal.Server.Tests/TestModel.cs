using Hadal.Checkpoints;
using Hadal.Inference.Engine;
using Hadal.Inference.Models;
using Hadal.Tests;

namespace Hadal.Server.Tests;

/// <summary>hadal-mini, as it is or with the chat template of a published family; a gate can hold its engine before each forward pass.</summary>
internal static class TestModel
{
    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, string> Folders = [];

    /// <summary>A model under a name, with a template of the tests of checkpoints or none.</summary>
    public static ModelSource Source(string name, string? template = null, TextGeneratorOptions? options = null, int contexts = 4, Gate? gate = null, Action? beforeForward = null) => new(name, () =>
    {
        options ??= new TextGeneratorOptions();
        var checkpoint = Checkpoint.Open(Folder(template));
        var tokenizer = checkpoint.LoadTokenizer();
        var model = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = 2, MaxSequences = contexts, MaxBatchTokens = options.MaxBatchTokens });
        var generator = new TextGenerator(model, tokenizer, [.. checkpoint.Config.EosTokenId], options, beforeForward ?? (gate is null ? checkpoint.EnsureUnchanged : gate.Pass));
        return new ServedModel(name, checkpoint, generator);
    });

    /// <summary>The checkpoint directory of a model with a template, or of hadal-mini as it is.</summary>
    public static string Folder(string? template)
    {
        var original = Path.Combine(SharedData.RepositoryRoot, "models", "hadal-mini");
        if (template is null) return original;
        lock (Gate)
        {
            if (Folders.TryGetValue(template, out var folder)) return folder;
            folder = Directory.CreateTempSubdirectory("hadal-server-").FullName;
            foreach (var file in new[] { "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json" })
                File.Copy(Path.Combine(original, file), Path.Combine(folder, file));
            File.Copy(Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Templates", template + ".jinja"), Path.Combine(folder, "chat_template.jinja"));
            AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
            return Folders[template] = folder;
        }
    }
}
