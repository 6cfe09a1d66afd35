using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hadal.Checkpoints;
using Hadal.Checkpoints.Text;
using Hadal.Training.Data;

namespace Hadal.Training.Trainers;

/// <summary>The tokenizer of a run: a given one, or one that is trained on the sources once and kept in the output folder.</summary>
internal static class TrainedTokenizer
{
    private const string Marker = "trained_from.txt";

    /// <summary>The tokenizer's folder; trains the tokenizer where none is given and none was trained on the same sources before.</summary>
    /// <exception cref="TrainingException">A source or the chat template cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static string Prepare(PretrainOptions options, CancellationToken cancellation)
    {
        if (options.Tokenizer.Directory is { } given) return Path.GetFullPath(given, options.Folder);
        var directory = Path.Combine(options.OutputDirectory, "tokenizer");
        var marker = Path.Combine(directory, Marker);
        var template = options.Tokenizer.ChatTemplate is { } file ? ReadTemplate(Path.GetFullPath(file, options.Folder)) : null;
        var fingerprint = FingerprintOf(options, template, cancellation);
        if (File.Exists(marker) && File.ReadAllText(marker) == fingerprint) return directory;

        var trainer = new BpeTrainerOptions { VocabSize = options.Tokenizer.VocabSize };
        if (options.Tokenizer.SpecialTokens is { } special) trainer = trainer with { SpecialTokens = special };
        var vocabulary = BpeTrainer.Train(TokenData.TrainingTexts(options.Sources, options.Folder, options.Seed, cancellation), PreTokenization.DeepSeekV3, trainer, cancellation);
        TokenizerFiles.Write(directory, vocabulary, template, LongestInput(options));
        AtomicFile.Write(Path.Combine(directory, "generation_config.json"), stream => stream.Write("""{"bos_token_id": 0, "eos_token_id": 1}"""u8));
        AtomicFile.Write(marker, stream => stream.Write(Encoding.UTF8.GetBytes(fingerprint)));
        return directory;
    }

    private static string ReadTemplate(string path) => RegularFile.ReadText(path, $"tokenizer.chat_template: {path}");

    private static int LongestInput(PretrainOptions options) =>
        options.Model.ValueKind == JsonValueKind.Object && options.Model.TryGetProperty("max_position_embeddings", out var positions) && positions.TryGetInt32(out var length)
            ? length
            : options.SequenceLength;

    /// <summary>Hash of everything the tokenizer is made from.</summary>
    private static string FingerprintOf(PretrainOptions options, string? template, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(new { options.Tokenizer.VocabSize, options.Tokenizer.SpecialTokens, template, length = LongestInput(options) }));
        TokenData.AppendSources(hash, options.Sources, options.Folder, options.Seed, cancellation);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
