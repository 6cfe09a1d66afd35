using System.Runtime.InteropServices;
using Hadal.Checkpoints.Tests.Hostile;
using Hadal.Checkpoints.Weights;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

/// <summary>Which paths open, and what is said of the others.</summary>
public sealed partial class CheckpointPathTests : IDisposable
{
    private const string Supported = "supported are a directory with config.json and safetensors files, and .gguf files of versions 2 and 3";

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, byte[], string> OtherFormats => new()
    {
        { "pytorch_model.bin", [0x80, 2, 1], "is a PyTorch pickle, which can run code and is never read" },
        { "consolidated.00.pth", [1], "is a pickle, which can run code and is never read" },
        { "model.pt", [1], "is a pickle, which can run code and is never read" },
        { "last.ckpt", [1], "is a pickle, which can run code and is never read" },
        { "x.pkl", [1], "is a pickle, which can run code and is never read" },
        { "x.joblib", [1], "is a pickle, which can run code and is never read" },
        { "weights", "PK\u0003\u0004...."u8.ToArray(), "is a zip archive or pickle, which can run code and is never read" },
        { "weights", [0x80, 4, 0x95, 0], "is a zip archive or pickle, which can run code and is never read" },
        { "x.npz", "PK"u8.ToArray(), "is a NumPy archive" },
        { "model.onnx", [8], "is an ONNX graph" },
        { "model.h5", "\u0089HDF"u8.ToArray(), "is a Keras model" },
        { "model.msgpack", [1], "is a Flax model" },
        { "model.tflite", [1], "is a TensorFlow Lite model" },
        { "ggml-model.bin", "lmgg...."u8.ToArray(), "is a GGML file from before GGUF" },
        { "old", "tjgg...."u8.ToArray(), "is a GGML file from before GGUF" },
        { "notes.txt", "hello"u8.ToArray(), "is no model file that is known" },
        { "empty", [], "is empty, or no regular file" },
    };

    [Theory]
    [MemberData(nameof(OtherFormats))]
    public void Files_of_other_formats_are_refused_with_what_is_supported(string name, byte[] bytes, string expected)
    {
        var path = _folder.Write(name, bytes);
        Assert.Equal($"{path}: {expected}; {Supported}", Refusals.Open(path));
    }

    [Theory]
    [InlineData("pytorch_model.bin", "found pytorch_model.bin, a PyTorch pickle, which can run code and is never read")]
    [InlineData("model.onnx", "found model.onnx, an ONNX graph")]
    [InlineData("readme.md", "found no weights")]
    public void A_directory_without_weights_says_what_was_looked_for(string name, string expected)
    {
        _folder.Write("config.json", SmallCheckpoint.Config);
        _folder.Write(name, "x");
        Assert.Equal($"{_folder.Path}: looked for *.safetensors with config.json and for *.gguf, {expected}; {Supported}", Refusals.Open(_folder.Path));
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        Assert.Equal($"{_folder.PathOf("gone")}: does not exist; {Supported}", Assert.Throws<CheckpointException>(() => Checkpoint.Open(_folder.PathOf("gone"))).Message);
        SmallCheckpoint.Write(_folder);
        File.Delete(_folder.PathOf("tokenizer.json"));
        Refusals.Refused(_folder.Path, "tokenizer.json: does not exist; a checkpoint directory needs it");
        File.Delete(_folder.PathOf("config.json"));
        Refusals.Refused(_folder.Path, "has safetensors files, but no config.json");
        _folder.Write("config.json", SmallCheckpoint.Config);
        File.Move(_folder.PathOf("model.safetensors"), _folder.PathOf("weights.safetensors"));
        Refusals.Refused(_folder.Path, "looked for model.safetensors and model.safetensors.index.json, found weights.safetensors instead");
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    public void One_file_of_a_directory_names_the_directory(string name)
    {
        SmallCheckpoint.Write(_folder);
        Assert.Equal($"{_folder.PathOf(name)}: is one file of a checkpoint; name its directory, {_folder.Path}", Refusals.Open(_folder.PathOf(name)));
    }

    [Fact]
    public void Paths_may_end_in_a_separator_and_hold_anything()
    {
        SmallCheckpoint.Write(_folder);
        Assert.Null(Refusals.Open(_folder.Path + Path.DirectorySeparatorChar));
        Assert.Contains("is no path", Assert.Throws<CheckpointException>(() => Checkpoint.Open("a\0b")).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Checkpoint.Open(""));
        Assert.Throws<CheckpointException>(() => Checkpoint.Open(new string('x', 100_000)));
    }

    [Fact]
    public void A_pipe_is_refused_without_waiting_for_it()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no named pipes in directories");
        SmallCheckpoint.Write(_folder);
        foreach (var name in (string[])["config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"])
        {
            File.Delete(_folder.PathOf(name));
            Assert.Equal(0, MakePipe(_folder.PathOf(name), 0x1FF));
            Refusals.Refused(_folder.Path, $"{name}: is empty, or no regular file");
            File.Delete(_folder.PathOf(name));
            SmallCheckpoint.Write(_folder);
        }

        Assert.Equal(0, MakePipe(_folder.PathOf("model.gguf"), 0x1FF));
        Refusals.Refused(_folder.PathOf("model.gguf"), "does not begin with 'GGUF'");
    }

    [Fact]
    public void A_directory_with_one_GGUF_model_opens_it()
    {
        _folder.Write("model-Q8_0.gguf", GgufBuilder.Llama().Build());
        _folder.Write("config.json", "{}");
        using (var checkpoint = Checkpoint.Open(_folder.Path)) Assert.Equal(_folder.PathOf("model-Q8_0.gguf"), checkpoint.Path);
        _folder.Write("model-F16.gguf", GgufBuilder.Llama().Build());
        Refusals.Refused(_folder.Path, "has 2 .gguf files; name one of them: model-F16.gguf, model-Q8_0.gguf");
    }

    [Fact]
    public void GGUF_is_known_by_its_first_bytes_not_by_its_name()
    {
        Assert.Null(Refusals.Open(_folder.Write("sha256-0123", GgufBuilder.Llama().Build())));
        Refusals.Refused(_folder.Write("model.gguf", "FUGG"u8), "does not begin with 'GGUF'; the file is damaged or incomplete");
    }

    [Fact]
    public void Parts_of_a_split_GGUF_model_open_through_any_of_them()
    {
        WriteParts();
        using (var whole = Checkpoint.Open(_folder.Write("whole.gguf", GgufBuilder.Llama().Build())))
        {
            foreach (var name in (string[])["m-00001-of-00003.gguf", "m-00003-of-00003.gguf"])
            {
                using var checkpoint = Checkpoint.Open(_folder.PathOf(name));
                Assert.Equal(whole.Tensors.Keys.Order(), checkpoint.Tensors.Keys.Order());
                Assert.Equal(whole.Config.ToJson(), checkpoint.Config.ToJson());
            }
        }

        File.Delete(_folder.PathOf("whole.gguf"));
        Assert.Null(Refusals.Open(_folder.Path));
    }

    [Fact]
    public void Parts_that_are_missing_or_of_another_model_are_refused()
    {
        WriteParts();
        var first = _folder.PathOf("m-00001-of-00003.gguf");
        File.Copy(_folder.PathOf("m-00003-of-00003.gguf"), _folder.PathOf("m-00002-of-00003.gguf"), overwrite: true);
        Refusals.Refused(first, "expected part 1 of 3 (split.no, split.count), found 2 of 3");
        File.Delete(_folder.PathOf("m-00002-of-00003.gguf"));
        Refusals.Refused(first, "m-00002-of-00003.gguf: does not exist");
        WriteParts(statedTensors: 13);
        Refusals.Refused(first, "split.tensors.count is 13, the 3 parts have 12 tensors");
        File.Move(first, _folder.PathOf("x.gguf"));
        Refusals.Refused(_folder.PathOf("x.gguf"), "is one of 3 parts (split.count), so its name must end in -00001-of-00003.gguf");
    }

    [Theory]
    [InlineData("""{"chat_template":"one"}""", null, "one", 0)]
    [InlineData("""{"chat_template":[{"name":"tool_use","template":"two"},{"name":"default","template":"one"}]}""", null, "one", 1)]
    [InlineData("""{"chat_template":[{"name":"tool_use","template":"two"}]}""", null, null, 1)]
    [InlineData("""{"chat_template":null}""", null, null, 0)]
    [InlineData("{}", null, null, 0)]
    [InlineData("""{"chat_template":"one"}""", "file {{ x }} 深", "file {{ x }} 深", 0)]
    public void The_chat_template_comes_from_its_file_or_the_tokenizers_config(string config, string? file, string? expected, int warnings)
    {
        SmallCheckpoint.Write(_folder);
        _folder.Write("tokenizer_config.json", config);
        if (file is not null) _folder.Write("chat_template.jinja", file);
        using var checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal(expected, checkpoint.ChatTemplate);
        Assert.Equal(warnings, checkpoint.Warnings.Count);
    }

    [Theory]
    [InlineData("""{"chat_template":7}""")]
    [InlineData("""{"chat_template":[7]}""")]
    [InlineData("""{"chat_template":[{"name":"default"}]}""")]
    [InlineData("""{"chat_template":"\ud800"}""")]
    [InlineData("[]")]
    public void A_chat_template_of_another_form_is_refused(string config)
    {
        SmallCheckpoint.Write(_folder);
        _folder.Write("tokenizer_config.json", config);
        Refusals.Refused(_folder.Path, "chat_template");
    }

    [Fact]
    public void Recommendations_for_sampling_are_read()
    {
        SmallCheckpoint.Write(_folder);
        using (var checkpoint = Checkpoint.Open(_folder.Path)) Assert.Equal([3], checkpoint.GenerationConfig.EosTokenId);
        _folder.Write("generation_config.json", """{"do_sample":true,"temperature":0.6,"top_p":0.95,"top_k":20,"eos_token_id":[1,3],"bos_token_id":0,"new_key":1}""");
        using var second = Checkpoint.Open(_folder.Path);
        var config = second.GenerationConfig;
        Assert.Equal((true, 0.6, 0.95, 20, 0), (config.DoSample, config.Temperature, config.TopP, config.TopK, config.BosTokenId));
        Assert.Equal([1, 3], config.EosTokenId);
        Assert.True(config.OtherKeys!.ContainsKey("new_key"));
    }

    [Theory]
    [InlineData("Q8_0", 8u, 34)]
    [InlineData("Q5_1", 7u, 24)]
    [InlineData("Q4_0", 2u, 18)]
    [InlineData("BF16", 30u, 64)]
    public void Stored_types_keep_their_shape_and_size(string dtype, uint type, int bytesPerRow)
    {
        var file = GgufBuilder.Llama().Tensor("blk.0.ffn_up.weight", [32, 32], type, dataBytes: 32 * bytesPerRow).Build();
        using var checkpoint = Checkpoint.Open(_folder.Write("m.gguf", file));
        var tensor = checkpoint.Tensors["model.layers.0.mlp.up_proj.weight"];
        Assert.Equal((dtype, 32L * bytesPerRow), (tensor.DType.ToString(), tensor.ByteLength));
        Assert.Equal([32, 32], tensor.Shape);
    }

    [Fact]
    public void Query_rows_of_llama_stay_in_the_order_of_the_file()
    {
        var golden = SharedData.PathOrSkip("golden/llama3-rope");
        using Checkpoint gguf = Checkpoint.Open(Path.Combine(golden, "model-F32.gguf")), hf = Checkpoint.Open(Path.Combine(golden, "hf"));
        Assert.True(gguf.Config.UsesInterleavedRope);
        Assert.False(hf.Config.UsesInterleavedRope);
        foreach (var name in (string[])["model.layers.1.self_attn.q_proj.weight", "model.layers.1.self_attn.k_proj.weight"])
        {
            WeightTensor stored = gguf.Tensors[name], published = hf.Tensors[name];
            var rowBytes = stored.Shape[1] * 4;
            for (var row = 0; row < stored.Shape[0]; row++)
            {
                // Of a head of 16 rows, the file has 0, 8, 1, 9, 2, …
                var source = (row / 16 * 16) + (row % 2 * 8) + (row % 16 / 2);
                Assert.True(stored.Bytes.Slice(row * rowBytes, rowBytes).SequenceEqual(published.Bytes.Slice(source * rowBytes, rowBytes)), $"{name} row {row}");
            }
        }
    }

    public void Dispose() => _folder.Dispose();

    private void WriteParts(uint statedTensors = 12)
    {
        var parts = new[] { GgufBuilder.Llama(), new GgufBuilder(), new GgufBuilder() };
        using var whole = GgufFile.Open(_folder.Write("all.gguf", GgufBuilder.Llama().Build()));
        var index = 0;
        foreach (var tensor in whole.Tensors.Values)
        {
            parts[0].Without(tensor.Name);
            parts[index++ % 3].Tensor(tensor.Name, [.. tensor.Shape.Reverse().Select(size => (ulong)size)]);
        }

        File.Delete(_folder.PathOf("all.gguf"));
        for (var part = 0; part < 3; part++)
        {
            parts[part].Value("split.no", (ushort)part).Value("split.count", (ushort)3).Value("split.tensors.count", (int)statedTensors);
            _folder.Write($"m-0000{part + 1}-of-00003.gguf", parts[part].Build());
        }
    }

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakePipe(string path, uint mode);
}
