using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Text;

/// <summary>Opens the tokenizer of a checkpoint.</summary>
public static class TokenizerLoader
{
    private const int MaxConfigBytes = 32 << 20;

    /// <summary>Reads <c>tokenizer.json</c> and, where present, <c>tokenizer_config.json</c> of a directory.</summary>
    /// <param name="path">The checkpoint directory.</param>
    /// <exception cref="CheckpointException">A file is missing, malformed, too large, or of a kind that is not supported.</exception>
    public static Tokenizer FromDirectory(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var folder = new CheckpointFolder(Path.GetFullPath(path));
        return TokenizerJson.Read(
            folder.Read("tokenizer.json", TokenizerJson.MaxBytes), folder.TryRead("tokenizer_config.json", MaxConfigBytes) ?? default, Path.Combine(folder.Path, "tokenizer.json"));
    }

    /// <summary>Reads the vocabulary inside a GGUF file, which need not have tensors.</summary>
    /// <param name="path">The <c>.gguf</c> file.</param>
    /// <exception cref="CheckpointException">The file is missing or malformed, or its vocabulary is missing, malformed, too large, or of a kind that is
    /// not supported.</exception>
    public static Tokenizer FromGguf(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = GgufFile.Open(path);
        return FromGguf(file.Metadata);
    }

    /// <summary>Reads the vocabulary of an open GGUF file, which need not stay open afterwards.</summary>
    /// <exception cref="CheckpointException">As for a path.</exception>
    internal static Tokenizer FromGguf(GgufMetadata metadata)
    {
        try
        {
            return GgufVocabulary.Read(metadata).Build();
        }
        catch (CheckpointException fault) when (!fault.Message.StartsWith(metadata.Path, StringComparison.Ordinal))
        {
            throw new CheckpointException($"{metadata.Path}: {fault.Message}", fault);
        }
    }
}
