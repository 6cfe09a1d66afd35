using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Hadal.Training.Data;

/// <summary>Writes a learnt vocabulary as <c>tokenizer.json</c> and <c>tokenizer_config.json</c> in the form that Hugging Face tools read,
/// with the pre-tokenizer of DeepSeek-V3.</summary>
public static class TokenizerFiles
{
    /// <summary>The split stages of DeepSeek-V3's pre-tokenizer, in order; a byte-level stage follows them.</summary>
    public static IReadOnlyList<string> DeepSeekV3Splits { get; } =
    [
        @"\p{N}{1,3}",
        "[一-龥\u3040-ゟ゠-ヿ]+",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*"
            + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ];

    private static readonly JsonWriterOptions Indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes both files into a directory, which is created where it does not exist.</summary>
    /// <param name="directory">Where to write.</param>
    /// <param name="vocabulary">Its first special token starts a text, its second ends one.</param>
    /// <param name="chatTemplate">Jinja source, or null for a model that only continues text.</param>
    /// <param name="modelMaxLength">Longest input of the model, in tokens.</param>
    public static void Write(string directory, BpeVocabulary vocabulary, string? chatTemplate, int modelMaxLength)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        Directory.CreateDirectory(directory);
        using (var file = File.Create(Path.Combine(directory, "tokenizer.json")))
        using (var json = new Utf8JsonWriter(file, Indented))
            WriteTokenizer(json, vocabulary);
        using (var file = File.Create(Path.Combine(directory, "tokenizer_config.json")))
        using (var json = new Utf8JsonWriter(file, Indented))
            WriteConfig(json, vocabulary, chatTemplate, modelMaxLength);
    }

    private static void WriteTokenizer(Utf8JsonWriter json, BpeVocabulary vocabulary)
    {
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        for (var id = 0; id < vocabulary.SpecialTokens.Count; id++)
        {
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", vocabulary.SpecialTokens[id]);
            json.WriteBoolean("single_word", false);
            json.WriteBoolean("lstrip", false);
            json.WriteBoolean("rstrip", false);
            json.WriteBoolean("normalized", false);
            json.WriteBoolean("special", IsControl(vocabulary.SpecialTokens[id]));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteNull("normalizer");
        WritePreTokenizer(json);
        WriteByteLevel(json, "post_processor", addPrefixSpace: false, useRegex: false);
        WriteByteLevel(json, "decoder", addPrefixSpace: false, useRegex: false);
        WriteModel(json, vocabulary);
        json.WriteEndObject();
    }

    private static void WritePreTokenizer(Utf8JsonWriter json)
    {
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        foreach (var regex in DeepSeekV3Splits)
        {
            json.WriteStartObject();
            json.WriteString("type", "Split");
            json.WriteStartObject("pattern");
            json.WriteString("Regex", regex);
            json.WriteEndObject();
            json.WriteString("behavior", "Isolated");
            json.WriteBoolean("invert", false);
            json.WriteEndObject();
        }

        WriteByteLevel(json, null, addPrefixSpace: false, useRegex: false);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, string? name, bool addPrefixSpace, bool useRegex)
    {
        if (name is null) json.WriteStartObject();
        else json.WriteStartObject(name);
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", addPrefixSpace);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", useRegex);
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, BpeVocabulary vocabulary)
    {
        var first = vocabulary.SpecialTokens.Count;
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteNull("unk_token");
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", false);
        json.WriteStartObject("vocab");
        for (var id = 0; id < first; id++) json.WriteNumber(vocabulary.SpecialTokens[id], id);
        for (var i = 0; i < vocabulary.Tokens.Count; i++) json.WriteNumber(Text(vocabulary.Tokens[i]), first + i);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (var (left, right) in vocabulary.Merges)
            json.WriteStringValue($"{Text(vocabulary.Tokens[left - first])} {Text(vocabulary.Tokens[right - first])}");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteConfig(Utf8JsonWriter json, BpeVocabulary vocabulary, string? chatTemplate, int modelMaxLength)
    {
        json.WriteStartObject();
        json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
        json.WriteBoolean("add_bos_token", true);
        json.WriteBoolean("add_eos_token", false);
        json.WriteString("bos_token", vocabulary.SpecialTokens[0]);
        json.WriteString("eos_token", vocabulary.SpecialTokens[1]);
        json.WriteNumber("model_max_length", modelMaxLength);
        json.WriteBoolean("clean_up_tokenization_spaces", false);
        if (chatTemplate is not null) json.WriteString("chat_template", chatTemplate);
        json.WriteEndObject();
    }

    // Thinking marks are text that a reader may see; every other special token steers the model.
    private static bool IsControl(string token) => token is not ("<think>" or "</think>");

    /// <summary>The characters that stand for bytes in a byte-level vocabulary (GPT-2's table).</summary>
    private static string Text(byte[] bytes)
    {
        var text = new StringBuilder(bytes.Length);
        foreach (var value in bytes) text.Append(ByteCharacters[value]);
        return text.ToString();
    }

    private static readonly char[] ByteCharacters = MakeByteCharacters();

    private static char[] MakeByteCharacters()
    {
        var characters = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++)
            characters[value] = value is (>= 33 and <= 126) or (>= 161 and <= 172) or >= 174 ? (char)value : (char)next++;
        return characters;
    }
}
