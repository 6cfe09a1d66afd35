using System.Text.Json;
using Hadal.Checkpoints.Adapters;

namespace Hadal.Training.Adapters;

/// <summary>A low-rank adapter to be trained, in the keys of huggingface/peft <c>LoraConfig</c>.</summary>
public sealed record LoraOptions
{
    private const int MaxRank = 1024;

    /// <summary>Rank.</summary>
    public int R { get; init; } = 16;

    /// <summary>Numerator of the scale.</summary>
    public double LoraAlpha { get; init; } = 32;

    /// <summary>Ranks of modules whose path ends in a match of the key, a pattern, in the place of <see cref="R"/>.</summary>
    public IReadOnlyDictionary<string, int>? RankPattern { get; init; }

    /// <summary>Values of such modules in the place of <see cref="LoraAlpha"/>.</summary>
    public IReadOnlyDictionary<string, double>? AlphaPattern { get; init; }

    /// <summary>Share of a projection's inputs that are left out while training.</summary>
    public double LoraDropout { get; init; }

    /// <summary>Which projections: a list of names or path endings, a pattern for whole paths, or <c>all-linear</c>; in a list <c>all-linear</c> means the same, <c>experts</c> all matrices of the routed experts,
    /// which no bare name does, <c>embed_tokens</c> the table of embeddings and <c>lm_head</c> the output head. Null for <c>all-linear</c>.</summary>
    public JsonElement? TargetModules { get; init; }

    /// <summary>Which biases are trained too: <c>none</c>, <c>lora_only</c> (of adapted projections) or <c>all</c>.</summary>
    public string Bias { get; init; } = "none";

    /// <summary>Whether the scale divides by the root of the rank.</summary>
    public bool UseRslora { get; init; }

    /// <summary>Whether rows of the adapted weight have a trained length.</summary>
    public bool UseDora { get; init; }

    /// <summary>Tells <paramref name="expect"/> of every key whether it is right, and the fault if it is not.</summary>
    internal void Check(Action<bool, string> expect)
    {
        expect(R is >= 1 and <= MaxRank, $"lora.r: expected 1 to {MaxRank}, got {R}");
        expect(LoraAlpha > 0, $"lora.lora_alpha: expected a positive number, got {LoraAlpha}");
        foreach (var (key, rank) in RankPattern ?? new Dictionary<string, int>()) expect(rank is >= 1 and <= MaxRank, $"lora.rank_pattern.{key}: expected 1 to {MaxRank}, got {rank}");
        foreach (var (key, alpha) in AlphaPattern ?? new Dictionary<string, double>()) expect(alpha > 0, $"lora.alpha_pattern.{key}: expected a positive number, got {alpha}");
        _ = new AdapterScales(new AdapterConfig { RankPattern = RankPattern, AlphaPattern = AlphaPattern }, fault => expect(false, $"lora.{fault}"));
        expect(LoraDropout is >= 0 and < 1, $"lora.lora_dropout: expected 0 to below 1, got {LoraDropout}");
        expect(Bias is "none" or "lora_only" or "all", $"lora.bias: expected none, lora_only or all, got '{Bias}'");
        expect(TargetModules is null or { ValueKind: JsonValueKind.String or JsonValueKind.Array } && (TargetModules is not { ValueKind: JsonValueKind.Array } list
            || (list.GetArrayLength() > 0 && list.EnumerateArray().All(name => name.ValueKind == JsonValueKind.String))), "lora.target_modules: expected a list of names, a pattern, or all-linear");
    }
}
