using System.Globalization;
using Hadal.Checkpoints.Config;

namespace Hadal.Checkpoints.Weights;

/// <summary>Every tensor a config calls for: the one list of weight names.</summary>
/// <remarks>Training checks its state against it, inference binds by it, quantisers select by it, memory estimates sum it. Block scales of FP8
/// and the zeros and scales of AWQ are parts of their tensor and not listed. Names and shapes are those of the published checkpoints
/// (deepseek-ai DeepSeek-V3 <c>README_WEIGHTS.md</c>, huggingface/transformers).</remarks>
public static class WeightManifest
{
    /// <summary>All tensors in model order, multi-token-prediction layers last.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="config"/> is null.</exception>
    public static IReadOnlyList<WeightSpec> For(ModelConfig config) => For(config, splitKvB: false);

    /// <summary>As <see cref="For(ModelConfig)"/>; with <paramref name="splitKvB"/> the <c>kv_b_proj</c> of each layer is replaced by
    /// <c>k_b_proj</c> [heads, kv_lora_rank, qk_nope_head_dim] and <c>v_b_proj</c> [heads, v_head_dim, kv_lora_rank], as newer GGUF files have it.</summary>
    internal static IReadOnlyList<WeightSpec> For(ModelConfig config, bool splitKvB)
    {
        ArgumentNullException.ThrowIfNull(config);
        var list = new List<WeightSpec>();
        var hidden = new Dimension(config.HiddenSize, "hidden_size");
        var vocabulary = new Dimension(config.VocabSize, "vocab_size");
        Add(list, "model.embed_tokens.weight", WeightRole.Embedding, [vocabulary, hidden]);
        for (var layerIndex = 0; layerIndex < config.NumHiddenLayers; layerIndex++)
        {
            var prefix = LayerPrefix(layerIndex);
            if (config is DeepSeekConfig deepSeek) AddDeepSeekLayer(list, prefix, deepSeek, layerIndex, splitKvB);
            else AddGroupedQueryLayer(list, prefix, (GroupedQueryConfig)config);
        }

        Add(list, "model.norm.weight", WeightRole.Norm, [hidden]);
        if (config.Head == ModelHead.Language) Add(list, "lm_head.weight", WeightRole.OutputHead, [vocabulary, hidden], optional: config.TieWordEmbeddings);
        else AddScore(list, config, hidden);
        if (config is DeepSeekConfig withPrediction)
        {
            for (var index = 0; index < withPrediction.NumNextnPredictLayers; index++)
                AddPredictionLayer(list, withPrediction, withPrediction.NumHiddenLayers + index, splitKvB);
        }

        return list;
    }

    private static void AddScore(List<WeightSpec> list, ModelConfig config, Dimension hidden)
    {
        var labels = new Dimension(config.Id2label?.Count ?? 0, "labels in id2label");
        Add(list, "score.weight", WeightRole.OutputHead, [labels, hidden]);
        if (config.Head == ModelHead.Token) Add(list, "score.bias", WeightRole.Bias, [labels]);
    }

    /// <summary>The names of layer <paramref name="layerIndex"/> start with this.</summary>
    internal static string LayerPrefix(int layerIndex) => string.Create(CultureInfo.InvariantCulture, $"model.layers.{layerIndex}.");

    private static void AddGroupedQueryLayer(List<WeightSpec> list, string prefix, GroupedQueryConfig config)
    {
        var hidden = new Dimension(config.HiddenSize, "hidden_size");
        var head = new Dimension(config.HeadSize, "head_dim");
        var queries = new Dimension(config.NumAttentionHeads * config.HeadSize, "num_attention_heads × head_dim");
        var keys = new Dimension(config.KeyValueHeadCount * config.HeadSize, "num_key_value_heads × head_dim");
        Add(list, prefix + "input_layernorm.weight", WeightRole.Norm, [hidden]);

        var attention = prefix + "self_attn.";
        AddProjection(list, attention + "q_proj", queries, hidden, config.HasQkvBias);
        AddProjection(list, attention + "k_proj", keys, hidden, config.HasQkvBias);
        AddProjection(list, attention + "v_proj", keys, hidden, config.HasQkvBias);
        AddProjection(list, attention + "o_proj", hidden, queries, config.HasOutputBias);
        if (config.HasQkNorm)
        {
            Add(list, attention + "q_norm.weight", WeightRole.Norm, [head]);
            Add(list, attention + "k_norm.weight", WeightRole.Norm, [head]);
        }

        Add(list, prefix + "post_attention_layernorm.weight", WeightRole.Norm, [hidden]);
        var intermediate = new Dimension(config.IntermediateSize, "intermediate_size");
        AddFeedForward(list, prefix + "mlp.", intermediate, hidden, WeightRole.Projection, config.MlpBias);
    }

    private static void AddDeepSeekLayer(List<WeightSpec> list, string prefix, DeepSeekConfig config, int layerIndex, bool splitKvB)
    {
        var hidden = new Dimension(config.HiddenSize, "hidden_size");
        Add(list, prefix + "input_layernorm.weight", WeightRole.Norm, [hidden]);
        AddLatentAttention(list, prefix + "self_attn.", config, splitKvB);
        if (config.HasIndexer) AddIndexer(list, prefix + "self_attn.indexer.", config, optional: layerIndex >= config.NumHiddenLayers);
        Add(list, prefix + "post_attention_layernorm.weight", WeightRole.Norm, [hidden]);
        if (config.IsSparseLayer(layerIndex)) AddExperts(list, prefix + "mlp.", config);
        else AddFeedForward(list, prefix + "mlp.", new Dimension(config.IntermediateSize, "intermediate_size"), hidden, WeightRole.Projection, bias: false);
    }

    private static void AddLatentAttention(List<WeightSpec> list, string prefix, DeepSeekConfig config, bool splitKvB)
    {
        var hidden = new Dimension(config.HiddenSize, "hidden_size");
        var latent = new Dimension(config.KvLoraRank, "kv_lora_rank");
        var queries = new Dimension(config.NumAttentionHeads * config.QkHeadDim, "num_attention_heads × (qk_nope_head_dim + qk_rope_head_dim)");
        if (config.QLoraRank is { } rank)
        {
            var queryLatent = new Dimension(rank, "q_lora_rank");
            AddProjection(list, prefix + "q_a_proj", queryLatent, hidden);
            Add(list, prefix + "q_a_layernorm.weight", WeightRole.Norm, [queryLatent]);
            AddProjection(list, prefix + "q_b_proj", queries, queryLatent);
        }
        else
        {
            AddProjection(list, prefix + "q_proj", queries, hidden);
        }

        AddProjection(list, prefix + "kv_a_proj_with_mqa", new Dimension(config.KvLoraRank + config.QkRopeHeadDim, "kv_lora_rank + qk_rope_head_dim"), hidden);
        Add(list, prefix + "kv_a_layernorm.weight", WeightRole.Norm, [latent]);
        if (splitKvB)
        {
            var heads = new Dimension(config.NumAttentionHeads, "num_attention_heads");
            Add(list, prefix + "k_b_proj.weight", WeightRole.Projection, [heads, latent, new(config.QkNopeHeadDim, "qk_nope_head_dim")], quantizable: true);
            Add(list, prefix + "v_b_proj.weight", WeightRole.Projection, [heads, new(config.VHeadDim, "v_head_dim"), latent], quantizable: true);
        }
        else
        {
            AddProjection(list, prefix + "kv_b_proj",
                new Dimension(config.NumAttentionHeads * (config.QkNopeHeadDim + config.VHeadDim), "num_attention_heads × (qk_nope_head_dim + v_head_dim)"), latent);
        }

        AddProjection(list, prefix + "o_proj", hidden, new Dimension(config.NumAttentionHeads * config.VHeadDim, "num_attention_heads × v_head_dim"));
    }

    /// <summary>The lightning indexer. Without a query latent <c>wq_b</c> reads the hidden state.</summary>
    private static void AddIndexer(List<WeightSpec> list, string prefix, DeepSeekConfig config, bool optional)
    {
        var hidden = new Dimension(config.HiddenSize, "hidden_size");
        var heads = new Dimension(config.IndexNHeads ?? 0, "index_n_heads");
        var head = new Dimension(config.IndexHeadDim ?? 0, "index_head_dim");
        var source = config.QLoraRank is { } rank ? new Dimension(rank, "q_lora_rank") : hidden;
        Add(list, prefix + "wq_b.weight", WeightRole.Projection, [new(heads.Size * head.Size, "index_n_heads × index_head_dim"), source], true, optional);
        Add(list, prefix + "wk.weight", WeightRole.Projection, [head, hidden], true, optional);
        Add(list, prefix + "k_norm.weight", WeightRole.Norm, [head], false, optional);
        Add(list, prefix + "k_norm.bias", WeightRole.Bias, [head], false, optional);
        Add(list, prefix + "weights_proj.weight", WeightRole.Projection, [heads, hidden], false, optional);
    }

    private static void AddExperts(List<WeightSpec> list, string prefix, DeepSeekConfig config)
    {
        var hidden = new Dimension(config.HiddenSize, "hidden_size");
        var experts = new Dimension(config.NRoutedExperts ?? 0, "n_routed_experts");
        var width = new Dimension(config.MoeIntermediateSize ?? 0, "moe_intermediate_size");
        Add(list, prefix + "gate.weight", WeightRole.Router, [experts, hidden]);
        if (config.TopkMethod == "noaux_tc") Add(list, prefix + "gate.e_score_correction_bias", WeightRole.RouterBias, [experts]);
        for (var index = 0; index < experts.Size; index++)
            AddFeedForward(list, string.Create(CultureInfo.InvariantCulture, $"{prefix}experts.{index}."), width, hidden, WeightRole.Expert, bias: false);
        if (config.NSharedExperts is not > 0) return;

        var sharedWidth = new Dimension(config.NSharedExperts.Value * width.Size, "n_shared_experts × moe_intermediate_size");
        AddFeedForward(list, prefix + "shared_experts.", sharedWidth, hidden, WeightRole.Projection, bias: false);
    }

    private static void AddPredictionLayer(List<WeightSpec> list, DeepSeekConfig config, int layerIndex, bool splitKvB)
    {
        var prefix = LayerPrefix(layerIndex);
        var hidden = new Dimension(config.HiddenSize, "hidden_size");
        var vocabulary = new Dimension(config.VocabSize, "vocab_size");
        Add(list, prefix + "embed_tokens.weight", WeightRole.Embedding, [vocabulary, hidden], optional: true);
        Add(list, prefix + "enorm.weight", WeightRole.Norm, [hidden]);
        Add(list, prefix + "hnorm.weight", WeightRole.Norm, [hidden]);
        Add(list, prefix + "eh_proj.weight", WeightRole.Projection, [hidden, new(2 * config.HiddenSize, "2 × hidden_size")]);
        AddDeepSeekLayer(list, prefix, config, layerIndex, splitKvB);
        Add(list, prefix + "shared_head.norm.weight", WeightRole.Norm, [hidden]);
        Add(list, prefix + "shared_head.head.weight", WeightRole.OutputHead, [vocabulary, hidden], optional: true);
    }

    private static void AddFeedForward(List<WeightSpec> list, string prefix, Dimension width, Dimension hidden, WeightRole role, bool bias)
    {
        AddProjection(list, prefix + "gate_proj", width, hidden, bias, role);
        AddProjection(list, prefix + "up_proj", width, hidden, bias, role);
        AddProjection(list, prefix + "down_proj", hidden, width, bias, role);
    }

    private static void AddProjection(
        List<WeightSpec> list, string module, Dimension output, Dimension input, bool bias = false, WeightRole role = WeightRole.Projection)
    {
        Add(list, module + ".weight", role, [output, input], quantizable: true);
        if (bias) Add(list, module + ".bias", WeightRole.Bias, [output]);
    }

    private static void Add(
        List<WeightSpec> list, string name, WeightRole role, ReadOnlySpan<Dimension> dimensions, bool quantizable = false, bool optional = false)
    {
        var shape = new int[dimensions.Length];
        var keys = new string[dimensions.Length];
        for (var axis = 0; axis < dimensions.Length; axis++) (shape[axis], keys[axis]) = dimensions[axis];
        list.Add(new WeightSpec(name, shape, role, quantizable) { Optional = optional, DimensionKeys = keys });
    }

    private readonly record struct Dimension(int Size, string Key);
}
