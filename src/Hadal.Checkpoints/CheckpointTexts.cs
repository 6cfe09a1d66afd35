namespace Hadal.Checkpoints;

/// <summary>The files of a checkpoint directory beside config and weights.</summary>
public static class CheckpointTexts
{
    private static readonly string[] Names =
    [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model",
        "chat_template.jinja", "chat_template.json", "generation_config.json", "preprocessor_config.json", "LICENSE",
    ];

    /// <summary>Copies tokenizer, templates, generation and preprocessing settings and the licence, those that are there, from one directory to another.</summary>
    /// <exception cref="CheckpointException">One of them links to a place outside <paramref name="source"/>.</exception>
    /// <exception cref="IOException">A file cannot be copied.</exception>
    public static void Copy(string source, string target)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentException.ThrowIfNullOrEmpty(target);
        var folder = new CheckpointFolder(Path.GetFullPath(source));
        foreach (var name in Names)
        {
            if (folder.Find(name) is not { } file) continue;
            using var from = File.OpenRead(file);
            AtomicFile.Write(Path.Combine(target, name), from.CopyTo);
        }
    }
}
