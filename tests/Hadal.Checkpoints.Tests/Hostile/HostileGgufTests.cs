namespace Hadal.Checkpoints.Tests.Hostile;

/// <summary>GGUF files that lie, each refused in one line with memory in proportion to the file.</summary>
public sealed class HostileGgufTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Case, what is done to a valid file, and what the refusal says.</summary>
    private static readonly Dictionary<string, (Action<GgufBuilder> Damage, string Expected)> Cases = new()
    {
        ["2^64 - 1 values"] = (file => file.ValueCount = ulong.MaxValue, "states 18446744073709551615 metadata values"),
        ["2^32 values"] = (file => file.ValueCount = 1UL << 32, "states 4294967296 metadata values"),
        ["one value too many"] = (file => file.ValueCount = 16, "the file is damaged"),
        ["2^64 - 1 tensors"] = (file => file.TensorCount = ulong.MaxValue, "states 18446744073709551615 tensors"),
        ["2^32 tensors"] = (file => file.TensorCount = 1UL << 32, "states 4294967296 tensors"),
        ["version 1"] = (file => file.Version = 1, "is GGUF version 1; supported are 2 and 3"),
        ["version 4"] = (file => file.Version = 4, "is GGUF version 4; supported are 2 and 3"),
        ["big-endian"] = (file => file.Version = 3 << 24, "is a big-endian GGUF file"),
        ["string of 2^63 bytes"] = (file => file.Raw("x", GgufBuilder.Bytes(8u, 1UL << 63)), "states a string of 9223372036854775808 bytes"),
        ["string behind the end"] = (file => file.Raw("x", GgufBuilder.Bytes(8u, 1UL << 20)), "states a string of 1048576 bytes"),
        ["key of 2^40 bytes"] = (file => { file.ValueCount = 17; file.Raw("x", GgufBuilder.Bytes(4u, 1u, 1UL << 40)); }, "the metadata key at byte"),
        ["empty key"] = (file => file.Value("", 1u), "is empty"),
        ["array of 2^60 strings"] = (file => file.Raw("x", GgufBuilder.Bytes(9u, 8u, 1UL << 60)), "states 1152921504606846976 elements of x"),
        ["array of 2^61 doubles"] = (file => file.Raw("x", GgufBuilder.Bytes(9u, 12u, 1UL << 61)), "states 2305843009213693952 elements of x"),
        ["array in an array"] = (file => file.Raw("x", GgufBuilder.Bytes(9u, 9u, 1UL, 9u, 9u, 1UL)), "is an array of arrays"),
        ["unknown value type"] = (file => file.Raw("x", GgufBuilder.Bytes(13u, 1u)), "has the unknown value type 13"),
        ["unknown element type"] = (file => file.Raw("x", GgufBuilder.Bytes(9u, 99u, 0UL)), "has the unknown value type 99"),
        ["dimensions beyond 64 bits"] = (file => file.Tensor("output.weight", [1UL << 31, 1UL << 31, 1UL << 31], dataBytes: 0), "has a dimension of 2147483648"),
        ["product beyond 64 bits"] = (file => file.Tensor("output.weight", [0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF], dataBytes: 0), "bytes, the file has"),
        ["five dimensions"] = (file => file.Tensor("output.weight", [1, 1, 1, 1, 1]), "has 5 dimensions, expected 1 to 4"),
        ["no dimensions"] = (file => file.Tensor("output.weight", []), "has 0 dimensions, expected 1 to 4"),
        ["dimension 0"] = (file => file.Tensor("output.weight", [32, 0]), "has a dimension of 0"),
        ["dimension 2^64 - 1"] = (file => file.Tensor("output.weight", [32, ulong.MaxValue], dataBytes: 0), "has a dimension of 18446744073709551615"),
        ["offset behind the end"] = (file => file.Tensor("output.weight", [32, 4], offset: 1 << 20), "needs 512 bytes from 1048576"),
        ["offset 2^64 - 32"] = (file => file.Tensor("output.weight", [32, 4], offset: ulong.MaxValue - 31), "which is not a multiple of the alignment"),
        ["offset 2^63 - 32"] = (file => file.Tensor("output.weight", [32, 4], offset: long.MaxValue - 31), "needs 512 bytes from"),
        ["offset between"] = (file => file.Tensor("output.weight", [32, 4], offset: 8), "which is not a multiple of the alignment 32"),
        ["overlap"] = (file => file.Tensor("output.weight", [32, 4], offset: 32), "inside "),
        ["all tensors of one place"] = (file => { foreach (var name in (string[])["output.weight", "token_embd.weight"]) file.Tensor(name, [32, 4], offset: 0); }, "inside "),
        ["alignment 0"] = (file => file.Value("general.alignment", 0u), "general.alignment is 0"),
        ["alignment 3"] = (file => file.Value("general.alignment", 3u), "general.alignment is 3"),
        ["alignment 48"] = (file => file.Value("general.alignment", 48u), "general.alignment is 48"),
        ["alignment 2^31"] = (file => file.Value("general.alignment", 1u << 31), "general.alignment is 2147483648"),
        ["alignment as text"] = (file => file.Value("general.alignment", "32"), "general.alignment is of type String"),
        ["tensor type IQ2_XS"] = (file => file.Tensor("output.weight", [256, 4], type: 17), "output.weight: is stored as IQ2_XS; supported tensor types: F32, F16"),
        ["tensor type 2^31"] = (file => file.Tensor("output.weight", [256, 4], type: 1u << 31), "is stored as the unknown type 2147483648"),
        ["removed tensor type"] = (file => file.Tensor("output.weight", [256, 4], type: 4), "is stored as the unknown type 4"),
        ["part of a block"] = (file => file.Tensor("output.weight", [33, 4], type: 8), "rows of Q8_0 need a multiple of 32 elements, found 33"),
        ["repeated key"] = (file => file.Twice("llama.block_count"), "metadata key 'llama.block_count' appears twice"),
        ["repeated tensor"] = (file => file.TensorTwice("output.weight"), "tensor 'output.weight' appears twice"),
        ["tensor name of 257 bytes"] = (file => file.Tensor(new string('x', 257), [32]), "has 257 bytes, allowed are 256"),
        ["unknown tensor"] = (file => file.Tensor("blk.0.attn_sinks.weight", [32]), "blk.0.attn_sinks.weight: unknown tensor; the file is damaged, or made for a newer form"),
        ["layer 2^31"] = (file => file.Tensor("blk.2147483648.attn_q.weight", [32]), "unknown tensor"),
        ["layer behind the last"] = (file => file.Tensor("blk.7.attn_q.weight", [32, 32]), "model.layers.7.self_attn.q_proj.weight: unknown to llama"),
        ["tensor missing"] = (file => file.Without("blk.0.attn_q.weight"), "model.layers.0.self_attn.q_proj.weight: missing, expected [32, 32]"),
        ["other shape"] = (file => file.Tensor("blk.0.ffn_up.weight", [32, 16]), "expected [32, 32] (intermediate_size = 32), file has [16, 32]"),
        ["norm in blocks"] = (file => file.Tensor("output_norm.weight", [32], type: 8), "norms and biases must be F32, F16 or BF16"),
        ["no architecture"] = (file => file.Without("general.architecture"), "has no general.architecture"),
        ["unknown architecture"] = (file => file.Value("general.architecture", "mamba"), "general.architecture is 'mamba', supported are llama, qwen2, qwen3, deepseek2, deepseek32"),
        ["adapter"] = (file => file.Value("general.type", "adapter"), "general.type is 'adapter', expected a model"),
        ["architecture as number"] = (file => file.Value("general.architecture", 1u), "general.architecture is of type U32, expected a string"),
        ["key of another type"] = (file => file.Value("llama.block_count", "1"), "llama.block_count is of type String, expected a whole number"),
        ["key as array"] = (file => file.Value("llama.attention.head_count_kv", new[] { 1, 1 }), "is an array of 2 I32, expected a whole number"),
        ["no layers"] = (file => file.Value("llama.block_count", 0u), "llama.block_count must be positive"),
        ["no heads"] = (file => file.Value("llama.attention.head_count", 0u), "llama.attention.head_count must be positive"),
        ["no context"] = (file => file.Value("llama.context_length", 0u), "llama.context_length must be positive"),
        ["no embedding"] = (file => file.Value("llama.embedding_length", 0u), "llama.embedding_length must be positive"),
        ["rotation of part of a head"] = (file => file.Value("llama.rope.dimension_count", 8u), "llama.rope.dimension_count is 8, supported is the width of a head, 16"),
        ["heads that divide nothing"] = (file => file.Value("llama.attention.head_count", 3u), "hidden_size 32 is no multiple of num_attention_heads 3"),
        ["2^31 layers"] = (file => file.Value("llama.block_count", 0x7FFFFFFFu), "num_hidden_layers is 2147483647, expected 1 to 4096"),
        ["4096 layers"] = (file => file.Value("llama.block_count", 4096u), "the config calls for more than 32768 tensors"),
        ["context 2^62"] = (file => file.Value("llama.context_length", 1UL << 62), "llama.context_length is 4611686018427387904"),
        ["vocabulary 2^31"] = (file => file.Value("llama.vocab_size", 0x7FFFFFFFu), "vocab_size is 2147483647, expected 1 to"),
        ["missing key"] = (file => file.Without("llama.attention.layer_norm_rms_epsilon"), "llama.attention.layer_norm_rms_epsilon is missing"),
        ["epsilon NaN"] = (file => file.Value("llama.attention.layer_norm_rms_epsilon", float.NaN), "rms_norm_eps is NaN"),
        ["base of rotation infinite"] = (file => file.Value("llama.rope.freq_base", float.PositiveInfinity), "rope_theta is Infinity"),
        ["scaling of another kind"] = (file => file.Value("llama.rope.scaling.type", "longrope"), "llama.rope.scaling.type is 'longrope', supported are none, linear and yarn"),
        ["window"] = (file => file.Value("llama.attention.sliding_window", 4u), "attention within a window is not computed"),
        ["experts"] = (file => file.Value("llama.expert_count", 8u), "llama.expert_count: a mixture of experts is computed for deepseek2"),
        ["end token outside"] = (file => file.Value("tokenizer.ggml.eos_token_id", 4u), "eos_token_id is 4, vocab_size is 4"),
        ["start token outside"] = (file => file.Value("tokenizer.ggml.bos_token_id", 77u), "bos_token_id is 77, vocab_size is 4"),
        ["token kinds too few"] = (file => file.Value("tokenizer.ggml.token_type", new[] { 1 }), "tokenizer.ggml.token_type has 1 entries for 4 tokens"),
        ["tokens as numbers"] = (file => file.Value("tokenizer.ggml.tokens", new[] { 1 }), "tokenizer.ggml.tokens is an array of 1 I32, expected an array of strings"),
        ["scores as bytes"] = (file => file.Value("tokenizer.ggml.model", "llama").Value("tokenizer.ggml.scores", new byte[] { 1, 2 }), "tokenizer.ggml.scores has 2 entries for 4 tokens"),
        ["repeated token"] = (file => file.Value("tokenizer.ggml.tokens", new[] { "a", "a", "ab", "<s>" }), "'a' has the ids 0 and 1"),
        ["merge of unknown tokens"] = (file => file.Value("tokenizer.ggml.merges", new[] { "x y" }), "merge"),
        ["broken template"] = (file => file.Value("tokenizer.chat_template", "{% for %}"), ""),
        ["tokenizer of another kind"] = (file => file.Value("tokenizer.ggml.model", "rwkv"), "tokenizer.ggml.model is 'rwkv', supported are gpt2, llama and bert"),
        ["one of several parts"] = (file => file.Value("split.count", (ushort)3), "is one of 3 parts (split.count), so its name must end in"),
    };

    public static TheoryData<string> Names => new(Cases.Keys);

    [Fact]
    public void The_files_that_are_damaged_here_open_undamaged()
    {
        Assert.Null(Refusals.Open(_folder.Write("llama.gguf", GgufBuilder.Llama().Build())));
        var deepSeek = Refusals.Open(_folder.Write("deepseek.gguf", GgufBuilder.DeepSeek().Build()));
        Assert.Contains("has no tokenizer.ggml.model", deepSeek, StringComparison.Ordinal);
        Assert.Null(Refusals.Open(_folder.Write("version-2.gguf", Changed(file => file.Version = 2))));
        Assert.Null(Refusals.Open(_folder.Write("aligned.gguf", Changed(file => file.Value("general.alignment", 64u).Alignment = 64))));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Damaged_files_are_refused(string name)
    {
        var (damage, expected) = Cases[name];
        var path = _folder.Write("damaged.gguf", Changed(damage));
        if (expected.Length > 0) Refusals.Refused(path, expected);
        else Assert.NotNull(Refusals.Open(path));
    }

    [Theory]
    [InlineData("deepseek2.expert_count", 3u, "blk.1.ffn_gate_exps.weight: expected a stack of 3 experts (expert_count), file has [2, 8, 8]")]
    [InlineData("deepseek2.expert_count", 65536u, "expected a stack of 65536 experts")]
    [InlineData("deepseek2.expert_count", 0u, "expected a stack of 0 experts")]
    [InlineData("deepseek2.expert_used_count", 3u, "num_experts_per_tok is 3, more than the experts to choose from")]
    [InlineData("deepseek2.expert_used_count", 0u, "deepseek2.expert_used_count must be positive")]
    [InlineData("deepseek2.expert_group_count", 3u, "n_group is 3, expected a divisor of n_routed_experts, 2")]
    [InlineData("deepseek2.expert_gating_func", 3u, "deepseek2.expert_gating_func is 3, supported are 1 (softmax) and 2 (sigmoid)")]
    [InlineData("deepseek2.attention.key_length_mla", 2u, "qk_nope_head_dim is 0, expected 1 to")]
    [InlineData("deepseek2.rope.dimension_count", 0u, "deepseek2.rope.dimension_count must be positive")]
    [InlineData("deepseek2.attention.kv_lora_rank", 8u, "expected [10, 8] (kv_lora_rank + qk_rope_head_dim = 10), file has [6, 8]")]
    [InlineData("deepseek2.leading_dense_block_count", 3u, "first_k_dense_replace is 3, expected 0 to num_hidden_layers, 2")]
    [InlineData("deepseek2.nextn_predict_layers", 2u, "num_hidden_layers is 0")]
    public void Sizes_of_latent_attention_and_experts_are_checked(string key, uint value, string expected) =>
        Refusals.Refused(_folder.Write("damaged.gguf", GgufBuilder.DeepSeek().Value(key, value).Build()), expected);

    [Fact]
    public void A_file_cut_anywhere_is_refused()
    {
        var cuts = 0;
        foreach (var builder in new[] { GgufBuilder.Llama(), GgufBuilder.DeepSeek() })
        {
            var bytes = builder.Build();
            var path = _folder.Write("cut.gguf", bytes);
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            for (var length = bytes.Length - 1; length >= 0; length = length > builder.HeaderLength + 64 ? length - 61 : length - 1)
            {
                stream.SetLength(length);
                stream.Flush();
                Assert.True(Refusals.Open(path) is not null, $"opened with {length} of {bytes.Length} bytes");
                cuts++;
            }
        }

        output.WriteLine($"GGUF: cut at {cuts} places");
    }

    [Fact]
    public void Any_flipped_bit_of_a_header_leaves_a_model_or_a_refusal()
    {
        var builder = GgufBuilder.Llama();
        var bytes = builder.Build();
        var path = _folder.Write("flipped.gguf", bytes);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        var refused = 0;
        for (var bit = 0; bit < builder.HeaderLength * 8; bit++)
        {
            Put(stream, bit / 8, (byte)(bytes[bit / 8] ^ (1 << (bit % 8))));
            if (Refusals.Open(path) is not null) refused++;
            Put(stream, bit / 8, bytes[bit / 8]);
        }

        output.WriteLine($"GGUF: {builder.HeaderLength * 8} flipped bits, {refused} refused");
        Assert.InRange(refused, builder.HeaderLength * 8 / 2, builder.HeaderLength * 8);
    }

    public void Dispose() => _folder.Dispose();

    private static void Put(FileStream stream, int position, byte value)
    {
        stream.Position = position;
        stream.WriteByte(value);
    }

    private static byte[] Changed(Action<GgufBuilder> change)
    {
        var builder = GgufBuilder.Llama();
        change(builder);
        return builder.Build();
    }
}
