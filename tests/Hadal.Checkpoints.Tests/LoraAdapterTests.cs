using System.Runtime.InteropServices;
using Hadal.Checkpoints.Adapters;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Tests.Hostile;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Tests;

/// <summary>Adapters as huggingface/peft saves them.</summary>
public sealed class LoraAdapterTests : IDisposable
{
    private const string Q = "model.layers.0.self_attn.q_proj", V = "model.layers.0.self_attn.v_proj";

    private static readonly ModelConfig Model = ModelConfigReader.Parse(SmallCheckpoint.Config);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_saved_adapter_opens_with_its_modules_scales_and_numbers()
    {
        Write("""{"peft_type":"LORA","task_type":"CAUSAL_LM","r":2,"lora_alpha":16,"lora_dropout":0.05,"target_modules":["q_proj","v_proj"],"bias":"none","eva_config":null,"alora_invocation_tokens":null,"layer_replication":[],"use_qalora":false,"qalora_group_size":16,"arrow_config":null}""",
            Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2), Tensor(V, "lora_A.weight", 2, 8), Tensor(V, "lora_B.weight", 8, 2));
        using var adapter = LoraAdapter.Open(_folder.Path, Model);
        Assert.Equal([Q, V], adapter.Modules.Select(module => module.Name));
        Assert.All(adapter.Modules, module => Assert.Equal((2, 8, 8, 8.0), (module.Rank, module.InputCount, module.OutputCount, module.Scale)));
        Assert.Equal(4 * 16, adapter.ParameterCount);
        Assert.Equal(0.05, adapter.Config.LoraDropout);
        Assert.Equal(Numbers(16), MemoryMarshal.Cast<byte, float>(adapter.Modules[0].A.Bytes).ToArray());
    }

    [Theory]
    [InlineData("""{"peft_type":"LORA","r":2,"lora_alpha":16,"use_rslora":true}""", 11.313708498984761)]
    [InlineData("""{"peft_type":"LORA","r":8,"rank_pattern":{"q_proj":2},"lora_alpha":8}""", 4.0)]
    [InlineData("""{"peft_type":"LORA","r":2,"lora_alpha":8,"alpha_pattern":{"proj":1,"self_attn\\.[qk]_proj":32}}""", 16.0)]
    [InlineData("""{"peft_type":"LORA","r":2,"alpha_pattern":{"0.self_attn.q_proj":6}}""", 3.0)]
    public void Scales_follow_rank_alpha_and_patterns(string config, double scale)
    {
        Write(config, Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2));
        using var adapter = LoraAdapter.Open(_folder.Path, Model);
        Assert.Equal(scale, Assert.Single(adapter.Modules).Scale, 12);
    }

    [Fact]
    public void Patterns_of_paths_are_the_regular_expressions_they_stand_for()
    {
        string[] paths = [Q, "q_proj", "model.layers.10.self_attn.q_proj", "model.layers.0.self_attn.qxproj", "xq_proj", "model.layers.0.mlp.experts.1.up_proj", ""];
        string[] keys =
        [
            Q, "^" + Q, "q_proj", "^q_proj", "q.proj", "self_attn.q_proj", "elf_attn.q_proj", @"self_attn\.q_proj", @"self.attn\.q_proj", "layers.0.self_attn.q_proj", "0.self_attn.q_proj", "..q_proj", ".q_proj",
            @"\.q_proj", "", "^", "^.", "q-proj", "layers.1.*q_proj", "(q|up)_proj", "q_proj$", @"layers\.\d+\.self_attn\.q_proj", "q_proj|up_proj",
        ];
        var matches = 0;
        foreach (var key in keys)
        {
            var patterns = new AdapterPatterns<int>("rank_pattern", new Dictionary<string, int> { [key] = 1 }, Assert.Fail);
            foreach (var path in paths)
            {
                var expected = System.Text.RegularExpressions.Regex.IsMatch(path, $@"^(.*\.)?({key})$");
                matches += expected ? 1 : 0;
                Assert.True(expected == (patterns.Of(path, 0) == 1), $"'{key}' of '{path}': expected {expected}");
            }
        }

        Assert.InRange(matches, keys.Length, (keys.Length * paths.Length) - keys.Length);
    }

    [Fact]
    public void The_first_of_several_patterns_counts_and_paths_of_modules_may_be_many()
    {
        var ranks = Enumerable.Range(0, 20_000).Select(layer => KeyValuePair.Create($"model.layers.{layer}.self_attn.q_proj", layer)).Prepend(KeyValuePair.Create("layers.7.*", -1)).ToDictionary();
        var patterns = new AdapterPatterns<int>("rank_pattern", ranks, Assert.Fail);
        Assert.Equal((-1, 19_999, -2), (patterns.Of("model.layers.7.self_attn.q_proj", -2), patterns.Of("model.layers.19999.self_attn.q_proj", -2), patterns.Of("model.layers.3.self_attn.k_proj", -2)));
    }

    [Fact]
    public void More_regular_expressions_than_can_be_held_against_every_module_are_refused()
    {
        var pairs = string.Join(',', Enumerable.Range(0, 257).Select(i => $"\"m.*{i}x\":4"));
        Write("{\"peft_type\":\"LORA\",\"r\":2,\"alpha_pattern\":{" + pairs + "}}", Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2));
        Assert.Contains("adapter_config.json: alpha_pattern has more than 256 regular expressions, the next being 'm.*256x'; expected no more, or paths of modules", Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_of_embeddings_is_adapted_by_tensors_of_its_own()
    {
        const string config = """{"peft_type":"LORA","r":2,"target_modules":["embed_tokens"]}""", table = "model.embed_tokens";
        Write(config, Tensor(table, "lora_embedding_A", 2, 4), Tensor(table, "lora_embedding_B", 8, 2), Tensor(table, "base_layer.weight", 4, 8));
        using (var adapter = LoraAdapter.Open(_folder.Path, Model))
        {
            var module = Assert.Single(adapter.Modules);
            Assert.Equal((table, true, 2, 4, 8), (module.Name, module.IsEmbedding, module.Rank, module.InputCount, module.OutputCount));
            Assert.Equal([4, 8], module.Table!.Shape);
            Assert.Equal(24, adapter.ParameterCount);
        }

        Write(config, Tensor(table, "lora_embedding_A", 2, 8), Tensor(table, "lora_embedding_B", 4, 2), Tensor(table, "base_layer.weight", 5, 8));
        Refused("lora_embedding_A' is [2, 8], expected [2, 4]", "lora_embedding_B' is [4, 2], expected [8, 2]", "base_layer.weight' is [5, 8], expected [4, 8]");
        Write(config, Tensor(table, "lora_A.weight", 2, 4), Tensor(table, "lora_B.weight", 8, 2));
        Refused("module 'model.embed_tokens' has lora_A.weight; expected lora_embedding_A and lora_embedding_B of an embedding");
        Write(config, Tensor(Q, "lora_embedding_A", 2, 8), Tensor(Q, "lora_embedding_B", 8, 2));
        Refused("q_proj' has lora_embedding_A; expected lora_A.weight and lora_B.weight of a projection");

        void Refused(params string[] parts)
        {
            var fault = Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message;
            foreach (var part in parts) Assert.Contains(part, fault, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_output_head_is_adapted_as_a_projection_is_tied_or_not()
    {
        const string config = """{"peft_type":"LORA","r":2,"lora_alpha":8,"rank_pattern":{"lm_head":3},"target_modules":["lm_head"]}""", head = "lm_head";
        foreach (var model in (ModelConfig[])[Model, Model with { TieWordEmbeddings = !Model.TieWordEmbeddings }])
        {
            Write(config, Tensor(head, "lora_A.weight", 3, 8), Tensor(head, "lora_B.weight", 4, 3), Tensor(head, "base_layer.weight", 4, 8));
            using (var adapter = LoraAdapter.Open(_folder.Path, model))
            {
                var module = Assert.Single(adapter.Modules);
                Assert.Equal((head, true, false, 3, 8, 4, 8.0 / 3), (module.Name, module.IsHead, module.IsEmbedding, module.Rank, module.InputCount, module.OutputCount, module.Scale));
                Assert.Equal([4, 8], module.Table!.Shape);
                Assert.Equal(36, adapter.ParameterCount);
            }

            Write(config, Tensor(head, "lora_A.weight", 3, 4), Tensor(head, "lora_B.weight", 8, 3), Tensor(head, "base_layer.weight", 8, 4));
            Refused(model, "3 faults: ", "lm_head.lora_A.weight' is [3, 4], expected [3, 8]", "lm_head.lora_B.weight' is [8, 3], expected [4, 3]", "lm_head.base_layer.weight' is [8, 4], expected [4, 8]");
            Write(config, Tensor(head, "lora_A.weight", 2, 8), Tensor(head, "lora_B.weight", 4, 2));
            Refused(model, "lm_head.lora_A.weight' has rank 2, adapter_config.json says 3");
            Write(config, Tensor(head, "lora_A.weight", 3, 8), Tensor(head, "base_layer.weight", 4, 8));
            Refused(model, "module 'lm_head' has no lora_B.weight");
            Write(config, Tensor(head, "lora_embedding_A", 3, 4), Tensor(head, "lora_embedding_B", 8, 3));
            Refused(model, "module 'lm_head' has lora_embedding_A; expected lora_A.weight and lora_B.weight of a projection");
            Write(config, Tensor(head, "lora_A.weight", 3, 8), Tensor(head, "lora_B.weight", 4, 3), Tensor(head, "lora_magnitude_vector", 4));
            Refused(model, "module 'lm_head' has a lora_magnitude_vector and use_dora is false");
            var spoilt = Enumerable.Repeat(1f, 12).ToArray();
            spoilt[7] = float.NaN;
            Write(config, Tensor(head, "lora_A.weight", 3, 8), new TensorToWrite("base_model.model.lm_head.lora_B.weight", DType.F32, [4, 3], MemoryMarshal.AsBytes(spoilt.AsSpan()).ToArray()));
            Refused(model, "lm_head has a number that is not finite");
        }

        // Where labels are given there is no such head.
        const string labels = """{"peft_type":"LORA","task_type":"SEQ_CLS","r":3,"modules_to_save":["score"]}""", message = "module 'lm_head' is adapted, and score, which gives labels, stands in its place; expected other modules: train without lm_head in target_modules";
        Write(labels, Tensor(head, "lora_A.weight", 3, 8), Tensor(head, "lora_B.weight", 4, 3), new TensorToWrite("base_model.model.score.weight", DType.F32, [2, 8], new byte[64]));
        Refused(Model, message);
        Write(labels, Tensor(head, "lora_A.weight", 3, 8), Tensor(head, "lora_B.weight", 4, 3));
        Refused(LabelConfig.With(Model, ModelHead.Sequence, ["no", "yes"], isValue: false), message);

        void Refused(ModelConfig model, params string[] parts)
        {
            var fault = Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, model)).Message;
            foreach (var part in parts) Assert.Contains(part, fault, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', fault);
        }
    }

    [Fact]
    public void A_number_that_is_not_finite_is_refused_in_whatever_part_and_format_it_stands()
    {
        const string config = """{"peft_type":"LORA","task_type":"SEQ_CLS","r":2,"lora_alpha":2,"use_dora":true,"bias":"lora_only","modules_to_save":["score"]}""";
        foreach (var dtype in (DType[])[DType.F32, DType.F16, DType.BF16])
        {
            Write(config, Parts(dtype, "", 0));
            using (LoraAdapter.Open(_folder.Path, Model)) { }
            foreach (var spoilt in (string[])["lora_A.weight", "lora_B.weight", "lora_magnitude_vector", "self_attn.q_proj.bias", "score.weight", "score.bias"])
            {
                foreach (var number in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
                {
                    Write(config, Parts(dtype, spoilt, number));
                    var fault = Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message;
                    Assert.Contains($"{(spoilt.StartsWith("score", StringComparison.Ordinal) ? "score" : Q)} has a number that is not finite", fault, StringComparison.Ordinal);
                }
            }
        }

        TensorToWrite[] Parts(DType dtype, string spoilt, float number)
        {
            return [Of(Q + ".lora_A.weight", 2, 8), Of(Q + ".lora_B.weight", 8, 2), Of(Q + ".lora_magnitude_vector", 8), Of(Q + ".bias", 8), Of("score.weight", 3, 8), Of("score.bias", 3)];

            TensorToWrite Of(string name, params int[] shape)
            {
                // The largest number of a format is one still.
                var values = Enumerable.Repeat(dtype == DType.F16 ? 65504f : BitConverter.UInt32BitsToSingle(0x7F7F_0000), shape.Aggregate(1, (a, b) => a * b)).ToArray();
                values[0] = 0;
                if (spoilt.Length > 0 && name.EndsWith(spoilt, StringComparison.Ordinal)) values[^1] = number;
                byte[] bytes = dtype switch
                {
                    DType.F32 => MemoryMarshal.AsBytes<float>(values).ToArray(),
                    DType.F16 => MemoryMarshal.AsBytes<Half>(Array.ConvertAll(values, value => (Half)value)).ToArray(),
                    _ => MemoryMarshal.AsBytes<ushort>(Array.ConvertAll(values, value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16))).ToArray(),
                };
                return new TensorToWrite("base_model.model." + name, dtype, shape, bytes);
            }
        }
    }

    [Theory]
    [InlineData("1e300")]
    [InlineData("-1e39")]
    public void A_scale_that_no_number_of_32_bits_survives_is_refused(string alpha)
    {
        Write($$"""{"peft_type":"LORA","r":2,"lora_alpha":{{alpha}}}""", Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2));
        Assert.Contains($"{Q}: lora_alpha makes its numbers too large for float32", Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lora_magnitude_vector")]
    [InlineData("lora_magnitude_vector.weight")]
    public void Trained_lengths_and_biases_are_found(string magnitude)
    {
        Write("""{"peft_type":"LORA","r":2,"use_dora":true,"bias":"lora_only"}""",
            Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2), Tensor(Q, magnitude, 8), Tensor(Q, "bias", 8));
        using var adapter = LoraAdapter.Open(_folder.Path, Model);
        var module = Assert.Single(adapter.Modules);
        Assert.Equal([8], module.Magnitude!.Shape);
        Assert.Equal([8], module.Bias!.Shape);
    }

    [Theory]
    [InlineData("""{"peft_type":"IA3","r":0,"fan_in_fan_out":true,"bias":"some","modules_to_save":["lm_head"],"alpha_pattern":{"(":1},"target_parameters":["x"]}""",
        "7 faults: peft_type is IA3, which is not computed; supported: LORA; r is 0, expected 1 to 65536; fan_in_fan_out is true, which is not computed; supported: false; bias is some,*modules_to_save is lm_head, which is not computed; supported: none, or score (embed_tokens and lm_head are adapted by target_modules);*'(' is no pattern:*target_parameters is *x*")]
    [InlineData("""{"peft_type":"LORA","alora_invocation_tokens":[5,7]}""", "alora_invocation_tokens is *5,7*, which is not computed; supported: null")]
    [InlineData("""{"peft_type":"LORA","layer_replication":[[0,2],[1,3]]}""", "layer_replication is *, which is not computed; supported: null")]
    [InlineData("""{"peft_type":"LORA","use_qalora":true,"arrow_config":{"top_k":2},"use_bdlora":{"nblocks":2}}""", "3 faults: use_qalora is true,*arrow_config is *use_bdlora is *")]
    [InlineData("""{"peft_type":"LORA","r":"2"}""", "r is \"2\", expected a whole number")]
    [InlineData("""{"peft_type":"LORA","r":2,"rank_pattern":[1]}""", "rank_pattern is a list, expected an object of whole numbers")]
    [InlineData("""[]""", "is a list, expected an object")]
    [InlineData("""{""", "is not valid: *")]
    public void What_is_not_computed_is_refused_by_name(string config, string message)
    {
        Write(config, Tensor(Q, "lora_A.weight", 2, 8));
        var fault = Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model));
        Assert.Matches(Pattern($"*adapter_config.json: *{message}"), fault.Message);
    }

    [Fact]
    public void Everything_that_does_not_fit_the_model_is_said_at_once()
    {
        Write("""{"peft_type":"LORA","r":2}""",
            Tensor(Q, "lora_A.weight", 2, 7), Tensor(Q, "lora_B.weight", 8, 3), Tensor(V, "lora_A.weight", 2, 8), Tensor("model.layers.1.self_attn.q_proj", "lora_A.weight", 2, 8),
            Tensor(V, "lora_magnitude_vector", 8), Tensor("model.embed_tokens", "lora_embedding_A", 2, 4), Tensor(V, "base_layer.weight", 8, 8), new TensorToWrite("other", DType.F32, [1], new byte[4]),
            new TensorToWrite($"base_model.model.{V}.lora_B.weight", DType.I32, [8, 2], new byte[64]));
        var fault = Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message;
        Assert.Contains("8 faults", fault, StringComparison.Ordinal);
        foreach (var part in new[]
        {
            "q_proj.lora_A.weight' is [2, 7], expected [2, 8]", "q_proj.lora_B.weight' is [8, 3], expected [8, 2]", "module 'model.layers.1.self_attn.q_proj' is no projection of this llama model",
            "module 'model.layers.0.self_attn.v_proj' has no lora_B.weight", "v_proj.base_layer.weight' is no part", "module 'model.embed_tokens' has no lora_embedding_B", "'other' does not begin with base_model.model.", "is I32, expected F32, F16 or BF16",
        })
            Assert.Contains(part, fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Ranks_lengths_and_biases_must_be_those_of_the_config()
    {
        Write("""{"peft_type":"LORA","r":4,"use_dora":true}""", Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2), Tensor(Q, "bias", 8));
        var fault = Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message;
        Assert.Contains("has rank 2, adapter_config.json says 4", fault, StringComparison.Ordinal);
        Assert.Contains("has no lora_magnitude_vector and use_dora is true", fault, StringComparison.Ordinal);
        Assert.Contains("has a bias and bias is none", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Biases_by_the_names_of_newer_peft_are_found_and_those_beside_no_adapter_are_refused_by_name()
    {
        const string config = """{"peft_type":"LORA","r":2,"bias":"all"}""";
        Write(config, Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2), Tensor(Q, "base_layer.bias", 8));
        using (var adapter = LoraAdapter.Open(_folder.Path, Model)) Assert.Equal([8], Assert.Single(adapter.Modules).Bias!.Shape);

        Write(config, Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2), Tensor(Q, "base_layer.bias", 8), Tensor(Q, "bias", 8));
        Assert.Contains("are the same part of module", Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message, StringComparison.Ordinal);

        var other = Q.Replace("q_proj", "k_proj", StringComparison.Ordinal);
        Write(config, Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2), Tensor(other, "bias", 8));
        Assert.Contains("k_proj' has a trained bias and is not adapted (peft's bias: all)", Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"pissa_niter_16\"", true)]
    [InlineData("\"olora\"", true)]
    [InlineData("\"corda\"", true)]
    [InlineData("\"loftq\"", true)]
    [InlineData("\"gaussian\"", false)]
    [InlineData("\"eva\"", false)]
    [InlineData("true", false)]
    public void Initialisations_that_changed_the_model_are_refused(string value, bool isRefused)
    {
        Write($$"""{"peft_type":"LORA","r":2,"init_lora_weights":{{value}}}""", Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2));
        if (isRefused) Assert.Contains("changed the weights of the model it was trained on", Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message, StringComparison.Ordinal);
        else LoraAdapter.Open(_folder.Path, Model).Dispose();
    }

    [Fact]
    public void Missing_files_and_an_empty_adapter_are_named()
    {
        Assert.Contains("is no directory", Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.PathOf("none"), Model)).Message, StringComparison.Ordinal);
        Assert.Contains("adapter_config.json: does not exist", Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message, StringComparison.Ordinal);
        _folder.Write("adapter_config.json", """{"peft_type":"LORA"}""");
        Assert.Contains("adapter_model.safetensors: does not exist", Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message, StringComparison.Ordinal);
        SafetensorsWriter.Write(_folder.PathOf("adapter_model.safetensors"), []);
        Assert.Contains("adapts nothing", Assert.Throws<CheckpointException>(() => LoraAdapter.Open(_folder.Path, Model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_adapters_end_in_one_message()
    {
        Write("""{"peft_type":"LORA","r":2,"lora_alpha":16,"target_modules":["q_proj"],"alpha_pattern":{"q_proj":4}}""", Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2));
        foreach (var name in new[] { "adapter_config.json", "adapter_model.safetensors" })
        {
            var whole = File.ReadAllBytes(_folder.PathOf(name));
            var refused = 0;
            for (var at = 0; at < whole.Length; at++)
            {
                var damaged = whole.ToArray();
                damaged[at] ^= (byte)(1 << (at % 8));
                _folder.Write(name, damaged);
                if (OpenDamaged() is not null) refused++;
                _folder.Write(name, whole.AsSpan(0, at));
                Assert.NotNull(OpenDamaged());
            }

            Assert.InRange(refused, whole.Length / 4, whole.Length);
            _folder.Write(name, whole);
            Assert.Null(OpenDamaged());
        }
    }

    [Fact]
    public void An_adapter_knows_the_model_it_was_trained_beside()
    {
        using TemporaryFolder folder = new(), otherFolder = new();
        SmallCheckpoint.Write(folder);
        using var checkpoint = Checkpoint.Open(folder.Path);
        Write("""{"peft_type":"LORA","r":2,"base_model_name_or_path":"mine"}""", Tensor(Q, "lora_A.weight", 2, 8), Tensor(Q, "lora_B.weight", 8, 2));
        Assert.Null(OtherBase(checkpoint));
        AdapterBase.Of(checkpoint).Write(_folder.Path);
        Assert.Null(OtherBase(checkpoint));
        AdapterBase.Of(checkpoint).Write(_folder.Path);

        // One number of one weight differs.
        SmallCheckpoint.Write(otherFolder);
        var file = otherFolder.PathOf("model.safetensors");
        var bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        using var changed = Checkpoint.Open(otherFolder.Path);
        Assert.Equal($"{_folder.Path}: was trained beside another model (mine) than {changed.Path}, whose weights differ; its answers may be worse", OtherBase(changed));

        // In other formats the same model cannot be told from another.
        (AdapterBase.Of(checkpoint) with { Formats = "I32" }).Write(_folder.Path);
        Assert.Null(OtherBase(changed));
        foreach (var damaged in (string[])["", "[]", "{}", "{\"sha256\": 1}", "{\"sha256\": \"a\"}"])
        {
            _folder.Write(AdapterBase.FileName, damaged);
            Assert.Contains("base_model.json: ", Assert.Throws<CheckpointException>(() => OtherBase(checkpoint)).Message, StringComparison.Ordinal);
        }
    }

    private string? OtherBase(Checkpoint checkpoint)
    {
        using var adapter = LoraAdapter.Open(_folder.Path, checkpoint.Config);
        return adapter.OtherBase(checkpoint);
    }

    private string? OpenDamaged() => Refusals.Run(() => LoraAdapter.Open(_folder.Path, Model).Dispose(), 1024);

    private void Write(string config, params TensorToWrite[] tensors)
    {
        _folder.Write("adapter_config.json", config);
        SafetensorsWriter.Write(_folder.PathOf("adapter_model.safetensors"), tensors);
    }

    private static TensorToWrite Tensor(string module, string part, params int[] shape) =>
        new($"base_model.model.{module}.{part}", DType.F32, shape, MemoryMarshal.AsBytes(Numbers(shape.Aggregate(1, (a, b) => a * b)).AsSpan()).ToArray());

    private static float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(i => (i % 7) - 3f)];

    private static string Pattern(string wildcards) =>
        "(?s)^" + string.Join(".*", wildcards.Split('*').Select(System.Text.RegularExpressions.Regex.Escape)) + "$";
}
