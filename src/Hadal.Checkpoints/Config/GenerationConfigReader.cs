using System.Text.Json;

namespace Hadal.Checkpoints.Config;

/// <summary>Reads <c>generation_config.json</c>.</summary>
internal static class GenerationConfigReader
{
    private const string Name = "generation_config.json";
    private const int MaxBytes = 1 << 20;

    /// <summary>What the directory recommends; start and end tokens of <paramref name="config"/> where it names none.</summary>
    /// <exception cref="CheckpointException">The file is malformed, or a value is out of range.</exception>
    public static GenerationConfig Read(CheckpointFolder folder, ModelConfig config)
    {
        var read = folder.TryRead(Name, MaxBytes) is { } json ? Parse(json, Path.Combine(folder.Path, Name), config.VocabSize) : new GenerationConfig();
        return read with
        {
            BosTokenId = read.BosTokenId ?? config.BosTokenId,
            EosTokenId = read.EosTokenId.Count > 0 ? read.EosTokenId : config.EosTokenId,
            PadTokenId = read.PadTokenId ?? config.PadTokenId,
        };
    }

    private static GenerationConfig Parse(ReadOnlyMemory<byte> json, string where, int vocabSize)
    {
        GenerationConfig config;
        try
        {
            config = JsonSerializer.Deserialize(json.Span, ConfigJson.Default.GenerationConfig) ?? throw new CheckpointException($"{where}: is null, expected an object");
        }
        catch (JsonException fault)
        {
            throw new CheckpointException($"{where}: is not valid: {fault.Message}", fault);
        }

        var faults = new FaultList(where);
        Range("temperature", config.Temperature, 0, 1e6);
        Range("top_p", config.TopP, 0, 1);
        Range("top_k", config.TopK, 0, int.MaxValue);
        Range("min_p", config.MinP, 0, 1);
        Range("repetition_penalty", config.RepetitionPenalty, 1e-6, 1e6);
        Range("max_new_tokens", config.MaxNewTokens, 0, int.MaxValue);
        Range("bos_token_id", config.BosTokenId, 0, vocabSize - 1);
        foreach (var id in config.EosTokenId) Range("eos_token_id", id, 0, vocabSize - 1);
        faults.ThrowIfAny();
        return config;

        void Range(string key, double? value, double least, double largest)
        {
            if (value is { } number && !(number >= least && number <= largest))
                faults.Add(FormattableString.Invariant($"{key} is {number}, expected {least} to {largest}"));
        }
    }
}
