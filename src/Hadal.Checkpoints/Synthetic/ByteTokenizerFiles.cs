using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Text;

namespace Hadal.Checkpoints.Synthetic;

/// <summary>Writes a tokenizer without merges for a model of random weights: one token per byte of text, the rest of the vocabulary unused.</summary>
internal static class ByteTokenizerFiles
{
    private const int ByteCount = 256;

    /// <summary>Refuses a vocabulary in which not every byte finds a place.</summary>
    /// <exception cref="CheckpointException">It is too small.</exception>
    public static void Check(ModelConfig config)
    {
        var needed = ByteCount + SpecialTokens(config).Count;
        if (config.VocabSize < needed) throw new CheckpointException($"vocab_size is {config.VocabSize}, expected at least {needed}: one token per byte, and those that begin and end a text");
    }

    /// <summary>Writes <c>tokenizer.json</c> and <c>tokenizer_config.json</c>.</summary>
    public static void Write(string directory, ModelConfig config)
    {
        var specials = SpecialTokens(config);
        Write(Path.Combine(directory, "tokenizer.json"), json => WriteTokenizer(json, config.VocabSize, specials));
        Write(Path.Combine(directory, "tokenizer_config.json"), json =>
        {
            json.WriteStartObject();
            json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
            json.WriteBoolean("add_bos_token", config.BosTokenId is not null);
            if (config.BosTokenId is { } bos) json.WriteString("bos_token", specials[bos]);
            if (config.EosTokenId is [var eos, ..]) json.WriteString("eos_token", specials[eos]);
            json.WriteNumber("model_max_length", config.MaxPositionEmbeddings);
            json.WriteEndObject();
        });
    }

    private static SortedDictionary<int, string> SpecialTokens(ModelConfig config)
    {
        var tokens = new SortedDictionary<int, string>();
        for (var index = 0; index < config.EosTokenId.Count; index++)
            tokens[config.EosTokenId[index]] = index == 0 ? "<｜end▁of▁sentence｜>" : string.Create(CultureInfo.InvariantCulture, $"<｜end▁of▁sentence▁{index}｜>");
        if (config.BosTokenId is { } bos) tokens.TryAdd(bos, "<｜begin▁of▁sentence｜>");
        return tokens;
    }

    private static void WriteTokenizer(Utf8JsonWriter json, int vocabSize, SortedDictionary<int, string> specials)
    {
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteStartArray("added_tokens");
        foreach (var (id, text) in specials)
        {
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", text);
            foreach (var flag in new[] { "single_word", "lstrip", "rstrip", "normalized" }) json.WriteBoolean(flag, false);
            json.WriteBoolean("special", true);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        foreach (var part in new[] { "pre_tokenizer", "decoder" })
        {
            json.WriteStartObject(part);
            json.WriteString("type", "ByteLevel");
            json.WriteBoolean("add_prefix_space", false);
            json.WriteBoolean("use_regex", false);
            json.WriteEndObject();
        }

        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteStartObject("vocab");
        var bytes = 0;
        for (var id = 0; id < vocabSize; id++)
        {
            if (specials.TryGetValue(id, out var special)) json.WriteNumber(special, id);
            else if (bytes < ByteCount) json.WriteNumber(ByteAlphabet.CharOf((byte)bytes++).ToString(), id);
            else json.WriteNumber(string.Create(CultureInfo.InvariantCulture, $"<unused_{id}>"), id);
        }

        json.WriteEndObject();
        json.WriteStartArray("merges");
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Write(string path, Action<Utf8JsonWriter> write) => AtomicFile.Write(path, stream =>
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        write(json);
    });
}
