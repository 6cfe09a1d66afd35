using System.Text;
using System.Text.Json.Nodes;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Tests.Hostile;

/// <summary>Directories whose files are missing, lie about each other, or lead elsewhere.</summary>
public sealed class HostileDirectoryTests : IDisposable
{
    private const string Index = "model.safetensors.index.json";

    private readonly TemporaryFolder _folder = new();

    /// <summary>What is done to the index of a sharded directory, and what the refusal says.</summary>
    private static readonly Dictionary<string, (Action<JsonObject> Damage, string Expected)> Indexes = new()
    {
        ["a shard that is missing"] = (map => map["lm_head.weight"] = "model-00009-of-00003.safetensors", "that model.safetensors.index.json names do not exist: model-00009-of-00003.safetensors"),
        ["a path upwards"] = (map => map["lm_head.weight"] = "../model.safetensors", "the file name '../model.safetensors' leads outside the directory"),
        ["a path upwards, Windows"] = (map => map["lm_head.weight"] = "..\\model.safetensors", "leads outside the directory"),
        ["an absolute path"] = (map => map["lm_head.weight"] = "/etc/passwd", "the file name '/etc/passwd' leads outside the directory"),
        ["a drive"] = (map => map["lm_head.weight"] = "C:model.safetensors", "leads outside the directory"),
        ["the directory itself"] = (map => map["lm_head.weight"] = ".", "leads outside the directory"),
        ["the directory above"] = (map => map["lm_head.weight"] = "..", "leads outside the directory"),
        ["an empty name"] = (map => map["lm_head.weight"] = "", "leads outside the directory"),
        ["a name of 300 characters"] = (map => map["lm_head.weight"] = new string('x', 300), "leads outside the directory"),
        ["a name with a line break"] = (map => map["lm_head.weight"] = "a\nb", "do not exist: a\\u000Ab"),
        ["a name with a zero"] = (map => map["lm_head.weight"] = "a\0b", "leads outside the directory"),
        ["a file that is no safetensors"] = (map => map["lm_head.weight"] = "config.json", "the file is damaged or not safetensors"),
        ["a tensor in no shard"] = (map => map["extra.weight"] = "model-00001-of-00003.safetensors", "extra.weight: is not in model-00001-of-00003.safetensors, where the index says it is"),
        ["a tensor that is not named"] = (map => map.Remove("lm_head.weight"), "lm_head.weight: lies in model-0000"),
        ["a tensor in another shard"] = (map => map["model.embed_tokens.weight"] = map["lm_head.weight"]!.DeepClone(), "the index says"),
        ["a number for a name"] = (map => map["lm_head.weight"] = 7, "weight_map 'lm_head.weight' is no file name"),
        ["nothing"] = (map => map.Clear(), "weight_map is empty"),
    };

    public static TheoryData<string> IndexNames => new(Indexes.Keys);

    [Fact]
    public void Shards_open_as_one_file_does()
    {
        var tensors = WriteShards();
        using var checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal(tensors.Select(tensor => tensor.Name).Order(), checkpoint.Tensors.Keys.Order());
        Assert.Null(Refusals.Open(_folder.Path));
    }

    [Theory]
    [MemberData(nameof(IndexNames))]
    public void An_index_that_lies_is_refused(string name)
    {
        WriteShards();
        var index = JsonNode.Parse(File.ReadAllText(_folder.PathOf(Index)))!;
        Indexes[name].Damage(index["weight_map"]!.AsObject());
        _folder.Write(Index, index.ToJsonString());
        Refusals.Refused(_folder.Path, Indexes[name].Expected);
    }

    [Theory]
    [InlineData("", "is empty, or no regular file")]
    [InlineData("[]", "has no weight_map object")]
    [InlineData("{\"weight_map\":[]}", "has no weight_map object")]
    [InlineData("{\"weight_map\":{\"a\":\"x\",\"a\":\"x\"}}", "weight_map has 'a' twice")]
    [InlineData("{\"weight_map\":{\"a\":\"\\ud800\"}}", "is not valid JSON")]
    [InlineData("{\"weight_map\":", "is not valid JSON")]
    public void An_index_that_is_malformed_is_refused(string text, string expected)
    {
        WriteShards();
        _folder.Write(Index, text);
        Refusals.Refused(_folder.Path, expected);
    }

    [Fact]
    public void A_tensor_in_two_shards_is_refused()
    {
        WriteShards();
        File.Copy(_folder.PathOf("model-00001-of-00003.safetensors"), _folder.PathOf("model-00002-of-00003.safetensors"), overwrite: true);
        Refusals.Refused(_folder.Path, "index and shards are not of one model");
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    [InlineData("tokenizer.json")]
    [InlineData("tokenizer_config.json")]
    [InlineData("generation_config.json")]
    [InlineData("chat_template.jinja")]
    public void A_directory_in_the_place_of_a_file_is_refused(string name)
    {
        SmallCheckpoint.Write(_folder);
        File.Delete(_folder.PathOf(name));
        Directory.CreateDirectory(_folder.PathOf(name));
        Assert.NotNull(Refusals.Open(_folder.Path));
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    [InlineData("tokenizer.json")]
    [InlineData("tokenizer_config.json")]
    [InlineData("generation_config.json")]
    [InlineData("chat_template.jinja")]
    public void An_empty_file_is_refused(string name)
    {
        SmallCheckpoint.Write(_folder);
        _folder.Write(name, "");
        Refusals.Refused(_folder.Path, $"{name}: is empty, or no regular file");
    }

    [Theory]
    [InlineData("config.json", 17L << 20)]
    [InlineData("tokenizer.json", 500L << 20)]
    [InlineData("tokenizer_config.json", 33L << 20)]
    [InlineData("generation_config.json", 2L << 20)]
    [InlineData("chat_template.jinja", 5L << 20)]
    [InlineData("chat_template.jinja", 1L << 40)]
    public void A_text_file_beyond_its_limit_is_refused_unread(string name, long length)
    {
        SmallCheckpoint.Write(_folder);
        using (var stream = new FileStream(_folder.PathOf(name), FileMode.Create)) stream.SetLength(length);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var fault = Assert.Throws<CheckpointException>(() =>
        {
            using var checkpoint = Checkpoint.Open(_folder.Path);
            checkpoint.LoadTokenizer();
        });
        Assert.Contains($"has {length} bytes, the limit is", fault.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2 << 20);
    }

    [Theory]
    [InlineData("config.json")]
    [InlineData("model.safetensors")]
    [InlineData("chat_template.jinja")]
    public void A_link_out_of_the_directory_is_refused(string name)
    {
        using var elsewhere = new TemporaryFolder();
        SmallCheckpoint.Write(_folder);
        SmallCheckpoint.Write(elsewhere);
        elsewhere.Write("chat_template.jinja", "secret");
        File.Delete(_folder.PathOf(name));
        File.CreateSymbolicLink(_folder.PathOf(name), elsewhere.PathOf(name));
        Refusals.Refused(_folder.Path, "outside the directory; copy the file into the directory");
    }

    [Fact]
    public void Links_within_the_directory_and_of_a_hub_cache_are_followed()
    {
        SmallCheckpoint.Write(_folder);
        var blobs = Directory.CreateDirectory(_folder.PathOf("models--o--n/blobs")).FullName;
        var snapshot = Directory.CreateDirectory(_folder.PathOf("models--o--n/snapshots/0123")).FullName;
        foreach (var name in (string[])["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
        {
            File.Move(_folder.PathOf(name), Path.Combine(blobs, "sha-" + name));
            File.CreateSymbolicLink(Path.Combine(snapshot, name), "../../blobs/sha-" + name);
        }

        File.WriteAllText(Path.Combine(snapshot, "template.txt"), "t");
        File.CreateSymbolicLink(Path.Combine(snapshot, "chat_template.jinja"), "template.txt");
        Assert.Null(Refusals.Open(snapshot));

        // The same through a link to the snapshot.
        Directory.CreateSymbolicLink(_folder.PathOf("current"), snapshot);
        Assert.Null(Refusals.Open(_folder.PathOf("current")));
    }

    [Fact]
    public void Links_that_lead_nowhere_or_in_a_circle_are_refused()
    {
        SmallCheckpoint.Write(_folder);
        File.Delete(_folder.PathOf("config.json"));
        File.CreateSymbolicLink(_folder.PathOf("config.json"), "gone.json");
        Refusals.Refused(_folder.Path, "is a link to gone.json, which does not exist");
        File.Delete(_folder.PathOf("config.json"));
        File.CreateSymbolicLink(_folder.PathOf("config.json"), "config.json");
        Refusals.Refused(_folder.Path, "config.json: leads through more than 40 links");
    }

    [Fact]
    public void A_link_that_climbs_out_through_another_link_is_refused()
    {
        // Read as text, inner/../../NAME/config.json lies in the directory; followed, it lies beside it.
        SmallCheckpoint.Write(_folder);
        var directory = Directory.CreateDirectory(_folder.PathOf("a/b/model")).FullName;
        var outside = Directory.CreateDirectory(_folder.PathOf("a/x/y/model")).FullName;
        foreach (var name in (string[])["config.json", "tokenizer.json", "model.safetensors"]) File.Copy(_folder.PathOf(name), Path.Combine(directory, name));
        File.Move(_folder.PathOf("config.json"), _folder.PathOf("a/x/config.json"));
        File.Delete(Path.Combine(directory, "config.json"));
        Directory.CreateSymbolicLink(Path.Combine(directory, "inner"), outside);
        File.CreateSymbolicLink(Path.Combine(directory, "config.json"), "inner/../../config.json");
        Assert.True(File.Exists(Path.Combine(directory, "config.json")));
        Refusals.Refused(directory, "outside the directory");
    }

    [Theory]
    [InlineData("\xff\xfe")]
    [InlineData("\xc3\x28")]
    public void Text_that_is_not_UTF8_is_refused(string latin1)
    {
        foreach (var name in (string[])["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"])
        {
            SmallCheckpoint.Write(_folder);
            _folder.Write(name, Encoding.Latin1.GetBytes(latin1));
            Assert.NotNull(Refusals.Open(_folder.Path));
            File.Delete(_folder.PathOf(name));
        }
    }

    [Fact]
    public void Deep_JSON_is_refused()
    {
        foreach (var name in (string[])["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", Index])
        {
            WriteShards();
            _folder.Write(name, "{\"a\":" + new string('[', 100_000) + new string(']', 100_000) + "}");
            Assert.NotNull(Refusals.Open(_folder.Path));
            File.Delete(_folder.PathOf(name));
        }
    }

    public static TheoryData<string, string> GenerationConfigs => new()
    {
        { "{\"temperature\":-1}", "temperature is -1, expected 0 to" }, { "{\"top_p\":1.5}", "top_p is 1.5, expected 0 to 1" }, { "{\"top_k\":-3,\"min_p\":7}", "2 faults: top_k is -3" },
        { "{\"eos_token_id\":4}", "eos_token_id is 4, expected 0 to 3" }, { "{\"bos_token_id\":\"x\"}", "is not valid" }, { "null", "is null" }, { "{", "is not valid" },
        { "{\"repetition_penalty\":0}", "repetition_penalty is 0" }, { "{\"temperature\":1e999}", "temperature is" },
    };

    [Theory]
    [MemberData(nameof(GenerationConfigs))]
    public void A_generation_config_out_of_range_is_refused(string text, string expected)
    {
        SmallCheckpoint.Write(_folder);
        _folder.Write("generation_config.json", text);
        Refusals.Refused(_folder.Path, expected);
    }

    [Fact]
    public void Code_that_a_config_points_to_is_ignored()
    {
        SmallCheckpoint.Write(_folder, SmallCheckpoint.Config.Replace("{\"model_type\"", "{\"auto_map\":{\"AutoConfig\":\"evil.Config\"},\"trust_remote_code\":true,\"model_type\"", StringComparison.Ordinal));
        _folder.Write("evil.py", "raise SystemExit");
        Assert.Null(Refusals.Open(_folder.Path));
    }

    [Fact]
    public void Weights_that_are_no_numbers_are_left_to_the_forward_pass()
    {
        // Opening maps weights and reads none of them, so NaN is not looked for here.
        var tensors = SmallCheckpoint.Write(_folder);
        SafetensorsWriter.WriteModel(_folder.Path, tensors.Select(tensor => tensor with { WriteTo = stream => stream.Write(Enumerable.Repeat((byte)0xFF, (int)SafetensorsWriter.ByteLength(tensor)).ToArray()) }));
        Assert.Null(Refusals.Open(_folder.Path));
    }

    public void Dispose() => _folder.Dispose();

    private List<TensorToWrite> WriteShards()
    {
        var tensors = SmallCheckpoint.Write(_folder, maxShardBytes: 1000);
        Assert.True(File.Exists(_folder.PathOf("model-00003-of-00003.safetensors")));
        return tensors;
    }
}
