using CsCheck;
using Hadal.Checkpoints.Config;

namespace Hadal.Parity.Tests;

/// <summary>A small llama, qwen2 or qwen3 nobody published, and what to run it on.</summary>
/// <param name="Config">Its config.</param>
/// <param name="IsBFloat16">Whether its weights are saved in bfloat16 instead of float32.</param>
/// <param name="TokenCount">Length of the sequence.</param>
/// <param name="Seed">Draws weights and tokens.</param>
internal sealed record GroupedQueryCase(GroupedQueryConfig Config, bool IsBFloat16, int TokenCount, int Seed)
{
    private static readonly RopeScaling?[] Scalings =
    [
        null,
        new RopeScaling { Type = "linear", Factor = 3 },
        new RopeScaling { RopeType = "llama3", Factor = 8, LowFreqFactor = 1, HighFreqFactor = 4, OriginalMaxPositionEmbeddings = 32 },
        new RopeScaling { Type = "yarn", Factor = 4, OriginalMaxPositionEmbeddings = 64 },
    ];

    /// <summary>Every family, scaling and option of these families, in sizes that divide nothing.</summary>
    public static Gen<GroupedQueryCase> Gen { get; } =
        from keyHeads in CsCheck.Gen.Int[1, 3]
        from queryHeads in CsCheck.Gen.Int[1, 4]
        from headSize in Pick(4, 6, 16)
        from hidden in Pick(16, 27, 40)
        from family in Pick("llama", "qwen2", "qwen3")
        from hasBias in CsCheck.Gen.Bool
        from hasFeedForwardBias in CsCheck.Gen.Bool
        from isTied in CsCheck.Gen.Bool
        from scaling in CsCheck.Gen.Int[0, Scalings.Length - 1]
        from isBFloat16 in CsCheck.Gen.Bool
        from tokenCount in Pick(9, 24, 150)
        from seed in CsCheck.Gen.Int[0, 1_000_000]
        select new GroupedQueryCase(
            new GroupedQueryConfig
            {
                ModelType = family, VocabSize = 37, HiddenSize = hidden, IntermediateSize = hidden + 5, NumHiddenLayers = 2, NumAttentionHeads = keyHeads * queryHeads,
                NumKeyValueHeads = keyHeads, HeadDim = headSize, RmsNormEps = 1e-6, MaxPositionEmbeddings = 256, TieWordEmbeddings = isTied, RopeScaling = Scalings[scaling],
                AttentionBias = family == "qwen2" ? null : hasBias, MlpBias = family == "llama" && hasFeedForwardBias,
            },
            isBFloat16, tokenCount, seed);

    /// <summary>What the case has, for the test that counts.</summary>
    public IEnumerable<string> Features()
    {
        yield return Config.ModelType;
        yield return Config.RopeScaling?.Kind ?? "no scaling";
        yield return IsBFloat16 ? "saved in bfloat16" : "saved in float32";
        if (Config.HasOutputBias) yield return "output bias";
        if (Config.MlpBias) yield return "feed-forward bias";
        if (Config.TieWordEmbeddings) yield return "tied embeddings";
        if (Config.NumAttentionHeads > Config.NumKeyValueHeads) yield return "shared keys";
    }

    /// <inheritdoc/>
    public override string ToString() => $"seed {Seed}, {TokenCount} tokens, {(IsBFloat16 ? "BF16" : "F32")}: {Config.ToJson()}";

    private static Gen<T> Pick<T>(params T[] values) => CsCheck.Gen.Int[0, values.Length - 1].Select(index => values[index]);
}
