using CsCheck;
using Hadal.Checkpoints.Config;
using Hadal.Inference.Models;

namespace Hadal.Parity.Tests;

/// <summary>A small model nobody published, and what to run it on.</summary>
/// <param name="Config">Its config.</param>
/// <param name="IsBFloat16">Whether its weights are saved in bfloat16 instead of float32.</param>
/// <param name="Form">How the engine computes latent attention.</param>
/// <param name="TokenCount">Length of the sequence.</param>
/// <param name="Seed">Draws weights and tokens.</param>
internal sealed record DrawnCase(DeepSeekConfig Config, bool IsBFloat16, MlaForm Form, int TokenCount, int Seed)
{
    /// <summary>Every family, router, scaling and option that the four DeepSeek families know, in sizes that divide nothing.</summary>
    public static Gen<DrawnCase> Gen { get; } =
        from config in Gens.Config
        from isBFloat16 in CsCheck.Gen.Bool
        from form in Pick(MlaForm.Absorbed, MlaForm.Plain)
        from tokenCount in CsCheck.Gen.Int[9, 24]
        from seed in CsCheck.Gen.Int[0, 1_000_000]
        select new DrawnCase(config, isBFloat16, form, tokenCount, seed);

    /// <summary>A hadal model with everything, on more tokens than a block of the cache (64) and a block of queries (128) have.</summary>
    public static DrawnCase Long { get; } = new(
        new DeepSeekConfig
        {
            ModelType = "hadal", VocabSize = 37, HiddenSize = 24, IntermediateSize = 29, MoeIntermediateSize = 13, NumHiddenLayers = 2, NumAttentionHeads = 3, NumKeyValueHeads = 3,
            RmsNormEps = 1e-6, MaxPositionEmbeddings = 256, QLoraRank = 12, KvLoraRank = 9, QkNopeHeadDim = 5, QkRopeHeadDim = 4, VHeadDim = 7, NSharedExperts = 1,
            FirstKDenseReplace = 1, NRoutedExperts = 4, NumExpertsPerTok = 2, TopkMethod = "noaux_tc", ScoringFunc = "sigmoid", NormTopkProb = true, NumNextnPredictLayers = 1,
            IndexNHeads = 2, IndexHeadDim = 8, IndexTopk = 20,
        },
        IsBFloat16: false, MlaForm.Absorbed, TokenCount: 150, Seed: 1);

    /// <summary>What the case has, for the test that counts.</summary>
    public IEnumerable<string> Features()
    {
        yield return Config.ModelType;
        yield return IsBFloat16 ? "saved in bfloat16" : "saved in float32";
        yield return $"{Form} attention";
        yield return Config.QLoraRank is null ? "full queries" : "query latent";
        yield return $"{Config.TopkMethod} router";
        yield return $"{Config.NSharedExperts ?? 0} shared experts";
        if (Config.NormTopkProb) yield return "normalised weights";
        if (Config.NGroup > 1) yield return "groups";
        if (Config.NumAttentionHeads % 2 == 1) yield return "odd head count";
        if (Config.RopeScaling is not null) yield return "yarn";
        if (Config.TieWordEmbeddings) yield return "tied embeddings";
        if (Config.NumNextnPredictLayers > 0) yield return "prediction layer";
        if (Config.IndexTopk < TokenCount) yield return "selection";
    }

    /// <inheritdoc/>
    public override string ToString() => $"seed {Seed}, {TokenCount} tokens, {(IsBFloat16 ? "BF16" : "F32")}, {Form}: {Config.ToJson()}";

    private static Gen<T> Pick<T>(params T[] values) => CsCheck.Gen.Int[0, values.Length - 1].Select(index => values[index]);

    private static class Gens
    {
        private static readonly Gen<RopeScaling?> Scaling = CsCheck.Gen.OneOf(
            Pick<RopeScaling?>([null]),
            from factor in Pick(2.0, 40.0)
            from original in Pick(8, 64)
            from mscale in Pick<(double?, double?)>((null, null), (1.0, 1.0), (0.707, 0.707), (1.0, 0.5))
            select (RopeScaling?)new RopeScaling { Type = "yarn", Factor = factor, OriginalMaxPositionEmbeddings = original, BetaFast = 4, Mscale = mscale.Item1, MscaleAllDim = mscale.Item2 });

        private static readonly Gen<DeepSeekConfig> Sizes =
            from heads in CsCheck.Gen.Int[1, 5]
            from rank in Pick(9, 16, 21)
            from nope in Pick(5, 8)
            from rope in Pick(4, 8)
            from value in Pick(3, 8, 11)
            from hidden in Pick(16, 27, 40)
            from layers in CsCheck.Gen.Int[2, 3]
            from dense in CsCheck.Gen.Int[0, 2]
            from shared in Pick<int?>(null, 1, 2)
            from isTied in CsCheck.Gen.Bool
            from scaling in Scaling
            from routedScale in Pick(1.0, 2.5)
            select new DeepSeekConfig
            {
                ModelType = "deepseek_v2", VocabSize = 37, HiddenSize = hidden, IntermediateSize = hidden + 5, MoeIntermediateSize = 13, NumHiddenLayers = layers,
                NumAttentionHeads = heads, NumKeyValueHeads = heads, RmsNormEps = 1e-6, MaxPositionEmbeddings = 256, KvLoraRank = rank, QkNopeHeadDim = nope,
                QkRopeHeadDim = rope, VHeadDim = value, NSharedExperts = shared, FirstKDenseReplace = Math.Min(dense, layers - 1), TieWordEmbeddings = isTied,
                RopeScaling = scaling, RoutedScalingFactor = routedScale,
            };

        private static readonly Gen<DeepSeekConfig> Routed =
            from sizes in Sizes
            from groupCount in Pick(1, 2, 4)
            from groupSize in CsCheck.Gen.Int[2, 3]
            from keptGroups in CsCheck.Gen.Int[1, 4]
            from perToken in CsCheck.Gen.Int[1, 3]
            from isNormalised in CsCheck.Gen.Bool
            from hasLatent in CsCheck.Gen.Bool
            let kept = Math.Min(keptGroups, groupCount)
            select sizes with
            {
                NRoutedExperts = groupCount * groupSize * (groupCount == 1 ? 2 : 1),
                NGroup = groupCount,
                TopkGroup = kept,
                NumExpertsPerTok = Math.Min(perToken, kept * groupSize),
                NormTopkProb = isNormalised,
                QLoraRank = hasLatent ? 12 : null,
            };

        public static readonly Gen<DeepSeekConfig> Config =
            from config in Routed
            from family in Pick("deepseek_v2", "deepseek_v3", "deepseek_v32", "hadal")
            from predictionLayers in CsCheck.Gen.Int[0, 1]
            from indexHeads in CsCheck.Gen.Int[1, 3]
            from indexHead in Pick(8, 12)
            from topk in CsCheck.Gen.Int[2, 8]
            select family switch
            {
                "deepseek_v2" => config with { TopkMethod = config.NGroup > 1 ? "group_limited_greedy" : "greedy", NormTopkProb = false },
                "deepseek_v3" => Sigmoid(config, family, predictionLayers),
                _ => Sigmoid(config, family, predictionLayers) with { IndexNHeads = indexHeads, IndexHeadDim = indexHead, IndexTopk = topk },
            };

        private static DeepSeekConfig Sigmoid(DeepSeekConfig config, string family, int predictionLayers) =>
            config with { ModelType = family, TopkMethod = "noaux_tc", ScoringFunc = "sigmoid", NumNextnPredictLayers = predictionLayers };
    }
}
