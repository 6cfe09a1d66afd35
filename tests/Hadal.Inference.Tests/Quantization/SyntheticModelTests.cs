using Hadal.Checkpoints;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Synthetic;
using Hadal.Checkpoints.Weights;
using Hadal.Inference.Models;
using Hadal.Inference.Tests.Models;

namespace Hadal.Inference.Tests.Quantization;

/// <summary>Checkpoints of random weights through the engine.</summary>
public sealed class SyntheticModelTests : IDisposable
{
    private static readonly Dictionary<string, string> Shapes = new()
    {
        ["qwen2"] = """
            {"model_type":"qwen2","vocab_size":300,"hidden_size":128,"intermediate_size":256,"num_hidden_layers":30,"num_attention_heads":4,"num_key_value_heads":2,"rms_norm_eps":1e-6,
             "max_position_embeddings":64,"bos_token_id":0,"eos_token_id":1}
            """,
        ["deepseek_v32"] = """
            {"model_type":"deepseek_v32","vocab_size":300,"hidden_size":128,"intermediate_size":256,"moe_intermediate_size":64,"num_hidden_layers":30,"num_attention_heads":2,"n_routed_experts":4,
             "n_shared_experts":1,"num_experts_per_tok":2,"first_k_dense_replace":1,"n_group":2,"topk_group":1,"routed_scaling_factor":2.5,"norm_topk_prob":true,"q_lora_rank":64,"kv_lora_rank":32,
             "qk_nope_head_dim":16,"qk_rope_head_dim":16,"v_head_dim":32,"index_n_heads":2,"index_head_dim":32,"index_topk":8,"rms_norm_eps":1e-6,"max_position_embeddings":64,"bos_token_id":0,"eos_token_id":1}
            """,
    };

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("qwen2", 0)]
    [InlineData("qwen2", 8)]
    [InlineData("qwen2", 4)]
    [InlineData("deepseek_v32", 0)]
    [InlineData("deepseek_v32", 8)]
    [InlineData("deepseek_v32", 4)]
    public void Logits_are_ordinary_numbers_behind_thirty_layers(string shape, int bits)
    {
        var path = Path.Combine(_folder.FullName, "model");
        new SyntheticCheckpoint(ModelConfigReader.Parse(Shapes[shape]), bits == 0 ? null : new WeightQuantization(bits, 32), seed: 1).Write(path, 2);
        using var checkpoint = Checkpoint.Open(path);
        using var model = DecoderModel.Open(checkpoint, new EngineOptions { ThreadCount = 2, MaxContext = 64, MaxBatchTokens = 64 });
        var logits = Generation.AllLogits(model, TinyModel.Tokens(40, 1, 300));
        Assert.All(logits, logit => Assert.InRange(logit, -50, 50));
        // Different tokens have different logits: the layers did not wash them out.
        var spread = Enumerable.Range(0, 300).Max(v => Math.Abs(logits[v] - logits[(39 * 300) + v]));
        Assert.InRange(spread, 0.01f, 100f);
    }
}
