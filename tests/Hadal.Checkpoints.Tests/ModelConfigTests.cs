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

    private static GroupedQueryConfig Read(string eosTokenId) => JsonSerializer.Deserialize(
        $$"""
        {"model_type":"llama","vocab_size":8,"hidden_size":4,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":1,
         "rms_norm_eps":1e-5,"max_position_embeddings":16,"eos_token_id":{{eosTokenId}}}
        """, ConfigJson.Default.GroupedQueryConfig)!;
}
