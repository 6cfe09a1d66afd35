using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Config;

/// <summary>Reads the config of a model from the metadata of its GGUF file.</summary>
/// <remarks>Keys: ggml-org/llama.cpp <c>gguf-py/gguf/constants.py</c>; what the metadata leaves open (biases, tied head, router) shows in the
/// tensors. All faults are reported at once.</remarks>
internal sealed class GgufConfig
{
    private const string SupportedArchitectures = "llama, qwen2, qwen3, deepseek2, deepseek32";

    private readonly GgufMetadata _metadata;
    private readonly IReadOnlyList<GgufFile> _files;
    private readonly FaultList _faults;
    private readonly string _architecture;

    private GgufConfig(IReadOnlyList<GgufFile> files, string architecture, FaultList faults)
    {
        _metadata = files[0].Metadata;
        _files = files;
        _architecture = architecture;
        _faults = faults;
    }

    /// <summary>The config of the model in <paramref name="files"/>.</summary>
    /// <param name="files">Parts of the model, metadata in the first.</param>
    /// <param name="warnings">Receives what looks doubtful.</param>
    /// <exception cref="CheckpointException">Keys are missing or state what is not computed.</exception>
    public static ModelConfig Read(IReadOnlyList<GgufFile> files, List<string> warnings)
    {
        var (where, metadata) = (files[0].Map.Path, files[0].Metadata);
        var faults = new FaultList(where);
        if (metadata.GetString("general.type") is { } type and not "model")
            throw new CheckpointException($"{where}: general.type is '{type}', expected a model");
        var architecture = metadata.GetString("general.architecture") ?? throw new CheckpointException($"{where}: has no general.architecture; the file is no model");
        var reader = new GgufConfig(files, architecture, faults);
        ModelConfig config = architecture switch
        {
            "llama" or "qwen2" or "qwen3" => reader.GroupedQuery(),
            "deepseek2" or "deepseek32" => reader.DeepSeek(warnings),
            _ => throw new CheckpointException($"{where}: general.architecture is '{architecture}', supported are {SupportedArchitectures}"),
        };
        reader.RefuseUnusual();
        faults.ThrowIfAny();
        return config;
    }

    private GroupedQueryConfig GroupedQuery()
    {
        var (hidden, heads) = (Size("embedding_length"), Size("attention.head_count"));
        var head = OptionalSize("attention.key_length");
        Expect("attention.value_length", head);
        Expect("rope.dimension_count", head ?? hidden / heads);
        if (Whole("expert_count") is > 0)
            _faults.Add($"{_architecture}.expert_count: a mixture of experts is computed for deepseek2 and deepseek32 only");
        return new GroupedQueryConfig
        {
            ModelType = _architecture,
            VocabSize = VocabSize(),
            HiddenSize = hidden,
            IntermediateSize = Size("feed_forward_length"),
            NumHiddenLayers = Size("block_count"),
            NumAttentionHeads = heads,
            NumKeyValueHeads = OptionalSize("attention.head_count_kv"),
            HeadDim = head,
            RmsNormEps = Required("attention.layer_norm_rms_epsilon"),
            RopeTheta = Number("rope.freq_base") ?? 10000,
            RopeScaling = RopeScaling(),
            RopeInterleave = _architecture == "llama" ? true : null,
            MaxPositionEmbeddings = Size("context_length"),
            TieWordEmbeddings = !Has("output.weight"),
            AttentionBias = _architecture == "qwen2" ? null : Has("blk.0.attn_q.bias"),
            MlpBias = Has("blk.0.ffn_gate.bias"),
            BosTokenId = TokenId("bos"),
            EosTokenId = EndTokenIds(),
            PadTokenId = TokenId("padding"),
        };
    }

    private DeepSeekConfig DeepSeek(List<string> warnings)
    {
        var rope = Size("rope.dimension_count");
        var prediction = Whole("nextn_predict_layers") ?? 0;
        var experts = OptionalSize("expert_count");
        var hasBias = _files.Any(file => file.Tensors.Keys.Any(name => name.EndsWith(".exp_probs_b.bias", StringComparison.Ordinal)));
        int? groups = OptionalSize("expert_group_count"), keptGroups = OptionalSize("expert_group_used_count");
        if (hasBias && groups is null)
            warnings.Add($"{_architecture}.expert_group_count is absent, so experts are chosen without groups; published V3 models use 8 groups: convert the model again");
        return new DeepSeekConfig
        {
            ModelType = _architecture == "deepseek32" ? "deepseek_v32" : hasBias ? "deepseek_v3" : "deepseek_v2",
            VocabSize = VocabSize(),
            HiddenSize = Size("embedding_length"),
            IntermediateSize = Size("feed_forward_length"),
            NumHiddenLayers = Size("block_count") - prediction,
            NumNextnPredictLayers = prediction,
            NumAttentionHeads = Size("attention.head_count"),
            NumKeyValueHeads = Size("attention.head_count"),
            RmsNormEps = Required("attention.layer_norm_rms_epsilon"),
            RopeTheta = Number("rope.freq_base") ?? 10000,
            RopeScaling = RopeScaling(),
            MaxPositionEmbeddings = Size("context_length"),
            TieWordEmbeddings = !Has("output.weight"),
            QLoraRank = OptionalSize("attention.q_lora_rank"),
            KvLoraRank = Size("attention.kv_lora_rank"),
            QkNopeHeadDim = (OptionalSize("attention.key_length_mla") ?? Size("attention.key_length")) - rope,
            QkRopeHeadDim = rope,
            VHeadDim = OptionalSize("attention.value_length_mla") ?? Size("attention.value_length"),
            NRoutedExperts = experts,
            NumExpertsPerTok = experts is null ? null : Size("expert_used_count"),
            NSharedExperts = OptionalSize("expert_shared_count"),
            MoeIntermediateSize = experts is null ? null : Size("expert_feed_forward_length"),
            FirstKDenseReplace = Whole("leading_dense_block_count") ?? 0,
            NGroup = groups ?? 1,
            TopkGroup = keptGroups ?? 1,
            TopkMethod = hasBias ? "noaux_tc" : groups > 1 ? "group_limited_greedy" : "greedy",
            ScoringFunc = ScoringFunc(),
            NormTopkProb = _metadata.GetBoolean(Key("expert_weights_norm")) ?? false,
            // Converters write 0 for "no scaling".
            RoutedScalingFactor = Number("expert_weights_scale") is { } scale and not 0 ? scale : 1,
            IndexNHeads = _architecture == "deepseek32" ? Size("attention.indexer.head_count") : null,
            IndexHeadDim = _architecture == "deepseek32" ? Size("attention.indexer.key_length") : null,
            IndexTopk = _architecture == "deepseek32" ? Size("attention.indexer.top_k") : null,
            BosTokenId = TokenId("bos"),
            EosTokenId = EndTokenIds(),
            PadTokenId = TokenId("padding"),
        };
    }

    private string ScoringFunc()
    {
        var function = Whole("expert_gating_func") ?? 0;
        if (function is not (0 or 1 or 2)) _faults.Add($"{Key("expert_gating_func")} is {function}, supported are 1 (softmax) and 2 (sigmoid)");
        return function == 2 ? "sigmoid" : "softmax";
    }

    /// <summary>The scaling of the rotary frequencies. llama3 scaling is not here: its file carries one factor per frequency as a tensor.</summary>
    private RopeScaling? RopeScaling()
    {
        var type = _metadata.GetString(Key("rope.scaling.type")) ?? (Number("rope.scale_linear") is null ? "none" : "linear");
        var factor = Number("rope.scaling.factor") ?? Number("rope.scale_linear") ?? 0;
        switch (type)
        {
            case "none":
                return null;
            case "linear":
                return factor is 0 or 1 ? null : new RopeScaling { RopeType = type, Factor = factor };
            case "yarn":
                break;
            default:
                _faults.Add($"{Key("rope.scaling.type")} is '{type}', supported are none, linear and yarn");
                return null;
        }

        var multiplier = Number("rope.scaling.yarn_log_multiplier");
        if (multiplier is null && _architecture is "deepseek2" or "deepseek32") _faults.Add($"{Key("rope.scaling.yarn_log_multiplier")} is missing");
        return new RopeScaling
        {
            RopeType = type,
            Factor = factor is 0 ? Required("rope.scaling.factor") : factor,
            OriginalMaxPositionEmbeddings = Size("rope.scaling.original_context_length"),
            BetaFast = Number("rope.scaling.yarn_beta_fast") ?? 32,
            BetaSlow = Number("rope.scaling.yarn_beta_slow") ?? 1,
            // The file has 0.1 · mscale_all_dim; mscale equals it in every published model.
            Mscale = multiplier * 10,
            MscaleAllDim = multiplier * 10,
        };
    }

    /// <summary>Keys that change the mathematics and have one value that is computed.</summary>
    private void RefuseUnusual()
    {
        RefuseUnless("rope.scaling.attn_factor", 1);
        RefuseUnless("attention.clamp_kqv", 0);
        RefuseUnless("attention.max_alibi_bias", 0);
        RefuseUnless("logit_scale", 1);
        RefuseUnless("embedding_scale", 1);
        RefuseUnless("residual_scale", 1);
        RefuseUnless("attention.scale", 0);
        RefuseUnless("final_logit_softcapping", 0);
        RefuseUnless("attn_logit_softcapping", 0);
        if (Whole("attention.sliding_window") is { } window and > 0 && window < (Whole("context_length") ?? 0))
            _faults.Add($"{Key("attention.sliding_window")} is {window}: attention within a window is not computed");
    }

    private void RefuseUnless(string name, double computed)
    {
        if (Number(name) is { } value && value != 0 && value != computed)
            _faults.Add($"{Key(name)} is {value}, which is not computed; supported: {computed}");
    }

    private void Expect(string name, int? expected)
    {
        if (expected is not null && OptionalSize(name) is { } found && found != expected)
            _faults.Add($"{Key(name)} is {found}, supported is the width of a head, {expected}");
    }

    private int VocabSize()
    {
        if (OptionalSize("vocab_size") is { } stated) return stated;
        foreach (var file in _files)
            if (file.Tensors.TryGetValue("token_embd.weight", out var embedding)) return embedding.Shape[0];
        _faults.Add($"{Key("vocab_size")} is missing, and there is no token_embd.weight");
        return 1;
    }

    private bool Has(string tensor) => _files.Any(file => file.Tensors.ContainsKey(tensor));

    private List<int> EndTokenIds() => [.. new[] { TokenId("eos"), TokenId("eot"), TokenId("eom") }.OfType<int>().Distinct()];

    private int? TokenId(string name) => _metadata.GetInteger($"tokenizer.ggml.{name}_token_id") is { } id and >= 0 and <= int.MaxValue ? (int)id : null;

    private string Key(string name) => $"{_architecture}.{name}";

    /// <summary>A whole number from 0 to 2³¹ − 1, or null where the key is absent.</summary>
    private int? Whole(string name)
    {
        if (_metadata.GetInteger(Key(name)) is not { } value) return null;
        if (value is >= 0 and <= int.MaxValue) return (int)value;
        _faults.Add($"{Key(name)} is {value}, expected 0 to {int.MaxValue}");
        return null;
    }

    /// <summary>A size; 0 and an absent key mean none.</summary>
    private int? OptionalSize(string name) => Whole(name) is { } value and > 0 ? value : null;

    /// <summary>A size that must be there; 1 in its place where it is not, with the fault noted.</summary>
    private int Size(string name)
    {
        if (OptionalSize(name) is { } value) return value;
        var problem = _metadata.Contains(Key(name)) ? "must be positive" : "is missing";
        _faults.Add($"{Key(name)} {problem}");
        return 1;
    }

    private double? Number(string name) => _metadata.GetNumber(Key(name));

    private double Required(string name)
    {
        if (Number(name) is { } value) return value;
        _faults.Add($"{Key(name)} is missing");
        return 1;
    }
}
