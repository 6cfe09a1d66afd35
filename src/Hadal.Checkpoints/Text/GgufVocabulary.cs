using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Text;

/// <summary>The vocabulary inside a GGUF file: the values of its <c>tokenizer.ggml.*</c> keys.</summary>
internal sealed record GgufVocabulary
{
    /// <summary><c>gpt2</c> (byte-level byte pairs), <c>llama</c> (SentencePiece) or <c>bert</c> (WordPiece).</summary>
    public required string Model { get; init; }

    /// <summary>Name of the pre-tokenizer of a <c>gpt2</c> vocabulary.</summary>
    public string Pre { get; init; } = "default";

    public required IReadOnlyList<string> Tokens { get; init; }

    /// <summary>Kind per token (see <see cref="TokenKind"/>); all are normal where absent.</summary>
    public IReadOnlyList<int>? TokenTypes { get; init; }

    public IReadOnlyList<float>? Scores { get; init; }

    public IReadOnlyList<string> Merges { get; init; } = [];

    public int? BosTokenId { get; init; }

    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    public int? UnknownTokenId { get; init; }

    public int? SeparatorTokenId { get; init; }

    public bool? AddsBos { get; init; }

    public bool? AddsEos { get; init; }

    public bool? AddsSeparator { get; init; }

    public bool? AddsSpacePrefix { get; init; }

    /// <summary>Reads the keys.</summary>
    /// <exception cref="CheckpointException">A required key is missing, or an array too long.</exception>
    public static GgufVocabulary Read(GgufMetadata metadata)
    {
        var model = metadata.GetString("tokenizer.ggml.model") ?? throw new CheckpointException("the GGUF file has no tokenizer.ggml.model, so no tokenizer");
        Bound(metadata, "tokenizer.ggml.tokens", TokenizerJson.MaxTokens);
        Bound(metadata, "tokenizer.ggml.merges", TokenizerJson.MaxMerges);
        Bound(metadata, "tokenizer.ggml.token_type", TokenizerJson.MaxTokens);
        Bound(metadata, "tokenizer.ggml.scores", TokenizerJson.MaxTokens);
        var isBert = model == "bert";
        return new GgufVocabulary
        {
            Model = model,
            Pre = metadata.GetString("tokenizer.ggml.pre") ?? "default",
            Tokens = metadata.GetStrings("tokenizer.ggml.tokens") ?? throw new CheckpointException("the GGUF file has no tokenizer.ggml.tokens"),
            TokenTypes = metadata.GetIntegers("tokenizer.ggml.token_type"),
            Scores = metadata.GetNumbers("tokenizer.ggml.scores"),
            Merges = metadata.GetStrings("tokenizer.ggml.merges") ?? [],
            BosTokenId = Id(metadata, isBert ? "cls" : "bos") ?? Id(metadata, "bos"),
            EosTokenIds = [.. ((int?[])[Id(metadata, "eos"), Id(metadata, "eot"), Id(metadata, "eom")]).OfType<int>().Distinct()],
            UnknownTokenId = Id(metadata, "unknown"),
            // The key is misspelt in files of every age.
            SeparatorTokenId = Id(metadata, "seperator") ?? Id(metadata, "separator"),
            AddsBos = metadata.GetBoolean("tokenizer.ggml.add_bos_token"),
            AddsEos = metadata.GetBoolean("tokenizer.ggml.add_eos_token"),
            AddsSeparator = metadata.GetBoolean("tokenizer.ggml.add_sep_token"),
            AddsSpacePrefix = metadata.GetBoolean("tokenizer.ggml.add_space_prefix"),
        };
    }

    /// <summary>Builds the tokenizer.</summary>
    /// <exception cref="CheckpointException">The vocabulary contradicts itself or is of a kind that is not supported.</exception>
    public Tokenizer Build()
    {
        if (Tokens.Count is 0 or > TokenizerJson.MaxTokens) throw new CheckpointException($"tokenizer.ggml.tokens has {Tokens.Count} entries, allowed are 1 to {TokenizerJson.MaxTokens}");
        if (TokenTypes is { } types && types.Count != Tokens.Count) throw new CheckpointException($"tokenizer.ggml.token_type has {types.Count} entries for {Tokens.Count} tokens");
        return Model switch
        {
            "gpt2" => BuildBytePair(),
            "llama" => BuildSentencePiece(),
            "bert" => BuildWordPiece(),
            _ => throw new CheckpointException($"tokenizer.ggml.model is '{Model}', supported are gpt2, llama and bert"),
        };
    }

    private BytePairTokenizer BuildBytePair()
    {
        var family = GgufPreTokenizers.Find(Pre);
        var entries = Entries();
        var vocabulary = new Vocabulary(entries, VocabularySpelling.ByteLevel);
        var ids = new Dictionary<string, int>(entries.Length);
        for (var id = 0; id < entries.Length; id++)
            if (!ids.TryAdd(entries[id].Text, id)) throw new CheckpointException($"tokenizer.ggml.tokens: '{entries[id].Text}' has the ids {ids[entries[id].Text]} and {id}");
        var merges = BytePairVocabulary.Resolve(Merges.Select(SplitMerge), ids, vocabulary);
        var rules = new BytePairRules { PreTokenizer = family.PreTokenizer, Normalizer = family.Normalizer, IgnoresMerges = family.IgnoresMerges };
        return new BytePairTokenizer(vocabulary, new BytePairMerges(merges), AddedTokens(entries), rules, Frame(AddsBos ?? family.AddsBos));
    }

    private SentencePieceTokenizer BuildSentencePiece()
    {
        if (Scores is not { } scores || scores.Count != Tokens.Count) throw new CheckpointException($"tokenizer.ggml.scores has {Scores?.Count ?? 0} entries for {Tokens.Count} tokens");
        if (scores.Any(float.IsNaN)) throw new CheckpointException("tokenizer.ggml.scores has a value that is no number");
        var entries = Entries();
        var frame = Frame(AddsBos ?? true) with { DropsLeadingSpace = AddsSpacePrefix ?? true };
        return new SentencePieceTokenizer(
            new Vocabulary(entries, VocabularySpelling.SpaceSign), [.. scores], AddedTokens(entries), AddsSpacePrefix ?? true, UnknownTokenId is { } unknown ? Known(unknown, "unknown_token_id") : -1, frame);
    }

    private WordPieceTokenizer BuildWordPiece()
    {
        var entries = Entries();
        var frame = Frame(AddsBos ?? true) with { DropsLeadingSpace = true };
        if ((AddsSeparator ?? true) && SeparatorTokenId is { } separator) frame = frame with { Suffix = [Known(separator, "seperator_token_id")] };
        return new WordPieceTokenizer(
            new Vocabulary(entries, VocabularySpelling.SpaceSign), AddedTokens(entries), Known(UnknownTokenId ?? -1, "unknown_token_id"), frame);
    }

    private VocabularyEntry[] Entries()
    {
        var entries = new VocabularyEntry[Tokens.Count];
        for (var id = 0; id < entries.Length; id++)
        {
            var kind = TokenTypes is null ? TokenKind.Normal : (TokenKind)TokenTypes[id];
            if (!Enum.IsDefined(kind)) throw new CheckpointException($"tokenizer.ggml.token_type[{id}] is {(int)kind}, known are 1 to 6");
            if (kind == TokenKind.UserDefined && AddedToken.LooksLikeMarker(Tokens[id])) kind = TokenKind.Control;
            if (Tokens[id].Length == 0) kind = TokenKind.Unused;
            entries[id] = new VocabularyEntry(Tokens[id].Length == 0 ? $"[EMPTY_{id}]" : Tokens[id], kind);
        }

        return entries;
    }

    private static List<AddedToken> AddedTokens(VocabularyEntry[] entries)
    {
        var tokens = new List<AddedToken>();
        for (var id = 0; id < entries.Length; id++)
        {
            if (entries[id].Kind is not (TokenKind.Control or TokenKind.UserDefined or TokenKind.Unknown)) continue;
            if (entries[id].Text.Length > TokenizerJson.MaxAddedLength) throw new CheckpointException($"tokenizer.ggml.tokens[{id}] has {entries[id].Text.Length} characters, allowed are {TokenizerJson.MaxAddedLength}");
            tokens.Add(new AddedToken(id, entries[id].Text, entries[id].Kind != TokenKind.UserDefined));
        }

        return tokens;
    }

    private TokenizerFrame Frame(bool addsBos)
    {
        int? bos = BosTokenId is { } id ? Known(id, "bos_token_id") : null;
        foreach (var eos in EosTokenIds) Known(eos, "eos_token_id");
        return new TokenizerFrame
        {
            BosTokenId = bos,
            EosTokenIds = EosTokenIds,
            Prefix = addsBos && bos is { } prefix ? [prefix] : [],
            Suffix = AddsEos == true && EosTokenIds.Count > 0 ? [EosTokenIds[0]] : [],
        };
    }

    private int Known(int id, string key) =>
        (uint)id < (uint)Tokens.Count ? id : throw new CheckpointException($"tokenizer.ggml.{key} is {id}, there are {Tokens.Count} tokens");

    private static (string Left, string Right) SplitMerge(string merge)
    {
        // A token may begin with a space, but none is empty.
        var space = merge.Length < 2 ? -1 : merge.IndexOf(' ', 1);
        return space >= 0 ? (merge[..space], merge[(space + 1)..]) : throw new CheckpointException($"tokenizer.ggml.merges: '{merge}' is not two tokens with a space between");
    }

    private static int? Id(GgufMetadata metadata, string name) => metadata.GetInteger($"tokenizer.ggml.{name}_token_id") switch
    {
        null or -1 or uint.MaxValue => null,
        var id => (int)Math.Clamp(id.Value, int.MinValue, int.MaxValue),
    };

    private static void Bound(GgufMetadata metadata, string key, long limit)
    {
        if (metadata.Contains(key) && metadata.GetArrayLength(key) is { } count && count > limit) throw new CheckpointException($"{key} has {count} entries, the limit is {limit}");
    }
}
