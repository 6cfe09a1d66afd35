using System.Text;

namespace Hadal.Checkpoints.Tests.Hostile;

/// <summary>Puts GGUF files together, valid ones and others.</summary>
internal sealed class GgufBuilder
{
    private readonly List<(string Key, byte[] Bytes)> _values = [];
    private readonly List<(string Name, ulong[] Sizes, uint Type, ulong? Offset, byte[] Data)> _tensors = [];

    public uint Version { get; set; } = 3;

    public ulong? ValueCount { get; set; }

    public ulong? TensorCount { get; set; }

    /// <summary>What the builder aligns to; a key of its own says so in the file.</summary>
    public int Alignment { get; set; } = 32;

    /// <summary>A llama of one layer: two heads, four tokens, all widths the same.</summary>
    public static GgufBuilder Llama(int width = 32)
    {
        var wide = (uint)width;
        var builder = new GgufBuilder()
            .Value("general.architecture", "llama").Value("llama.block_count", 1u).Value("llama.context_length", 16u).Value("llama.embedding_length", wide)
            .Value("llama.feed_forward_length", wide).Value("llama.attention.head_count", 2u).Value("llama.attention.head_count_kv", 1u)
            .Value("llama.attention.layer_norm_rms_epsilon", 1e-5f).Value("llama.rope.freq_base", 10000f)
            .Value("tokenizer.ggml.model", "gpt2").Value("tokenizer.ggml.pre", "llama-bpe").Value("tokenizer.ggml.tokens", new[] { "a", "b", "ab", "<s>" })
            .Value("tokenizer.ggml.token_type", new[] { 1, 1, 1, 3 }).Value("tokenizer.ggml.merges", new[] { "a b" }).Value("tokenizer.ggml.eos_token_id", 3u);
        ulong full = wide, half = wide / 2;
        return builder.Tensor("token_embd.weight", [full, 4]).Tensor("output.weight", [full, 4]).Tensor("output_norm.weight", [full]).Tensor("blk.0.attn_norm.weight", [full])
            .Tensor("blk.0.attn_q.weight", [full, full]).Tensor("blk.0.attn_k.weight", [full, half]).Tensor("blk.0.attn_v.weight", [full, half])
            .Tensor("blk.0.attn_output.weight", [full, full]).Tensor("blk.0.ffn_norm.weight", [full])
            .Tensor("blk.0.ffn_gate.weight", [full, full]).Tensor("blk.0.ffn_up.weight", [full, full]).Tensor("blk.0.ffn_down.weight", [full, full]);
    }

    /// <summary>A deepseek2 of two layers, one with two experts, and the new layout of latent attention.</summary>
    public static GgufBuilder DeepSeek()
    {
        var builder = new GgufBuilder()
            .Value("general.architecture", "deepseek2").Value("deepseek2.block_count", 2u).Value("deepseek2.context_length", 16u).Value("deepseek2.embedding_length", 8u)
            .Value("deepseek2.feed_forward_length", 8u).Value("deepseek2.attention.head_count", 2u).Value("deepseek2.attention.head_count_kv", 1u)
            .Value("deepseek2.attention.layer_norm_rms_epsilon", 1e-6f).Value("deepseek2.leading_dense_block_count", 1u).Value("deepseek2.attention.kv_lora_rank", 4u)
            .Value("deepseek2.attention.key_length", 6u).Value("deepseek2.attention.value_length", 4u).Value("deepseek2.attention.key_length_mla", 6u)
            .Value("deepseek2.attention.value_length_mla", 4u).Value("deepseek2.rope.dimension_count", 2u).Value("deepseek2.expert_count", 2u)
            .Value("deepseek2.expert_used_count", 1u).Value("deepseek2.expert_feed_forward_length", 8u).Value("deepseek2.vocab_size", 4u)
            .Tensor("token_embd.weight", [8, 4]).Tensor("output.weight", [8, 4]).Tensor("output_norm.weight", [8]);
        for (var layer = 0; layer < 2; layer++)
        {
            var p = $"blk.{layer}.";
            builder.Tensor(p + "attn_norm.weight", [8]).Tensor(p + "attn_q.weight", [8, 12]).Tensor(p + "attn_kv_a_mqa.weight", [8, 6]).Tensor(p + "attn_kv_a_norm.weight", [4])
                .Tensor(p + "attn_k_b.weight", [4, 4, 2]).Tensor(p + "attn_v_b.weight", [4, 4, 2]).Tensor(p + "attn_output.weight", [8, 8]).Tensor(p + "ffn_norm.weight", [8]);
        }

        return builder.Tensor("blk.0.ffn_gate.weight", [8, 8]).Tensor("blk.0.ffn_up.weight", [8, 8]).Tensor("blk.0.ffn_down.weight", [8, 8])
            .Tensor("blk.1.ffn_gate_inp.weight", [8, 2]).Tensor("blk.1.ffn_gate_exps.weight", [8, 8, 2]).Tensor("blk.1.ffn_up_exps.weight", [8, 8, 2]).Tensor("blk.1.ffn_down_exps.weight", [8, 8, 2]);
    }

    /// <summary>Sets a key; the type follows from the value.</summary>
    public GgufBuilder Value(string key, object value)
    {
        var bytes = value switch
        {
            string text => Bytes(8u, text),
            uint number => Bytes(4u, number),
            int number => Bytes(5u, number),
            float number => Bytes(6u, number),
            bool truth => Bytes(7u, truth),
            ulong number => Bytes(10u, number),
            ushort number => Bytes(2u, number),
            string[] texts => Bytes([9u, 8u, (ulong)texts.Length, .. texts]),
            int[] numbers => Bytes([9u, 5u, (ulong)numbers.Length, .. numbers.Cast<object>()]),
            float[] numbers => Bytes([9u, 6u, (ulong)numbers.Length, .. numbers.Cast<object>()]),
            byte[] numbers => Bytes([9u, 0u, (ulong)numbers.Length, .. numbers.Cast<object>()]),
            _ => throw new ArgumentException(value.GetType().Name, nameof(value)),
        };
        return Raw(key, bytes);
    }

    /// <summary>Sets a key to a type and value that are written as they are.</summary>
    public GgufBuilder Raw(string key, byte[] typeAndValue)
    {
        _values.RemoveAll(value => value.Key == key);
        _values.Add((key, typeAndValue));
        return this;
    }

    /// <summary>Adds a key, also where there is one of that name.</summary>
    public GgufBuilder Twice(string key)
    {
        _values.Add(_values.Find(value => value.Key == key));
        return this;
    }

    public GgufBuilder Without(string name)
    {
        _values.RemoveAll(value => value.Key == name);
        _tensors.RemoveAll(tensor => tensor.Name == name);
        return this;
    }

    /// <summary>Adds a tensor of zeros, or replaces the one of that name, where it stands.</summary>
    public GgufBuilder Tensor(string name, ulong[] sizes, uint type = 0, ulong? offset = null, int? dataBytes = null)
    {
        var bytes = dataBytes ?? checked((int)sizes.Aggregate(4UL, (product, size) => product * size));
        var index = _tensors.FindIndex(tensor => tensor.Name == name);
        if (index < 0) _tensors.Add((name, sizes, type, offset, new byte[bytes]));
        else _tensors[index] = (name, sizes, type, offset, new byte[bytes]);
        return this;
    }

    public GgufBuilder TensorTwice(string name)
    {
        _tensors.Add(_tensors.Find(tensor => tensor.Name == name));
        return this;
    }

    /// <summary>Joins numbers and texts (length and bytes) in little-endian order.</summary>
    public static byte[] Bytes(params object[] parts)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        foreach (var part in parts)
        {
            switch (part)
            {
                case string text:
                    writer.Write((ulong)Encoding.UTF8.GetByteCount(text));
                    writer.Write(Encoding.UTF8.GetBytes(text));
                    break;
                case byte[] bytes:
                    writer.Write(bytes);
                    break;
                case byte number:
                    writer.Write(number);
                    break;
                case ushort number:
                    writer.Write(number);
                    break;
                case uint number:
                    writer.Write(number);
                    break;
                case int number:
                    writer.Write(number);
                    break;
                case ulong number:
                    writer.Write(number);
                    break;
                case float number:
                    writer.Write(number);
                    break;
                case bool truth:
                    writer.Write(truth);
                    break;
                default:
                    throw new ArgumentException(part.GetType().Name, nameof(parts));
            }
        }

        return stream.ToArray();
    }

    /// <summary>Length of <see cref="Build"/> without the data.</summary>
    public int HeaderLength { get; private set; }

    public byte[] Build()
    {
        var parts = new List<object> { "GGUF"u8.ToArray(), Version, TensorCount ?? (ulong)_tensors.Count, ValueCount ?? (ulong)_values.Count };
        foreach (var (key, bytes) in _values) parts.AddRange([key, bytes]);
        var data = new MemoryStream();
        foreach (var (name, sizes, type, offset, bytes) in _tensors)
        {
            while (data.Length % Alignment != 0) data.WriteByte(0);
            parts.AddRange([name, (uint)sizes.Length, .. sizes.Cast<object>(), type, offset ?? (ulong)data.Length]);
            data.Write(bytes);
        }

        var header = Bytes([.. parts]);
        HeaderLength = header.Length;
        var padding = new byte[(Alignment - (header.Length % Alignment)) % Alignment];
        return [.. header, .. padding, .. data.ToArray()];
    }
}
