using System.Text.Json;
using Hadal.Checkpoints.Config;

namespace Hadal.Checkpoints.Tests;

public sealed class ModelConfigTests
{
    [Fact]
    public void End_tokens_may_be_a_number_a_list_or_null()
    {
        Assert.Equal([7], Read("7").EosTokenId);
        Assert.Equal([7, 9], Read("[7, 9]").EosTokenId);
        Assert.Empty(Read("null").EosTokenId);
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

    private static GroupedQueryConfig Read(string eosTokenId) => JsonSerializer.Deserialize(
        $$"""
        {"model_type":"llama","vocab_size":8,"hidden_size":4,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":1,
         "rms_norm_eps":1e-5,"max_position_embeddings":16,"eos_token_id":{{eosTokenId}}}
        """, ConfigJson.Default.GroupedQueryConfig)!;
}
