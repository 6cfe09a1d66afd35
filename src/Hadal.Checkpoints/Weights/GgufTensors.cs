using System.Globalization;

namespace Hadal.Checkpoints.Weights;

/// <summary>Gives the tensors of a GGUF model their published names. Nothing is copied; stacked experts become one view for each expert.</summary>
/// <remarks>Names: ggml-org/llama.cpp <c>gguf-py/gguf/tensor_mapping.py</c>. Rows of q and k of the llama architecture stay in the order of
/// the file, which is the published one with interleaved pairs: the config says so with <c>rope_interleave</c>.</remarks>
internal static unsafe class GgufTensors
{
    /// <summary>Name of the rotary frequency factors, which have no published counterpart.</summary>
    public const string RopeFactors = "rope_freqs.weight";

    private const string LayerPrefix = "blk.";

    /// <summary>All tensors by published name. Names the format does not know go to <paramref name="faults"/>.</summary>
    /// <param name="files">The parts of the model.</param>
    /// <param name="expertCount">Number of routed experts of the config.</param>
    /// <param name="faults">Receives what is wrong.</param>
    public static Dictionary<string, WeightTensor> Read(IReadOnlyList<GgufFile> files, int expertCount, FaultList faults)
    {
        var tensors = new Dictionary<string, WeightTensor>(StringComparer.Ordinal);
        foreach (var file in files)
        {
            foreach (var tensor in file.Tensors.Values)
            {
                if (Published(tensor.Name) is not { } name) faults.Add($"{tensor.Name}: unknown tensor");
                else if (name.Contains(ExpertPlace, StringComparison.Ordinal)) AddExperts(tensors, file, tensor, name, expertCount, faults);
                else Add(tensors, new WeightTensor(name, tensor.DType, tensor.Shape, file.DataOf(tensor), tensor.ByteLength) { IsMapped = true }, tensor.Name, faults);
            }
        }

        return tensors;
    }

    private static void AddExperts(Dictionary<string, WeightTensor> tensors, GgufFile file, GgufTensor stack, string name, int expertCount, FaultList faults)
    {
        if (stack.Shape.Length != 3 || stack.Shape[0] != expertCount)
        {
            faults.Add($"{stack.Name}: expected a stack of {expertCount} experts (expert_count), file has {TensorBinder.Text(stack.Shape)}");
            return;
        }

        var bytes = stack.ByteLength / expertCount;
        for (var index = 0; index < expertCount; index++)
        {
            var expert = name.Replace(ExpertPlace, string.Create(CultureInfo.InvariantCulture, $".experts.{index}."), StringComparison.Ordinal);
            Add(tensors, new WeightTensor(expert, stack.DType, stack.Shape[1..], file.DataOf(stack) + (index * bytes), bytes) { IsMapped = true }, stack.Name, faults);
        }
    }

    private static void Add(Dictionary<string, WeightTensor> tensors, WeightTensor tensor, string storedName, FaultList faults)
    {
        if (!tensors.TryAdd(tensor.Name, tensor)) faults.Add($"{storedName}: appears in two parts, or under two names");
    }

    /// <summary>The published name of a tensor of a GGUF file; stands for all experts where it contains <see cref="ExpertPlace"/>; null if unknown.</summary>
    internal static string? Published(string name)
    {
        switch (name)
        {
            case "token_embd.weight": return "model.embed_tokens.weight";
            case "output_norm.weight": return "model.norm.weight";
            case "output.weight": return "lm_head.weight";
            case RopeFactors: return name;
        }

        if (!name.StartsWith(LayerPrefix, StringComparison.Ordinal)) return null;
        var rest = name.AsSpan(LayerPrefix.Length);
        var dot = rest.IndexOf('.');
        if (dot < 1 || !int.TryParse(rest[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out var layerIndex)) return null;
        var module = rest[(dot + 1)..];
        var end = module.LastIndexOf('.');
        if (end < 1 || module[end..] is not (".weight" or ".bias")) return null;
        var prefix = WeightManifest.LayerPrefix(layerIndex);
        if (module is "exp_probs_b.bias") return prefix + "mlp.gate.e_score_correction_bias";
        return Module(module[..end]) is { } published ? $"{prefix}{published}{module[end..]}" : null;
    }

    /// <summary>What stands in a name for the expert's index.</summary>
    private const string ExpertPlace = ".experts.*.";

    private static string? Module(ReadOnlySpan<char> module) => module switch
    {
        "attn_norm" => "input_layernorm",
        "ffn_norm" => "post_attention_layernorm",
        "attn_q" => "self_attn.q_proj",
        "attn_k" => "self_attn.k_proj",
        "attn_v" => "self_attn.v_proj",
        "attn_output" => "self_attn.o_proj",
        "attn_q_norm" => "self_attn.q_norm",
        "attn_k_norm" => "self_attn.k_norm",
        "attn_q_a" => "self_attn.q_a_proj",
        "attn_q_a_norm" => "self_attn.q_a_layernorm",
        "attn_q_b" => "self_attn.q_b_proj",
        "attn_kv_a_mqa" => "self_attn.kv_a_proj_with_mqa",
        "attn_kv_a_norm" => "self_attn.kv_a_layernorm",
        "attn_kv_b" => "self_attn.kv_b_proj",
        "attn_k_b" => "self_attn.k_b_proj",
        "attn_v_b" => "self_attn.v_b_proj",
        "indexer.k_norm" => "self_attn.indexer.k_norm",
        "indexer.proj" => "self_attn.indexer.weights_proj",
        "indexer.attn_k" => "self_attn.indexer.wk",
        "indexer.attn_q_b" => "self_attn.indexer.wq_b",
        "ffn_gate" => "mlp.gate_proj",
        "ffn_up" => "mlp.up_proj",
        "ffn_down" => "mlp.down_proj",
        "ffn_gate_inp" => "mlp.gate",
        "ffn_gate_exps" => "mlp.experts.*.gate_proj",
        "ffn_up_exps" => "mlp.experts.*.up_proj",
        "ffn_down_exps" => "mlp.experts.*.down_proj",
        "ffn_gate_shexp" => "mlp.shared_experts.gate_proj",
        "ffn_up_shexp" => "mlp.shared_experts.up_proj",
        "ffn_down_shexp" => "mlp.shared_experts.down_proj",
        "nextn.eh_proj" => "eh_proj",
        "nextn.enorm" => "enorm",
        "nextn.hnorm" => "hnorm",
        "nextn.embed_tokens" => "embed_tokens",
        "nextn.shared_head_norm" => "shared_head.norm",
        "nextn.shared_head_head" => "shared_head.head",
        _ => null,
    };
}
