using System.Text.Json;

namespace Hadal.Checkpoints.Text;

/// <summary>Reads <c>tokenizer.json</c> (byte-pair models) together with what <c>tokenizer_config.json</c> adds to it.</summary>
internal static class TokenizerJson
{
    /// <summary>Bytes allowed in the file; the largest published ones have about 35 million.</summary>
    public const int MaxBytes = 128 << 20;

    /// <summary>Ids allowed; the largest published vocabularies have about 260 000.</summary>
    public const int MaxTokens = 1 << 20;

    /// <summary>Ids without a token that a vocabulary may have beside as many as it has tokens; tables are made up to the highest id.</summary>
    private const int MaxUnusedIds = 16384;

    /// <summary>Merges allowed; the largest published vocabularies have about 520 000.</summary>
    public const int MaxMerges = 1 << 21;

    /// <summary>UTF-16 units allowed in an added token: finding them takes time by the longest one. Published ones have below a hundred.</summary>
    public const int MaxAddedLength = 256;

    /// <summary>Builds the tokenizer.</summary>
    /// <param name="tokenizer">Contents of <c>tokenizer.json</c>.</param>
    /// <param name="config">Contents of <c>tokenizer_config.json</c>; may be empty.</param>
    /// <param name="where">Path for messages.</param>
    /// <exception cref="CheckpointException">The file is malformed, too large, or of a kind that is not supported.</exception>
    public static Tokenizer Read(ReadOnlyMemory<byte> tokenizer, ReadOnlyMemory<byte> config, string where)
    {
        if (tokenizer.Length > MaxBytes) throw new CheckpointException($"{where}: has {tokenizer.Length} bytes, the limit is {MaxBytes}");
        try
        {
            using var document = JsonDocument.Parse(tokenizer);
            using var settings = config.IsEmpty ? null : JsonDocument.Parse(config, new JsonDocumentOptions { AllowTrailingCommas = true });
            return Read(document.RootElement, settings?.RootElement);
        }
        catch (CheckpointException fault)
        {
            throw new CheckpointException($"{where}: {fault.Message}", fault);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException or FormatException)
        {
            // The last two: a value of another type than expected, or a string with a lone surrogate.
            throw new CheckpointException($"{where}: is not a tokenizer file: {fault.Message}", fault);
        }
    }

    private static BytePairTokenizer Read(JsonElement root, JsonElement? config)
    {
        var model = root.Find("model") ?? throw new CheckpointException("has no \"model\"");
        var kind = model.FindString("type") ?? (model.Find("merges") is null ? "missing" : "BPE");
        if (kind != "BPE") throw new CheckpointException($"model.type is {kind}, supported is BPE");
        RefuseUnusual(model);

        var preTokenizer = PreTokenizerJson.Read(root.Find("pre_tokenizer"));
        var isByteLevel = preTokenizer.Stages.Any(stage => stage.SpellsBytes);
        var spelling = isByteLevel ? VocabularySpelling.ByteLevel : VocabularySpelling.SpaceSign;
        var vocab = ReadVocab(model);
        var added = ReadAdded(root);
        var vocabulary = new Vocabulary(Entries(vocab, added, isByteLevel), spelling);
        var unknown = model.FindString("unk_token") is { } text
            ? vocabulary.TryGetId(text, out var id) ? id : throw new CheckpointException($"model.unk_token '{text}' is not in the vocabulary")
            : -1;
        var rules = new BytePairRules
        {
            Normalizer = NormalizerJson.Read(root.Find("normalizer")),
            PreTokenizer = preTokenizer,
            StartsFromBytes = isByteLevel,
            IgnoresMerges = model.FindBoolean("ignore_merges") ?? false,
            FallsBackToBytes = model.FindBoolean("byte_fallback") ?? false,
            FusesUnknown = model.FindBoolean("fuse_unk") ?? false,
            UnknownId = unknown,
        };
        var merges = new BytePairMerges(BytePairVocabulary.Resolve(ReadMerges(model), vocab, vocabulary));
        return new BytePairTokenizer(vocabulary, merges, added, rules, TokenizerFrameJson.Read(root, config, vocabulary, isByteLevel));
    }

    private static void RefuseUnusual(JsonElement model)
    {
        if (model.Find("dropout") is { } dropout && dropout.GetDouble() > 0) throw new CheckpointException("model.dropout is set, encoding would be random");
        foreach (var name in (ReadOnlySpan<string>)["continuing_subword_prefix", "end_of_word_suffix"])
            if (model.FindString(name) is { Length: > 0 } value) throw new CheckpointException($"model.{name} '{value}' is not supported");
    }

    private static Dictionary<string, int> ReadVocab(JsonElement model)
    {
        var vocab = new Dictionary<string, int>();
        var ids = new HashSet<int>();
        foreach (var property in (model.Find("vocab") ?? throw new CheckpointException("has no model.vocab")).EnumerateObject())
        {
            var id = Id(property.Value, "model.vocab");
            if (property.Name.Length == 0) throw new CheckpointException($"model.vocab: token {id} is empty");
            if (!vocab.TryAdd(property.Name, id)) throw new CheckpointException($"model.vocab: '{property.Name}' appears twice");
            if (!ids.Add(id)) throw new CheckpointException($"model.vocab: id {id} appears twice");
        }

        return vocab;
    }

    private static List<AddedToken> ReadAdded(JsonElement root)
    {
        var tokens = new List<AddedToken>();
        if (root.Find("added_tokens") is not { } list) return tokens;
        foreach (var item in list.EnumerateArray())
        {
            var id = Id(item.Find("id") ?? default, "added_tokens");
            var content = item.FindString("content") ?? throw new CheckpointException($"added token {id} has no content");
            if (content.Length is 0 or > MaxAddedLength) throw new CheckpointException($"added token {id} has {content.Length} characters, allowed are 1 to {MaxAddedLength}");
            tokens.Add(new AddedToken(
                id, content, (item.FindBoolean("special") ?? false) || AddedToken.LooksLikeMarker(content), item.FindBoolean("normalized") ?? false,
                item.FindBoolean("single_word") ?? false, item.FindBoolean("lstrip") ?? false, item.FindBoolean("rstrip") ?? false));
        }

        return tokens;
    }

    private static VocabularyEntry[] Entries(Dictionary<string, int> vocab, List<AddedToken> added, bool isByteLevel)
    {
        var count = Math.Max(vocab.Values.Append(-1).Max(), added.Select(token => token.Id).Append(-1).Max()) + 1;
        if (count == 0) throw new CheckpointException("the vocabulary is empty");
        if (count > (2 * (vocab.Count + added.Count)) + MaxUnusedIds) throw new CheckpointException($"ids go up to {count - 1}, but there are {vocab.Count + added.Count} tokens");
        var entries = new VocabularyEntry[count];
        foreach (var (text, id) in vocab)
            entries[id] = new VocabularyEntry(text, !isByteLevel && Vocabulary.TryParseByte(text, out _) ? TokenKind.Byte : TokenKind.Normal);
        foreach (var token in added)
        {
            var isInModel = vocab.TryGetValue(token.Content, out var id);
            if ((isInModel && id != token.Id) || (entries[token.Id] is { Kind: not TokenKind.None } taken && taken.Text != token.Content))
                throw new CheckpointException($"added token '{token.Content}' has id {token.Id}, which is another token's or differs from model.vocab");
            entries[token.Id] = new VocabularyEntry(token.Content, token.IsControl ? TokenKind.Control : TokenKind.UserDefined, isInModel);
        }

        return entries;
    }

    private static IEnumerable<(string Left, string Right)> ReadMerges(JsonElement model)
    {
        var merges = model.Find("merges") ?? throw new CheckpointException("has no model.merges");
        if (merges.GetArrayLength() > MaxMerges) throw new CheckpointException($"has {merges.GetArrayLength()} merges, the limit is {MaxMerges}");
        foreach (var merge in merges.EnumerateArray())
        {
            if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2)
            {
                yield return (merge[0].GetString() ?? "", merge[1].GetString() ?? "");
                continue;
            }

            var text = merge.GetString() ?? "";
            var space = text.IndexOf(' ');
            if (space < 0 || text.AsSpan(space + 1).Contains(' ')) throw new CheckpointException($"merge '{text}' is not two tokens with a space between");
            yield return (text[..space], text[(space + 1)..]);
        }
    }

    private static int Id(JsonElement value, string where) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var id) && id is >= 0 and < MaxTokens
            ? id
            : throw new CheckpointException($"{where}: an id is {(value.ValueKind == JsonValueKind.Undefined ? "missing" : value.GetRawText())}, expected 0 to {MaxTokens - 1}");
}
