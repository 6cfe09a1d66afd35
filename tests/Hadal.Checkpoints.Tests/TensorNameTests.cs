using System.Text.Json.Nodes;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Tests.Hostile;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Tests;

/// <summary>Which tensors a checkpoint must have, may have, and must not have, and how parts of quantised ones are joined.</summary>
public sealed class TensorNameTests : IDisposable
{
    private const string Awq = """{"quant_method":"awq","bits":4,"group_size":32,"zero_point":true,"version":"gemm"}""";
    private const string Fp8 = """{"quant_method":"fp8","fmt":"e4m3","weight_block_size":[128,128]}""";
    private const string Int8 = """{"quant_method":"compressed-tensors","format":"int-quantized","config_groups":{"g":{"weights":{"num_bits":8,"type":"int","symmetric":true,"strategy":"group","group_size":32}}}}""";
    private const string Name = "model.layers.0.mlp.up_proj";

    private static readonly string Wide = SmallCheckpoint.Config.Replace("\"hidden_size\":8,\"intermediate_size\":8", "\"hidden_size\":64,\"intermediate_size\":136", StringComparison.Ordinal);

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Missing_extra_and_misshapen_tensors_are_reported_all_at_once()
    {
        var tensors = SmallCheckpoint.Write(_folder);
        Rewrite(tensors, tensor => tensor.Name switch
        {
            "lm_head.weight" or "model.layers.0.self_attn.k_proj.weight" => [],
            "model.norm.weight" => [Zeros("model.norm.weight", DType.F32, 9)],
            "model.layers.0.mlp.gate_proj.weight" => [Zeros(tensor.Name, DType.F32, 8, 7)],
            "model.layers.0.mlp.up_proj.weight" => [Zeros(tensor.Name, DType.I32, 8, 8)],
            "model.embed_tokens.weight" => [tensor, Zeros("model.layers.0.mlp.router.weight", DType.F16, 2, 2), Zeros("model.layers.1.input_layernorm.weight", DType.F32, 8)],
            _ => [tensor],
        });
        Assert.Equal(
            $"{_folder.Path}: 7 faults: model.layers.0.self_attn.k_proj.weight: missing, expected [8, 8]; "
            + "model.layers.0.mlp.gate_proj.weight: expected [8, 8] (hidden_size = 8), file has [8, 7]; "
            + "model.layers.0.mlp.up_proj.weight: is stored as I32, which is no format of weights; expected F32, F16, BF16 or F8_E4M3; "
            + "model.norm.weight: expected [8] (hidden_size = 8), file has [9]; lm_head.weight: missing, expected [4, 8]; "
            + "model.layers.0.mlp.router.weight: unknown to llama, file has [2, 2]; model.layers.1.input_layernorm.weight: unknown to llama, file has [8]; "
            + "the weights do not belong to this config, or the download is incomplete",
            Refusals.Open(_folder.Path));
    }

    [Fact]
    public void A_tied_head_may_be_there_or_not()
    {
        var tied = SmallCheckpoint.Config.Replace("{\"model_type\"", "{\"tie_word_embeddings\":true,\"model_type\"", StringComparison.Ordinal);
        var tensors = SmallCheckpoint.Write(_folder, tied);
        using (var checkpoint = Checkpoint.Open(_folder.Path)) Assert.True(checkpoint.Tensors.ContainsKey("lm_head.weight"));
        Rewrite(tensors, tensor => tensor.Name == "lm_head.weight" ? [] : [tensor]);
        using var without = Checkpoint.Open(_folder.Path);
        Assert.False(without.Tensors.ContainsKey("lm_head.weight"));
    }

    [Fact]
    public void Frequencies_of_older_files_are_left_aside()
    {
        var tensors = SmallCheckpoint.Write(_folder);
        Rewrite(tensors, tensor => tensor.Name == "lm_head.weight" ? [tensor, Zeros("model.layers.0.self_attn.rotary_emb.inv_freq", DType.F32, 2)] : [tensor]);
        using var checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal(tensors.Count, checkpoint.Tensors.Count);
    }

    [Fact]
    public void A_prediction_layer_that_a_config_promises_may_be_left_out_with_a_warning()
    {
        const string Config = """
            {"model_type":"deepseek_v3","vocab_size":4,"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":2,"rms_norm_eps":1e-6,
             "max_position_embeddings":16,"kv_lora_rank":4,"qk_nope_head_dim":4,"qk_rope_head_dim":2,"v_head_dim":4,"num_nextn_predict_layers":1,"eos_token_id":3}
            """;
        var tensors = SmallCheckpoint.Write(_folder, Config);
        using (var whole = Checkpoint.Open(_folder.Path))
        {
            Assert.Empty(whole.Warnings);
            Assert.True(whole.Tensors.ContainsKey("model.layers.1.eh_proj.weight"));
        }

        Rewrite(tensors, tensor => tensor.Name.StartsWith("model.layers.1.", StringComparison.Ordinal) ? [] : [tensor]);
        using (var without = Checkpoint.Open(_folder.Path)) Assert.Contains("the file has no layer 1", Assert.Single(without.Warnings), StringComparison.Ordinal);

        Rewrite(tensors, tensor => tensor.Name == "model.layers.1.eh_proj.weight" ? [] : [tensor]);
        Refusals.Refused(_folder.Path, "model.layers.1.eh_proj.weight: missing, expected [8, 16]");
    }

    [Fact]
    public void Parts_of_quantised_tensors_are_joined_under_the_published_name()
    {
        WriteQuantized(Awq, _ => { });
        using (var checkpoint = Checkpoint.Open(_folder.Path))
        {
            var tensor = checkpoint.Tensors[Name + ".weight"];
            Assert.Equal((DType.AwqInt4, 64L * 17 * 4), (tensor.DType, tensor.ByteLength));
            Assert.Equal([136, 64], tensor.Shape);
            Assert.Equal([2, 17], tensor.AwqZeros!.Shape);
            Assert.Equal([2, 136], tensor.AwqScales!.Shape);
            Assert.DoesNotContain(checkpoint.Tensors.Keys, key => key.EndsWith("qweight", StringComparison.Ordinal) || key.EndsWith("scales", StringComparison.Ordinal));
        }

        WriteQuantized(Fp8, _ => { });
        using var fp8 = Checkpoint.Open(_folder.Path);
        Assert.Equal(DType.F8E4M3, fp8.Tensors[Name + ".weight"].DType);
        Assert.Equal([2, 1], fp8.Tensors[Name + ".weight"].Scale!.Shape);

        WriteQuantized(Int8, _ => { });
        using var int8 = Checkpoint.Open(_folder.Path);
        Assert.Equal((DType.I8, 136L * 64), (int8.Tensors[Name + ".weight"].DType, int8.Tensors[Name + ".weight"].ByteLength));
        Assert.Equal([136, 2], int8.Tensors[Name + ".weight"].Scale!.Shape);
    }

    /// <summary>What is done to the parts of a quantised tensor, and what the refusal says.</summary>
    private static readonly Dictionary<string, (string Quantization, Action<Dictionary<string, TensorToWrite>> Damage, string Expected)> Cases = new()
    {
        ["no zeros"] = (Awq, parts => parts.Remove(".qzeros"), "up_proj.qweight: is without model.layers.0.mlp.up_proj.qzeros or"),
        ["no scales"] = (Awq, parts => parts.Remove(".scales"), "up_proj.qweight: is without"),
        ["no codes"] = (Awq, parts => parts.Remove(".qweight"), "up_proj.weight: missing"),
        ["codes and weights"] = (Awq, parts => parts[".weight"] = Zeros(Name + ".weight", DType.F32, 136, 64), "up_proj: has both weight and qweight"),
        ["codes in bytes"] = (Awq, parts => parts[".qweight"] = Zeros(Name + ".qweight", DType.I8, 64, 68), "up_proj.qweight: expected I32 [in, out / 8], file has I8 [64, 68]"),
        ["codes of one dimension"] = (Awq, parts => parts[".qweight"] = Zeros(Name + ".qweight", DType.I32, 64), "expected I32 [in, out / 8], file has I32 [64]"),
        ["codes of no input"] = (Awq, parts => parts[".qweight"] = Zeros(Name + ".qweight", DType.I32, 0, 17), "expected I32 [in, out / 8], file has I32 [0, 17]"),
        ["inputs that fill no group"] = (Awq, parts => parts[".qweight"] = Zeros(Name + ".qweight", DType.I32, 40, 17), "has 40 inputs, no multiple of group_size 32"),
        ["zeros of other groups"] = (Awq, parts => parts[".qzeros"] = Zeros(Name + ".qzeros", DType.I32, 1, 17), "up_proj.qzeros: expected I32 [2, 17], file has I32 [1, 17]"),
        ["scales in F32"] = (Awq, parts => parts[".scales"] = Zeros(Name + ".scales", DType.F32, 2, 136), "up_proj.scales: expected F16 [2, 136], file has F32 [2, 136]"),
        ["other outputs"] = (Awq, parts => { parts[".qweight"] = Zeros(Name + ".qweight", DType.I32, 64, 16); parts[".qzeros"] = Zeros(Name + ".qzeros", DType.I32, 2, 16); parts[".scales"] = Zeros(Name + ".scales", DType.F16, 2, 128); },
            "expected [136, 64] (intermediate_size = 136), file has [128, 64]"),
        ["codes without a config of AWQ"] = (Fp8, parts => parts[".qweight"] = Zeros("x.qweight", DType.I32, 64, 17), "x.qweight: are packed codes, but config.json has no quantization_config with quant_method awq"),
        ["FP8 without scales"] = (Fp8, parts => parts.Remove(".weight_scale_inv"), "up_proj.weight: is F8_E4M3 without model.layers.0.mlp.up_proj.weight_scale_inv"),
        ["FP8 with one scale"] = (Fp8, parts => parts[".weight_scale_inv"] = Zeros(Name + ".weight_scale_inv", DType.F32, 1, 1), "expected F32 [2, 1], one per 128 × 128 block, file has F32 [1, 1]"),
        ["FP8 with scales in BF16"] = (Fp8, parts => parts[".weight_scale_inv"] = Zeros(Name + ".weight_scale_inv", DType.BF16, 2, 1), "expected F32 [2, 1], one per 128 × 128 block, file has BF16 [2, 1]"),
        ["bytes without scales"] = (Int8, parts => parts.Remove(".weight_scale"), "up_proj.weight: is I8 without model.layers.0.mlp.up_proj.weight_scale"),
        ["scales without bytes"] = (Int8, parts => parts.Remove(".weight"), "up_proj.weight: missing"),
        ["bytes of one dimension"] = (Int8, parts => parts[".weight"] = Zeros(Name + ".weight", DType.I8, 64), "up_proj.weight: expected I8 [out, in], file has I8 [64]"),
        ["bytes of no input"] = (Int8, parts => { parts[".weight"] = Zeros(Name + ".weight", DType.I8, 136, 0); parts[".weight_scale"] = Zeros(Name + ".weight_scale", DType.F32, 136, 1); }, "expected I8 [out, in], file has I8 [136, 0]"),
        ["scales of other outputs"] = (Int8, parts => parts[".weight_scale"] = Zeros(Name + ".weight_scale", DType.F32, 135, 2), "up_proj.weight_scale: expected F32, F16 or BF16 [136, 1] or [136, groups]"),
        ["scales of groups that are too small"] = (Int8, parts => parts[".weight_scale"] = Zeros(Name + ".weight_scale", DType.F32, 136, 4), "of a multiple of 32 of the 64 inputs, file has F32 [136, 4]"),
        ["scales of no group"] = (Int8, parts => parts[".weight_scale"] = Zeros(Name + ".weight_scale", DType.F32, 136, 0), "file has F32 [136, 0]"),
        ["scales in one dimension"] = (Int8, parts => parts[".weight_scale"] = Zeros(Name + ".weight_scale", DType.F32, 136), "file has F32 [136]"),
        ["scales as codes"] = (Int8, parts => parts[".weight_scale"] = Zeros(Name + ".weight_scale", DType.I32, 136, 2), "file has I32 [136, 2]"),
        ["zero points beside bytes"] = (Int8, parts => parts[".weight_zero_point"] = Zeros(Name + ".weight_zero_point", DType.I8, 136, 2), "weight_zero_point: is I8 without"),
        ["bytes without a config"] = (Fp8, parts => { parts[".weight"] = Zeros(Name + ".weight", DType.I8, 136, 64); parts.Remove(".weight_scale_inv"); }, "up_proj.weight: is stored as I8, which is no format of weights"),
    };

    public static TheoryData<string> CaseNames => new(Cases.Keys);

    [Theory]
    [MemberData(nameof(CaseNames))]
    public void Parts_of_quantised_tensors_that_do_not_fit_are_refused(string name)
    {
        WriteQuantized(Cases[name].Quantization, Cases[name].Damage);
        Refusals.Refused(_folder.Path, Cases[name].Expected);
    }

    [Fact]
    public void GGUF_names_become_published_names()
    {
        foreach (var (stored, published) in new (string, string?)[]
        {
            ("token_embd.weight", "model.embed_tokens.weight"), ("output.weight", "lm_head.weight"), ("output_norm.weight", "model.norm.weight"), ("rope_freqs.weight", "rope_freqs.weight"),
            ("blk.12.attn_q.weight", "model.layers.12.self_attn.q_proj.weight"), ("blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj.bias"),
            ("blk.3.exp_probs_b.bias", "model.layers.3.mlp.gate.e_score_correction_bias"), ("blk.3.ffn_gate_inp.weight", "model.layers.3.mlp.gate.weight"),
            ("blk.3.ffn_down_exps.weight", "model.layers.3.mlp.experts.*.down_proj.weight"), ("blk.1.indexer.k_norm.bias", "model.layers.1.self_attn.indexer.k_norm.bias"),
            ("blk.61.nextn.eh_proj.weight", "model.layers.61.eh_proj.weight"), ("blk.61.nextn.shared_head_norm.weight", "model.layers.61.shared_head.norm.weight"),
            ("blk.1.attn_q", null), ("blk..attn_q.weight", null), ("blk.-1.attn_q.weight", null), ("blk.1.attn_x.weight", null), ("blk.1.attn_q.scale", null), ("blk.1", null), ("", null), ("v.blk.0.attn_q.weight", null),
        })
        {
            Assert.Equal(published, GgufTensors.Published(stored));
        }
    }

    [Fact]
    public void Stacked_experts_become_one_view_each_without_a_copy()
    {
        using var checkpoint = Checkpoint.Open(_folder.Write("m.gguf", GgufBuilder.DeepSeek().Build()));
        WeightTensor first = checkpoint.Tensors["model.layers.1.mlp.experts.0.up_proj.weight"], second = checkpoint.Tensors["model.layers.1.mlp.experts.1.up_proj.weight"];
        Assert.Equal([8, 8], second.Shape);
        unsafe
        {
            Assert.Equal(first.ByteLength, second.Data - first.Data);
        }

        Assert.Equal([2, 4, 4], checkpoint.Tensors["model.layers.0.self_attn.k_b_proj.weight"].Shape);
    }

    [Fact]
    public void Of_a_whole_and_a_split_expansion_of_the_latent_the_whole_is_taken()
    {
        var builder = GgufBuilder.DeepSeek();
        for (var layer = 0; layer < 2; layer++) builder.Tensor($"blk.{layer}.attn_kv_b.weight", [4, 16]);
        using (var both = Checkpoint.Open(_folder.Write("both.gguf", builder.Build())))
        {
            Assert.True(both.Tensors.ContainsKey("model.layers.1.self_attn.kv_b_proj.weight"));
            Assert.False(both.Tensors.ContainsKey("model.layers.1.self_attn.k_b_proj.weight"));
        }

        builder.Without("blk.1.attn_k_b.weight").Without("blk.1.attn_v_b.weight").Without("blk.0.attn_kv_b.weight");
        Refusals.Refused(_folder.Write("mixed.gguf", builder.Build()), "model.layers.1.self_attn.k_b_proj.weight: missing, expected [2, 4, 4]");
    }

    [Fact]
    public void A_prediction_layer_in_GGUF_is_opened()
    {
        var builder = GgufBuilder.DeepSeek().Value("deepseek2.block_count", 3u).Value("deepseek2.nextn_predict_layers", 1u);
        builder.Tensor("blk.2.attn_norm.weight", [8]).Tensor("blk.2.attn_q.weight", [8, 12]).Tensor("blk.2.attn_kv_a_mqa.weight", [8, 6]).Tensor("blk.2.attn_kv_a_norm.weight", [4])
            .Tensor("blk.2.attn_k_b.weight", [4, 4, 2]).Tensor("blk.2.attn_v_b.weight", [4, 4, 2]).Tensor("blk.2.attn_output.weight", [8, 8]).Tensor("blk.2.ffn_norm.weight", [8])
            .Tensor("blk.2.ffn_gate_inp.weight", [8, 2]).Tensor("blk.2.ffn_gate_exps.weight", [8, 8, 2]).Tensor("blk.2.ffn_up_exps.weight", [8, 8, 2]).Tensor("blk.2.ffn_down_exps.weight", [8, 8, 2])
            .Tensor("blk.2.nextn.eh_proj.weight", [16, 8]).Tensor("blk.2.nextn.enorm.weight", [8]).Tensor("blk.2.nextn.hnorm.weight", [8]).Tensor("blk.2.nextn.shared_head_norm.weight", [8]);
        using var checkpoint = Checkpoint.Open(_folder.Write("m.gguf", builder.Build()));
        Assert.Equal((2, 1), (checkpoint.Config.NumHiddenLayers, ((DeepSeekConfig)checkpoint.Config).NumNextnPredictLayers));
        Assert.True(checkpoint.Tensors.ContainsKey("model.layers.2.shared_head.norm.weight"));
    }

    [Fact]
    public void A_biased_router_without_groups_in_GGUF_is_warned_of()
    {
        var builder = GgufBuilder.DeepSeek().Tensor("blk.1.exp_probs_b.bias", [2]).Value("deepseek2.expert_gating_func", 2u);
        using (var checkpoint = Checkpoint.Open(_folder.Write("m.gguf", builder.Build())))
        {
            var config = (DeepSeekConfig)checkpoint.Config;
            Assert.Equal(("deepseek_v3", "noaux_tc", "sigmoid"), (config.ModelType, config.TopkMethod, config.ScoringFunc));
            Assert.Contains("expert_group_count is absent", Assert.Single(checkpoint.Warnings), StringComparison.Ordinal);
        }

        builder.Value("deepseek2.expert_group_count", 1u).Value("deepseek2.expert_group_used_count", 1u);
        using var grouped = Checkpoint.Open(_folder.Write("grouped.gguf", builder.Build()));
        Assert.Empty(grouped.Warnings);
    }

    public void Dispose() => _folder.Dispose();

    private static TensorToWrite Zeros(string name, DType dtype, params int[] shape) =>
        new(name, dtype, shape, new byte[shape.Aggregate(1, (product, size) => product * size) * dtype.BlockBytes()]);

    private void Rewrite(List<TensorToWrite> tensors, Func<TensorToWrite, IEnumerable<TensorToWrite>> change) =>
        SafetensorsWriter.WriteModel(_folder.Path, tensors.SelectMany(change));

    /// <summary>A directory whose up projection [136, 64] is quantised.</summary>
    private void WriteQuantized(string quantization, Action<Dictionary<string, TensorToWrite>> damage)
    {
        var config = JsonNode.Parse(Wide)!.AsObject();
        config["quantization_config"] = JsonNode.Parse(quantization);
        var tensors = SmallCheckpoint.Write(_folder, config.ToJsonString());
        var parts = quantization == Awq
            ? new Dictionary<string, TensorToWrite>
            {
                [".qweight"] = Zeros(Name + ".qweight", DType.I32, 64, 17), [".qzeros"] = Zeros(Name + ".qzeros", DType.I32, 2, 17), [".scales"] = Zeros(Name + ".scales", DType.F16, 2, 136),
            }
            : quantization == Int8
            ? new Dictionary<string, TensorToWrite>
            {
                [".weight"] = Zeros(Name + ".weight", DType.I8, 136, 64), [".weight_scale"] = Zeros(Name + ".weight_scale", DType.F32, 136, 2),
            }
            : new Dictionary<string, TensorToWrite>
            {
                [".weight"] = Zeros(Name + ".weight", DType.F8E4M3, 136, 64), [".weight_scale_inv"] = Zeros(Name + ".weight_scale_inv", DType.F32, 2, 1),
            };
        damage(parts);
        Rewrite(tensors, tensor => tensor.Name == Name + ".weight" ? parts.Values : [tensor]);
    }
}
