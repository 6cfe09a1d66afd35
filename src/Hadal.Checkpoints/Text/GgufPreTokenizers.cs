using System.Text;

namespace Hadal.Checkpoints.Text;

/// <summary>The pre-tokenizers that GGUF files call by name (<c>tokenizer.ggml.pre</c>), with what else the name implies.</summary>
/// <remarks>Names as in llama.cpp. Where its list differs from the models' own <c>tokenizer.json</c>, the latter is followed: single
/// digits for deepseek-llm, normalisation form C for Qwen.</remarks>
internal static class GgufPreTokenizers
{
    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private const string LinesAndSpaces = @"\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Cjk = "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+";

    private const string Llama3 = Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + LinesAndSpaces;
    private const string Qwen2 = Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + LinesAndSpaces;
    private const string Upper = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", Lead = @"[^\r\n\p{L}\p{N}]?";

    private const string Tekken = $@"{Lead}{Upper}*{Lower}+|{Lead}{Upper}+{Lower}*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|" + LinesAndSpaces;

    /// <summary>The three stages of DeepSeek-V3.</summary>
    internal static readonly string[] DeepSeekV3 =
    [
        @"\p{N}{1,3}",
        "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
        @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|" + LinesAndSpaces,
    ];

    private static readonly string[] Chameleon =
        ["<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", "[\\t\\n]|    |  ", @"\p{N}", @"[\p{P}!-/:-@\[-`{-~]", PreTokenizer.Gpt2Pattern];

    private static readonly string[] MiniCpm5 =
        [@"\p{N}{1,3}", Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|" + LinesAndSpaces];

    private static readonly string[] Youtu =
    [
        "[\uAC00-\uD7A3\u3131-\u318E]+|[！…“”‘’—：；，、-\u303F\uFE30-\uFE4F]+|[\u3105-\u312F]+|[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
        $@"{Lead}{Upper}*{Lower}+{Contractions}?|{Lead}{Upper}+{Lower}*{Contractions}?|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|" + LinesAndSpaces,
    ];

    /// <summary>Finds a family by name.</summary>
    /// <exception cref="CheckpointException">The name is unknown.</exception>
    public static Family Find(string name) => name switch
    {
        "default" => Isolating(@"[\p{P}\$\+<=>\^~\|]+", PreTokenizer.Gpt2Pattern, @"\p{N}+", "[0-9][0-9][0-9]"),
        "gpt-2" or "phi-2" or "jina-es" or "jina-de" or "jina-v2-es" or "jina-v2-de" or "jina-v1-en" or "jina-v2-code" or "roberta-bpe"
            or "gigachat" or "a.x-4.0" or "mellum" or "modern-bert" or "exaone4" or "mpt" or "olmo" or "jais" or "trillion" or "granite-docling"
            => Isolating(PreTokenizer.Gpt2Pattern),
        "starcoder" or "refact" or "command-r" or "smollm" or "codeshell" or "exaone" or "minerva-7b" or "mellum2"
            => Isolating(@"\p{N}", PreTokenizer.Gpt2Pattern),
        "falcon" => Isolating(@"[\p{P}\$\+<=>\^~\|`]+", PreTokenizer.Gpt2Pattern, "[0-9][0-9][0-9]"),
        "chameleon" => Isolating(Chameleon) with { AddsBos = true },
        "deepseek-llm" => Isolating(DeepSeekLlm()),
        "deepseek-coder" => Isolating(@"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", Cjk, @"\p{N}"),
        "deepseek-v3" or "hunyuan-dense" or "joyai-llm" or "hy_v4" => Isolating(DeepSeekV3),
        "qwen2" or "deepseek-r1-qwen" or "kormo" or "f2llmv2" or "megrez" => Isolating(Qwen2) with { Normalizer = FormC },
        "qwen35" => Isolating(Contractions + @"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + LinesAndSpaces) with { Normalizer = FormC },
        "stablelm2" or "hunyuan" or "solar-open" or "grok-2" => Isolating(Qwen2),
        "llama3" or "llama-v3" or "llama-bpe" or "falcon3" or "falcon-h1" or "pixtral" or "midm-2.0" or "lfm2" or "jina-v5-nano"
            => Isolating(Llama3) with { IgnoresMerges = true, AddsBos = true },
        "dbrx" or "smaug-bpe" or "glm4" or "chatglm-bpe" => Isolating(Llama3),
        "tekken" => Isolating(Tekken) with { IgnoresMerges = true, AddsBos = true },
        "gpt-4o" or "llama4" or "kanana2" or "talkie" or "minimax-m2" => Isolating(
            $@"{Lead}{Upper}*{Lower}+{Contractions}?|{Lead}{Upper}+{Lower}*{Contractions}?|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|" + LinesAndSpaces),
        "poro-chat" or "bloom" or "gpt3-finnish" => Isolating(" ?[^(\\s|.,!?…。，、।۔،)]+"),
        "viking" => Isolating(" ?[^(\\s|.,!?…。，、।۔،)]+", @"\p{N}"),
        "bailingmoe" or "bailingmoe2" or "llada-moe" => Isolating(
            @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"),
        "seed-coder" => Isolating(Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|" + LinesAndSpaces),
        "jais-2" => Isolating(
            Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)"
            + @"|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}"),
        "minicpm5" => Isolating(MiniCpm5) with { IgnoresMerges = true },
        "ufakzeka" => Isolating(@"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + LinesAndSpaces),
        "laguna" => Isolating(@"[^\n]+|[\n]+", Qwen2),
        "youtu" => Isolating(Youtu) with { IgnoresMerges = true },
        _ => throw new CheckpointException($"tokenizer.ggml.pre '{name}' is not supported; convert the model again or use its tokenizer.json"),
    };

    private static TextNormalizer FormC { get; } = TextNormalizer.Of([text => Normalization.Apply(text, NormalizationForm.FormC)]);

    private static Family Isolating(params IEnumerable<string> patterns) => new(PreTokenizer.Isolating(patterns));

    private static string[] DeepSeekLlm() => [@"[\r\n]", @"\s?" + DeepSeekLlmLetters + "+", @"\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+", @"\s+$", Cjk, @"\p{N}"];

    /// <summary>What a name implies.</summary>
    internal sealed record Family(PreTokenizer PreTokenizer)
    {
        public TextNormalizer Normalizer { get; init; } = TextNormalizer.None;

        public bool IgnoresMerges { get; init; }

        public bool AddsBos { get; init; }
    }

    // Letters with case of the Unicode version of the model's time.
    private const string DeepSeekLlmLetters =
        "[\u0041-\u005A\u0061-\u007A\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373"
        + "\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556"
        + "\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15"
        + "\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE"
        + "\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115"
        + "\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B"
        + "\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF"
        + "\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB"
        + "\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943]";
}
