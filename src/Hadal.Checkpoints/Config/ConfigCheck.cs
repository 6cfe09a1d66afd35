using System.Globalization;
using System.Text.Json;

namespace Hadal.Checkpoints.Config;

/// <summary>Holds a config against what is computed: ranges, keys that belong together, and keys that change the mathematics. All faults at once.</summary>
internal sealed class ConfigCheck
{
    /// <summary>Largest value of any size. Products of two sizes are checked on their own.</summary>
    private const int MaxSize = 1 << 24;

    private const int MaxLayers = 4096;
    private const int MaxExperts = 1 << 16;

    private readonly FaultList _faults;

    private ConfigCheck(string where) => _faults = new FaultList(where);

    /// <summary>Checks <paramref name="config"/>.</summary>
    /// <param name="config">What was read.</param>
    /// <param name="where">Path, for messages.</param>
    /// <exception cref="CheckpointException">The faults.</exception>
    public static void Check(ModelConfig config, string where)
    {
        var check = new ConfigCheck(where);
        check.CheckSizes(config);
        check.CheckTokens(config);
        if (config.RopeScaling is { } scaling) check.CheckRopeScaling(scaling);
        if (config.QuantizationConfig is { } quantization) check.CheckQuantization(quantization);
        check.CheckOtherKeys(config.OtherKeys);
        if (config.Head != ModelHead.Language) check.CheckLabels(config);
        if (config is DeepSeekConfig deepSeek) check.CheckDeepSeek(deepSeek);
        else check.CheckGroupedQuery((GroupedQueryConfig)config);
        check._faults.ThrowIfAny();
    }

    private void CheckLabels(ModelConfig config)
    {
        const int MaxLabels = 1 << 16;
        if (config.Id2label is not { Count: >= 1 and <= MaxLabels } labels) _faults.Add($"id2label has {config.Id2label?.Count ?? 0} labels, expected 1 to {MaxLabels}, because the head scores them");
        else if (!Enumerable.Range(0, labels.Count).All(id => labels.ContainsKey(Text(id)))) _faults.Add($"id2label: expected the keys 0 to {labels.Count - 1}, found {string.Join(", ", labels.Keys.Take(8))}");
        if (config is DeepSeekConfig { NumNextnPredictLayers: > 0 }) _faults.Add("num_nextn_predict_layers is above 0, and a head for labels predicts no tokens; expected 0");
    }

    /// <summary>Says what a checked config asks for and nothing here does.</summary>
    public static void Warn(ModelConfig config, List<string> warnings)
    {
        if (config.OtherKeys?.TryGetValue("auto_map", out var map) == true && map.ValueKind != JsonValueKind.Null) warnings.Add("auto_map is ignored: code that comes with a checkpoint is never run");

        // −1 is how many files write "none".
        if (config.PadTokenId is { } id && id != -1 && (id < 0 || id >= config.VocabSize))
            warnings.Add($"pad_token_id is {id}, vocab_size is {config.VocabSize}; it is ignored, since nothing is padded");
    }

    private void CheckSizes(ModelConfig config)
    {
        Size("vocab_size", config.VocabSize);
        Size("hidden_size", config.HiddenSize);
        Size("intermediate_size", config.IntermediateSize);
        Size("num_hidden_layers", config.NumHiddenLayers, MaxLayers);
        Size("num_attention_heads", config.NumAttentionHeads);
        Size("num_key_value_heads", config.NumKeyValueHeads);
        Size("max_position_embeddings", config.MaxPositionEmbeddings, int.MaxValue);
        Number("rms_norm_eps", config.RmsNormEps, 0, 1);
        Number("rope_theta", config.RopeTheta, 1, 1e15);
        if (config.HiddenAct != "silu") Unsupported("hidden_act", config.HiddenAct, "silu");
    }

    private void CheckTokens(ModelConfig config)
    {
        Token("bos_token_id", config.BosTokenId);
        foreach (var id in config.EosTokenId) Token("eos_token_id", id);

        // pad_token_id is only warned of: nothing here pads, and files write −1 or the number behind the vocabulary for "none".
        void Token(string key, int? id)
        {
            if (id is { } value && (value < 0 || value >= config.VocabSize)) _faults.Add($"{key} is {value}, vocab_size is {config.VocabSize}");
        }
    }

    private void CheckRopeScaling(RopeScaling scaling)
    {
        switch (scaling.Kind)
        {
            case "default":
                return;
            case "linear":
                break;
            case "llama3":
                Number("rope_scaling.low_freq_factor", scaling.LowFreqFactor, 0, 1e6);
                Number("rope_scaling.high_freq_factor", scaling.HighFreqFactor, 0, 1e6);
                if (scaling.HighFreqFactor <= scaling.LowFreqFactor) _faults.Add("rope_scaling.high_freq_factor must be above low_freq_factor");
                break;
            case "yarn":
                Number("rope_scaling.beta_fast", scaling.BetaFast, 0, 1e6);
                Number("rope_scaling.beta_slow", scaling.BetaSlow, 0, 1e6);
                if (scaling.Mscale is { } mscale) Number("rope_scaling.mscale", mscale, 0, 1e3, orZero: true);
                if (scaling.MscaleAllDim is { } allDim) Number("rope_scaling.mscale_all_dim", allDim, 0, 1e3, orZero: true);
                break;
            default:
                Unsupported("rope_scaling.rope_type", scaling.Kind ?? "missing", "default, linear, llama3, yarn");
                return;
        }

        Number("rope_scaling.factor", scaling.Factor, 0, 1e6);
        Size("rope_scaling.original_max_position_embeddings", scaling.OriginalMaxPositionEmbeddings, int.MaxValue);
        if (scaling.RopeType is not null && scaling.Type is not null && scaling.RopeType != scaling.Type)
            _faults.Add($"rope_scaling.rope_type is '{scaling.RopeType}' and type is '{scaling.Type}'; expected the same");
        foreach (var (key, value) in scaling.OtherKeys ?? new Dictionary<string, JsonElement>())
        {
            if ((key is "attention_factor" or "short_factor" or "long_factor" or "mrope_section") && value.ValueKind != JsonValueKind.Null)
                Unsupported($"rope_scaling.{key}", Text(value), "absent");
            if (key == "truncate" && value.ValueKind == JsonValueKind.False) Unsupported("rope_scaling.truncate", "false", "true");
        }
    }

    private void CheckQuantization(QuantizationConfig quantization)
    {
        switch (quantization.QuantMethod)
        {
            case "fp8":
                if (quantization.Fmt is not (null or "e4m3")) Unsupported("quantization_config.fmt", quantization.Fmt, "e4m3");
                if (quantization.ActivationScheme is not (null or "dynamic"))
                    Unsupported("quantization_config.activation_scheme", quantization.ActivationScheme, "dynamic");
                if (quantization.WeightBlockSize is not [128, 128])
                    Unsupported("quantization_config.weight_block_size", quantization.WeightBlockSize is { } block ? $"[{string.Join(", ", block)}]" : "missing", "[128, 128]");
                break;
            case "awq":
                if (quantization.Bits != 4) Unsupported("quantization_config.bits", Text(quantization.Bits), "4");
                if (quantization.GroupSize is not (32 or 64 or 128))
                    Unsupported("quantization_config.group_size", Text(quantization.GroupSize), "32, 64, 128");
                if (quantization.ZeroPoint == false) Unsupported("quantization_config.zero_point", "false", "true");
                if (quantization.Version is { } version && !version.Equals("gemm", StringComparison.OrdinalIgnoreCase))
                    Unsupported("quantization_config.version", version, "gemm");
                break;
            case CompressedTensors.Method:
                CompressedTensors.Check(quantization, (key, found, supported) => Unsupported($"quantization_config.{key}", found, supported));
                break;
            default:
                Unsupported("quantization_config.quant_method", quantization.QuantMethod, "fp8, awq, compressed-tensors");
                break;
        }
    }

    /// <summary>Keys without a property here, that other programs compute by.</summary>
    private void CheckOtherKeys(IDictionary<string, JsonElement>? keys)
    {
        foreach (var (key, value) in keys ?? new Dictionary<string, JsonElement>())
        {
            if (value.ValueKind == JsonValueKind.Null) continue;
            switch (key)
            {
                case "ep_size" or "partial_rotary_factor" or "attention_multiplier" or "residual_multiplier" or "embedding_multiplier" or "logits_scaling" or "logit_scale":
                    if (value.ValueKind != JsonValueKind.Number || value.GetDouble() != 1) Unsupported(key, Text(value), "1");
                    break;
                case "use_mla":
                    if (value.ValueKind != JsonValueKind.True) Unsupported(key, Text(value), "true");
                    break;
                case "layer_types":
                    if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(type => !type.ValueEqualsText("full_attention")))
                        Unsupported(key, Text(value), "full_attention in every layer");
                    break;
                case "num_experts" or "num_local_experts" or "attn_logit_softcapping" or "final_logit_softcapping" or "clip_qkv":
                    Unsupported(key, Text(value), "absent");
                    break;
                case "use_qk_norm" or "qk_layernorm" or "use_mrope":
                    if (value.ValueKind != JsonValueKind.False) Unsupported(key, Text(value), "false");
                    break;
            }
        }
    }

    private void CheckGroupedQuery(GroupedQueryConfig config)
    {
        var heads = Math.Max(1, config.NumAttentionHeads);
        if (config.ModelType is "qwen2" or "qwen3" && config.NumKeyValueHeads is null)
            _faults.Add($"num_key_value_heads is missing; {config.ModelType} has no common default");
        if (config.ModelType == "qwen3" && config.HeadDim is null) _faults.Add("head_dim is missing; qwen3 has no common default");
        if (config.ModelType == "qwen2" && config.AttentionBias == false) Unsupported("attention_bias", "false", "true for qwen2");
        if (config.ModelType != "llama" && config.MlpBias) Unsupported("mlp_bias", "true", $"false for {config.ModelType}");
        if (config.HeadDim is null && config.HiddenSize % heads != 0)
            _faults.Add($"hidden_size {config.HiddenSize} is no multiple of num_attention_heads {heads}");
        if (config.NumKeyValueHeads is > 0 and var keyValueHeads && heads % keyValueHeads != 0)
            _faults.Add($"num_attention_heads {heads} is no multiple of num_key_value_heads {keyValueHeads}");
        Size("head_dim", config.HeadDim);
        var width = config.HeadDim ?? config.HiddenSize / heads;
        if (width % 2 != 0) _faults.Add($"head_dim {width} is odd; rotary pairs need an even width");
        Product("num_attention_heads × head_dim", heads, width);
        if (config.UseSlidingWindow) Unsupported("use_sliding_window", "true", "false");
    }

    private void CheckDeepSeek(DeepSeekConfig config)
    {
        Size("q_lora_rank", config.QLoraRank);
        Size("kv_lora_rank", config.KvLoraRank);
        Size("qk_nope_head_dim", config.QkNopeHeadDim);
        Size("qk_rope_head_dim", config.QkRopeHeadDim);
        Size("v_head_dim", config.VHeadDim);
        if (config.QkRopeHeadDim % 2 != 0) _faults.Add($"qk_rope_head_dim {config.QkRopeHeadDim} is odd; rotary pairs need an even width");
        Product("num_attention_heads × (qk_nope_head_dim + qk_rope_head_dim)", config.NumAttentionHeads, (long)config.QkNopeHeadDim + config.QkRopeHeadDim);
        Product("num_attention_heads × (qk_nope_head_dim + v_head_dim)", config.NumAttentionHeads, (long)config.QkNopeHeadDim + config.VHeadDim);
        if (config.NumKeyValueHeads is { } keyValueHeads && keyValueHeads != config.NumAttentionHeads)
            Unsupported("num_key_value_heads", Text(keyValueHeads), $"num_attention_heads, {config.NumAttentionHeads}");
        if (config.AttentionBias) Unsupported("attention_bias", "true", "false");
        if (config.RopeInterleave == false) Unsupported("rope_interleave", "false", "true");
        if (config.MoeLayerFreq != 1) Unsupported("moe_layer_freq", Text(config.MoeLayerFreq), "1");
        if (config.NumNextnPredictLayers is < 0 or > 16) _faults.Add($"num_nextn_predict_layers is {config.NumNextnPredictLayers}, expected 0 to 16");
        CheckIndexer(config);
        if (config.NRoutedExperts is not null) CheckExperts(config, config.NRoutedExperts.Value);
    }

    private void CheckIndexer(DeepSeekConfig config)
    {
        var count = new[] { config.IndexNHeads, config.IndexHeadDim, config.IndexTopk }.Count(value => value is not null);
        if (count == 0 && config.ModelType != "deepseek_v32") return;
        if (count > 0 && config.ModelType is "deepseek_v2" or "deepseek_v3")
            _faults.Add($"index_n_heads, index_head_dim, index_topk: are computed for deepseek_v32 and hadal, not for {config.ModelType}");
        if (count < 3) _faults.Add("index_n_heads, index_head_dim and index_topk belong together; one of them is missing");
        Size("index_n_heads", config.IndexNHeads);
        Size("index_head_dim", config.IndexHeadDim);
        Size("index_topk", config.IndexTopk);
        Product("index_n_heads × index_head_dim", config.IndexNHeads ?? 1, config.IndexHeadDim ?? 1);
        if (config.IndexHeadDim < config.QkRopeHeadDim)
            _faults.Add($"index_head_dim {config.IndexHeadDim} is below qk_rope_head_dim {config.QkRopeHeadDim}, which is rotated in it");
    }

    private void CheckExperts(DeepSeekConfig config, int experts)
    {
        Size("n_routed_experts", experts, MaxExperts);
        Size("moe_intermediate_size", config.MoeIntermediateSize ?? 0);
        Size("num_experts_per_tok", config.NumExpertsPerTok ?? 0);
        if (config.NSharedExperts is < 0 or > MaxExperts) _faults.Add($"n_shared_experts is {config.NSharedExperts}, expected 0 to {MaxExperts}");
        Product("n_shared_experts × moe_intermediate_size", config.NSharedExperts ?? 0, config.MoeIntermediateSize ?? 0);
        if (config.FirstKDenseReplace < 0 || config.FirstKDenseReplace > config.NumHiddenLayers)
            _faults.Add($"first_k_dense_replace is {config.FirstKDenseReplace}, expected 0 to num_hidden_layers, {config.NumHiddenLayers}");
        if (config.TopkMethod is not ("greedy" or "group_limited_greedy" or "noaux_tc"))
            Unsupported("topk_method", config.TopkMethod, "greedy, group_limited_greedy, noaux_tc");
        if (config.ScoringFunc is not ("softmax" or "sigmoid")) Unsupported("scoring_func", config.ScoringFunc, "softmax, sigmoid");
        Number("routed_scaling_factor", config.RoutedScalingFactor, 0, 1e6);

        int groups = config.NGroup ?? 1, kept = config.TopkGroup ?? 1;
        var isGrouped = config.TopkMethod is "group_limited_greedy" or "noaux_tc";
        if (groups < 1 || experts % groups != 0) _faults.Add($"n_group is {groups}, expected a divisor of n_routed_experts, {experts}");
        else if (kept < 1 || kept > groups) _faults.Add($"topk_group is {kept}, expected 1 to n_group, {groups}");
        else if (config.NumExpertsPerTok > (isGrouped ? (long)experts / groups * kept : experts))
            _faults.Add($"num_experts_per_tok is {config.NumExpertsPerTok}, more than the experts to choose from");
    }

    private void Size(string key, int? value, int largest = MaxSize)
    {
        if (value is { } size && (size < 1 || size > largest)) _faults.Add($"{key} is {size}, expected 1 to {largest}");
    }

    private void Product(string what, long a, long b)
    {
        if (a * b > int.MaxValue) _faults.Add($"{what} is {a * b}, expected at most {int.MaxValue}");
    }

    /// <summary>A number above <paramref name="least"/> (or equal to it, where <paramref name="orZero"/>) and at most <paramref name="largest"/>.</summary>
    private void Number(string key, double? value, double least, double largest, bool orZero = false)
    {
        if (value is null) _faults.Add($"{key} is missing");
        else if (!(value > least || (orZero && value == least)) || !(value <= largest))
            _faults.Add($"{key} is {Text(value.Value)}, expected {Text(least)} to {Text(largest)}");
    }

    private void Unsupported(string key, string found, string supported) => _faults.Add($"{key} is {found}, which is not computed; supported: {supported}");

    private static string Text(IFormattable? value) => value?.ToString(null, CultureInfo.InvariantCulture) ?? "missing";

    private static string Text(JsonElement value) => value.GetRawText() is { Length: > 100 } text ? text[..100] + "…" : value.GetRawText();
}

/// <summary>Comparisons of JSON values that may be of any kind.</summary>
internal static class JsonElementText
{
    /// <summary>Whether <paramref name="value"/> is the string <paramref name="text"/>.</summary>
    public static bool ValueEqualsText(this JsonElement value, string text) => value.ValueKind == JsonValueKind.String && value.ValueEquals(text);
}
