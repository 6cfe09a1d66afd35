using System.Text.Json;
using System.Text.Json.Nodes;
using Hadal.Checkpoints.Config;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

public sealed class ModelConfigTests
{
    private const string Llama = """
        {"model_type":"llama","vocab_size":8,"hidden_size":4,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":2,"rms_norm_eps":1e-5,"max_position_embeddings":16}
        """;

    public static TheoryData<string> Published => new(Directory.GetFiles(ConfigFolder, "*.json").Select(file => Path.GetFileNameWithoutExtension(file)!).Order());

    private static string ConfigFolder => Path.Combine(SharedData.RepositoryRoot, "tests", "Hadal.Checkpoints.Tests", "Configs");

    [Fact]
    public void End_tokens_may_be_a_number_a_list_or_null()
    {
        Assert.Equal([7], With(Llama, "eos_token_id", "7").EosTokenId);
        Assert.Equal([7, 5], With(Llama, "eos_token_id", "[7, 5]").EosTokenId);
        Assert.Empty(With(Llama, "eos_token_id", "null").EosTokenId);
    }

    [Fact]
    public void Absent_keys_take_the_defaults_of_the_family()
    {
        var config = (DeepSeekConfig)ModelConfigReader.Parse(
            """
            {"model_type":"deepseek_v3","vocab_size":8,"hidden_size":4,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":1,"rms_norm_eps":1e-5,
             "max_position_embeddings":16,"kv_lora_rank":4,"qk_nope_head_dim":4,"qk_rope_head_dim":4,"v_head_dim":4,"rope_scaling":{"type":"yarn"}}
            """);
        Assert.Equal((10000, "silu", 1, "greedy"), (config.RopeTheta, config.HiddenAct, config.MoeLayerFreq, config.TopkMethod));
        Assert.Equal(("softmax", 1.0, 0.02), (config.ScoringFunc, config.RoutedScalingFactor, config.InitializerRange));
        Assert.Equal((1.0, 32, 1), (config.RopeScaling!.Factor, config.RopeScaling.BetaFast, config.RopeScaling.BetaSlow));
        Assert.Empty(config.EosTokenId);
    }

    [Theory]
    [MemberData(nameof(Published))]
    public void Published_configs_are_read_and_written_without_loss(string name)
    {
        var text = Text(name);
        var written = JsonNode.Parse(ModelConfigReader.Parse(text).ToJson())!.AsObject();
        foreach (var (key, value) in JsonNode.Parse(text)!.AsObject())
        {
            if (value is null) Assert.Null(written[key]);
            else Assert.True(Equivalent(value, written[key]), $"{key}: {value.ToJsonString()} became {written[key]?.ToJsonString()}");
        }
    }

    [Fact]
    public void Published_sizes_end_in_their_properties()
    {
        var v3 = (DeepSeekConfig)ModelConfigReader.Parse(Text("deepseek-v3"));
        Assert.Equal((7168, 61, 1536, 512, 192, 256, 8, 4), (v3.HiddenSize, v3.NumHiddenLayers, v3.QLoraRank, v3.KvLoraRank, v3.QkHeadDim, v3.NRoutedExperts, v3.NGroup, v3.TopkGroup));
        Assert.Equal(("noaux_tc", "sigmoid", 2.5, "yarn", "fp8"), (v3.TopkMethod, v3.ScoringFunc, v3.RoutedScalingFactor, v3.RopeScaling!.Kind, v3.QuantizationConfig!.QuantMethod));
        Assert.False(v3.HasIndexer);
        var v32 = (DeepSeekConfig)ModelConfigReader.Parse(Text("deepseek-v3.2"));
        Assert.Equal((true, 64, 128, 2048), (v32.HasIndexer, v32.IndexNHeads, v32.IndexHeadDim, v32.IndexTopk));
        var llama = (GroupedQueryConfig)ModelConfigReader.Parse(Text("llama-3.2-1b"));
        Assert.Equal((64, true, "llama3", 128001), (llama.HeadSize, llama.TieWordEmbeddings, llama.RopeScaling!.Kind, llama.EosTokenId[0]));
        var qwen = (GroupedQueryConfig)ModelConfigReader.Parse(Text("r1-distill-qwen-1.5b"));
        Assert.Equal((128, true, false, false), (qwen.HeadSize, qwen.HasQkvBias, qwen.HasOutputBias, qwen.HasQkNorm));
        Assert.True(((GroupedQueryConfig)ModelConfigReader.Parse(Text("qwen3-0.6b"))).HasQkNorm);
    }

    [Fact]
    public void Rope_parameters_of_newer_files_mean_the_same_as_the_older_keys()
    {
        var older = ModelConfigReader.Parse(Text("r1-distill-llama-8b"));
        var json = JsonNode.Parse(Text("r1-distill-llama-8b"))!.AsObject();
        var parameters = json["rope_scaling"]!.DeepClone().AsObject();
        parameters["rope_theta"] = 500000.0;
        json.Remove("rope_scaling");
        json.Remove("rope_theta");
        json["rope_parameters"] = parameters;
        Assert.Equal(older.ToJson(), ModelConfigReader.Parse(json.ToJsonString()).ToJson());

        json["rope_parameters"] = JsonNode.Parse("""{"rope_type":"default","rope_theta":5}""");
        var plain = ModelConfigReader.Parse(json.ToJsonString());
        Assert.Equal((5, null), (plain.RopeTheta, plain.RopeScaling));
    }

    [Fact]
    public void A_router_left_out_by_a_V3_config_is_the_one_of_V3()
    {
        var json = JsonNode.Parse(Text("deepseek-v3"))!.AsObject();
        json.Remove("topk_method");
        json.Remove("scoring_func");
        var config = (DeepSeekConfig)ModelConfigReader.Parse(json.ToJsonString());
        Assert.Equal(("noaux_tc", "sigmoid"), (config.TopkMethod, config.ScoringFunc));
    }

    [Theory]
    [InlineData("deepseek-v3")]
    [InlineData("deepseek-v2-lite")]
    [InlineData("deepseek-v3.2")]
    [InlineData("llama-3.2-1b")]
    [InlineData("qwen3-0.6b")]
    [InlineData("r1-distill-qwen-1.5b")]
    public void Required_keys_are_missed_by_name_all_at_once(string name)
    {
        string[] required = name.StartsWith("deepseek", StringComparison.Ordinal)
            ? ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "rms_norm_eps", "max_position_embeddings", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"]
            : ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "rms_norm_eps", "max_position_embeddings"];
        var fault = Refusal(JsonSerializer.Serialize(new { model_type = ModelConfigReader.Parse(Text(name)).ModelType }));
        foreach (var key in required)
        {
            Assert.Contains($"{key} is missing", fault, StringComparison.Ordinal);
            var json = JsonNode.Parse(Text(name))!.AsObject();
            json.Remove(key);
            Assert.Equal($"config.json: {key} is missing", Refusal(json.ToJsonString()));
        }
    }

    [Theory]
    [InlineData("deepseek-v3", "n_routed_experts", "0", "n_routed_experts is 0, expected 1 to")]
    [InlineData("deepseek-v3", "moe_intermediate_size", "null", "moe_intermediate_size is 0, expected 1 to")]
    [InlineData("deepseek-v3", "num_experts_per_tok", "129", "num_experts_per_tok is 129, more than the experts to choose from")]
    [InlineData("deepseek-v3", "n_group", "7", "n_group is 7, expected a divisor of n_routed_experts, 256")]
    [InlineData("deepseek-v3", "topk_group", "9", "topk_group is 9, expected 1 to n_group, 8")]
    [InlineData("deepseek-v3", "topk_method", "\"aux_loss\"", "topk_method is aux_loss, which is not computed; supported: greedy, group_limited_greedy, noaux_tc")]
    [InlineData("deepseek-v3", "scoring_func", "\"relu\"", "scoring_func is relu, which is not computed; supported: softmax, sigmoid")]
    [InlineData("deepseek-v3", "hidden_act", "\"gelu\"", "hidden_act is gelu, which is not computed; supported: silu")]
    [InlineData("deepseek-v3", "ep_size", "8", "ep_size is 8, which is not computed; supported: 1")]
    [InlineData("deepseek-v3", "moe_layer_freq", "2", "moe_layer_freq is 2, which is not computed; supported: 1")]
    [InlineData("deepseek-v3", "attention_bias", "true", "attention_bias is true, which is not computed; supported: false")]
    [InlineData("deepseek-v3", "num_key_value_heads", "8", "num_key_value_heads is 8, which is not computed; supported: num_attention_heads, 128")]
    [InlineData("deepseek-v3", "rope_interleave", "false", "rope_interleave is false, which is not computed; supported: true")]
    [InlineData("deepseek-v3", "qk_rope_head_dim", "63", "qk_rope_head_dim 63 is odd")]
    [InlineData("deepseek-v3", "first_k_dense_replace", "62", "first_k_dense_replace is 62, expected 0 to num_hidden_layers, 61")]
    [InlineData("deepseek-v3", "num_nextn_predict_layers", "1000000000", "num_nextn_predict_layers is 1000000000, expected 0 to 16")]
    [InlineData("deepseek-v3", "routed_scaling_factor", "1e400", "routed_scaling_factor is ")]
    [InlineData("deepseek-v3", "index_topk", "64", "are computed for deepseek_v32 and hadal, not for deepseek_v3")]
    [InlineData("deepseek-v3.2", "index_topk", "null", "index_n_heads, index_head_dim and index_topk belong together")]
    [InlineData("deepseek-v3.2", "index_head_dim", "32", "index_head_dim 32 is below qk_rope_head_dim 64")]
    [InlineData("deepseek-v2-lite", "use_mla", "false", "use_mla is false, which is not computed; supported: true")]
    [InlineData("deepseek-v2-lite", "q_lora_rank", "0", "q_lora_rank is 0, expected 1 to")]
    [InlineData("deepseek-v2-lite", "num_attention_heads", "16777216", "expected at most 2147483647")]
    [InlineData("qwen3-0.6b", "use_sliding_window", "true", "use_sliding_window is true, which is not computed; supported: false")]
    [InlineData("qwen3-0.6b", "layer_types", "[\"full_attention\",\"sliding_attention\"]", "supported: full_attention in every layer")]
    [InlineData("qwen3-0.6b", "head_dim", "null", "head_dim is missing; qwen3 has no common default")]
    [InlineData("qwen3-0.6b", "num_experts", "128", "num_experts is 128, which is not computed; supported: absent")]
    [InlineData("r1-distill-qwen-1.5b", "use_mrope", "true", "use_mrope is true, which is not computed; supported: false")]
    [InlineData("r1-distill-qwen-1.5b", "num_key_value_heads", "null", "num_key_value_heads is missing; qwen2 has no common default")]
    [InlineData("r1-distill-qwen-1.5b", "num_key_value_heads", "5", "num_attention_heads 12 is no multiple of num_key_value_heads 5")]
    [InlineData("r1-distill-qwen-1.5b", "hidden_size", "1537", "hidden_size 1537 is no multiple of num_attention_heads 12")]
    [InlineData("llama-3.2-1b", "partial_rotary_factor", "0.5", "partial_rotary_factor is 0.5, which is not computed; supported: 1")]
    [InlineData("llama-3.2-1b", "head_dim", "63", "head_dim 63 is odd")]
    [InlineData("llama-3.2-1b", "num_attention_heads", "0", "num_attention_heads is 0, expected 1 to")]
    [InlineData("llama-3.2-1b", "num_hidden_layers", "2147483647", "num_hidden_layers is 2147483647, expected 1 to 4096")]
    [InlineData("llama-3.2-1b", "vocab_size", "2147483648", "vocab_size is 2147483648, expected a whole number")]
    [InlineData("llama-3.2-1b", "vocab_size", "\"many\"", "vocab_size is \"many\", expected a whole number")]
    [InlineData("llama-3.2-1b", "rms_norm_eps", "-1", "rms_norm_eps is -1, expected 0 to 1")]
    [InlineData("llama-3.2-1b", "rope_theta", "0", "rope_theta is 0, expected 1 to")]
    [InlineData("llama-3.2-1b", "max_position_embeddings", "0", "max_position_embeddings is 0, expected 1 to")]
    [InlineData("llama-3.2-1b", "tie_word_embeddings", "1", "tie_word_embeddings is 1, expected true or false")]
    [InlineData("llama-3.2-1b", "eos_token_id", "128256", "eos_token_id is 128256, vocab_size is 128256")]
    [InlineData("llama-3.2-1b", "eos_token_id", "[1,\"2\"]", "eos_token_id is a list, expected a whole number or a list of them")]
    [InlineData("llama-3.2-1b", "bos_token_id", "-2", "bos_token_id is -2, vocab_size is 128256")]
    [InlineData("llama-3.2-1b", "rope_scaling", "{\"rope_type\":\"longrope\",\"factor\":4}", "rope_scaling.rope_type is longrope, which is not computed; supported: default, linear, llama3, yarn")]
    [InlineData("llama-3.2-1b", "rope_scaling", "{\"factor\":4}", "rope_scaling.rope_type is missing, which is not computed")]
    [InlineData("llama-3.2-1b", "rope_scaling", "{\"rope_type\":\"llama3\",\"factor\":8}", "rope_scaling.low_freq_factor is missing")]
    [InlineData("llama-3.2-1b", "rope_scaling", "{\"rope_type\":\"yarn\",\"factor\":0}", "rope_scaling.factor is 0, expected 0 to")]
    [InlineData("llama-3.2-1b", "rope_scaling", "{\"rope_type\":\"yarn\",\"factor\":4,\"attention_factor\":0.5}", "rope_scaling.attention_factor is 0.5, which is not computed; supported: absent")]
    [InlineData("llama-3.2-1b", "rope_scaling", "[8]", "rope_scaling is a list, expected an object")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"gptq\",\"bits\":4}", "quantization_config.quant_method is gptq, which is not computed; supported: fp8, awq, compressed-tensors")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"bits\":4}", "quantization_config.quant_method is missing")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"awq\",\"bits\":3,\"group_size\":128}", "quantization_config.bits is 3, which is not computed; supported: 4")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":-1}", "quantization_config.group_size is -1, which is not computed; supported: 32, 64, 128")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":64,\"version\":\"gemv_fast\"}", "quantization_config.version is gemv_fast, which is not computed; supported: gemm")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"fp8\",\"fmt\":\"e5m2\",\"weight_block_size\":[128,128]}", "quantization_config.fmt is e5m2, which is not computed; supported: e4m3")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"compressed-tensors\"}", "quantization_config.format is missing, which is not computed; supported: int-quantized")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"compressed-tensors\",\"format\":\"pack-quantized\",\"config_groups\":{}}", "quantization_config.format is pack-quantized, which is not computed; supported: int-quantized")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"compressed-tensors\",\"format\":\"int-quantized\"}", "quantization_config.config_groups is no object")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"compressed-tensors\",\"format\":\"int-quantized\",\"config_groups\":{\"g\":7}}", "quantization_config.config_groups.g.weights is no object")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"compressed-tensors\",\"format\":\"int-quantized\",\"config_groups\":{\"g\":{\"weights\":{\"num_bits\":4,\"type\":\"int\",\"symmetric\":true,\"strategy\":\"channel\"}}}}", "quantization_config.config_groups.g.weights.num_bits is 4, which is not computed; supported: 8")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"compressed-tensors\",\"format\":\"int-quantized\",\"config_groups\":{\"g\":{\"weights\":{\"num_bits\":8,\"type\":\"float\",\"symmetric\":true,\"strategy\":\"channel\"}}}}", "config_groups.g.weights.type is \"float\", which is not computed")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"compressed-tensors\",\"format\":\"int-quantized\",\"config_groups\":{\"g\":{\"weights\":{\"num_bits\":8,\"type\":\"int\",\"symmetric\":false,\"strategy\":\"channel\"}}}}", "config_groups.g.weights.symmetric is false, which is not computed; supported: true")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"compressed-tensors\",\"format\":\"int-quantized\",\"config_groups\":{\"g\":{\"weights\":{\"num_bits\":8,\"type\":\"int\",\"symmetric\":true,\"strategy\":\"block\"}}}}", "config_groups.g.weights.strategy is \"block\", which is not computed; supported: \"channel\", \"group\"")]
    [InlineData("llama-3.2-1b", "quantization_config", "{\"quant_method\":\"fp8\"}", "quantization_config.weight_block_size is missing, which is not computed; supported: [128, 128]")]
    [InlineData("llama-3.2-1b", "model_type", "\"gemma3\"", "model_type is 'gemma3', supported are llama, qwen2, qwen3, deepseek_v2, deepseek_v3, deepseek_v32, hadal")]
    public void Keys_that_change_the_mathematics_are_refused_by_name(string name, string key, string value, string expected)
    {
        var json = JsonNode.Parse(Text(name))!.AsObject();
        json[key] = JsonNode.Parse(value);
        Assert.Contains(expected, Refusal(json.ToJsonString()), StringComparison.Ordinal);
    }

    [Fact]
    public void All_faults_are_reported_at_once()
    {
        var json = JsonNode.Parse(Text("deepseek-v3"))!.AsObject();
        json["hidden_act"] = "gelu";
        json["ep_size"] = 4;
        json["num_experts_per_tok"] = 4000;
        json["rope_scaling"]!["type"] = "dynamic";
        json["quantization_config"]!["quant_method"] = "gptq";
        var fault = Refusal(json.ToJsonString());
        Assert.StartsWith("config.json: 5 faults: ", fault, StringComparison.Ordinal);
        foreach (var key in (string[])["hidden_act", "ep_size", "num_experts_per_tok", "rope_scaling.rope_type", "quantization_config.quant_method"]) Assert.Contains(key, fault, StringComparison.Ordinal);

        Assert.Equal("config.json: 2 faults: vocab_size is \"x\", expected a whole number; rms_norm_eps is missing", Refusal(Llama.Replace("\"vocab_size\":8", "\"vocab_size\":\"x\"", StringComparison.Ordinal).Replace("\"rms_norm_eps\":1e-5,", "", StringComparison.Ordinal)));
    }

    [Fact]
    public void Unknown_keys_survive_a_round_trip()
    {
        var config = With(Llama, "future_key", """{"deep":[1,2.50,"x",null]}""");
        Assert.Equal("""{"deep":[1,2.50,"x",null]}""", JsonDocument.Parse(config.ToJson()).RootElement.GetProperty("future_key").GetRawText().ReplaceLineEndings("").Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal(config.ToJson(), ModelConfigReader.Parse(config.ToJson()).ToJson());
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("{\"model_type\":7}")]
    [InlineData("{\"model_type\":\"\\ud800\"}")]
    [InlineData("{\"model_type\":\"llama\",\"vocab_size\":NaN}")]
    [InlineData("{\"model_type\":\"llama\"}{}")]
    public void What_is_no_config_is_refused_in_one_line(string json) => Assert.StartsWith("config.json: ", Refusal(json), StringComparison.Ordinal);

    [Fact]
    public void Repeated_keys_are_refused() =>
        Assert.Equal("config.json: vocab_size appears twice", Refusal(Llama.Replace("\"vocab_size\":8", "\"vocab_size\":8,\"vocab_size\":9", StringComparison.Ordinal)));

    [Fact]
    public void Deep_nesting_is_refused() => Refusal(Llama.TrimEnd()[..^1] + ",\"x\":" + new string('[', 10000) + new string(']', 10000) + "}");

    private static string Text(string name) => File.ReadAllText(Path.Combine(ConfigFolder, name + ".json"));

    private static string Refusal(string json)
    {
        var fault = Assert.Throws<CheckpointException>(() => ModelConfigReader.Parse(json));
        Assert.DoesNotContain('\n', fault.Message);
        return fault.Message;
    }

    private static ModelConfig With(string json, string key, string value)
    {
        var node = JsonNode.Parse(json)!.AsObject();
        node[key] = JsonNode.Parse(value);
        return ModelConfigReader.Parse(node.ToJsonString());
    }

    private static bool Equivalent(JsonNode? a, JsonNode? b) => (a, b) switch
    {
        (null, null) => true,
        (JsonObject x, JsonObject y) => x.All(pair => Equivalent(pair.Value, y[pair.Key])),
        (JsonArray x, JsonArray y) => x.Count == y.Count && x.Zip(y).All(pair => Equivalent(pair.First, pair.Second)),
        (JsonValue x, JsonValue y) when x.GetValueKind() == JsonValueKind.Number => y.GetValueKind() == JsonValueKind.Number && x.GetValue<double>() == y.GetValue<double>(),
        (JsonValue, JsonValue) => JsonNode.DeepEquals(a, b),
        _ => false,
    };
}
