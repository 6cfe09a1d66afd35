using System.Text.Json;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Tests.Text;
using Hadal.Checkpoints.Text;
using Hadal.Tests;

namespace Hadal.Checkpoints.Tests;

/// <summary>What golden checkpoints say besides their weights. Logits are compared in <c>Hadal.Inference.Tests</c>.</summary>
public sealed class GoldenCheckpointTests
{
    /// <summary>Directories and files in the repository.</summary>
    public static TheoryData<string, string> InRepository => new()
    {
        { "deepseek-v3", "hf" }, { "deepseek-v3", "model-F16.gguf" }, { "deepseek-v32-dsa", "model-F16.gguf" }, { "llama3-rope", "model-F16.gguf" }, { "qwen2", "model-Q4_K.gguf" },
    };

    /// <summary>All that stand beside it. Files that are packed there have the same metadata as one that is not.</summary>
    public static TheoryData<string, string> BesideRepository => new()
    {
        { "llama-gqa", "model-Q8_0.gguf" }, { "llama-gqa", "model-Q4_0.gguf" }, { "llama-gqa", "model-Q4_K.gguf" }, { "llama-gqa", "model-Q5_K.gguf" }, { "llama-gqa", "model-Q6_K.gguf" },
        { "llama-gqa", "model-F32.gguf" }, { "llama-gqa", "model-F16.gguf" }, { "llama-gqa", "hf" },
        { "llama3-rope", "model-F32.gguf" }, { "llama3-rope", "model-F16.gguf" }, { "llama3-rope", "hf" },
        { "qwen2", "model-Q8_0.gguf" }, { "qwen2", "model-Q4_0.gguf" }, { "qwen2", "model-Q4_K.gguf" }, { "qwen2", "model-Q5_K.gguf" }, { "qwen2", "model-Q6_K.gguf" },
        { "qwen2", "model-F32.gguf" }, { "qwen2", "model-F16.gguf" }, { "qwen2", "hf" },
        { "qwen3", "model-F32.gguf" }, { "qwen3", "model-F16.gguf" }, { "qwen3", "model-BF16.gguf" }, { "qwen3", "hf" }, { "qwen3", "hf-bf16" },
        { "deepseek-v2-lite", "model-Q8_0.gguf" }, { "deepseek-v2-lite", "model-Q4_0.gguf" }, { "deepseek-v2-lite", "model-Q4_K.gguf" }, { "deepseek-v2-lite", "model-Q5_K.gguf" },
        { "deepseek-v2-lite", "model-Q6_K.gguf" }, { "deepseek-v2-lite", "model-F32.gguf" }, { "deepseek-v2-lite", "model-F16.gguf" }, { "deepseek-v2-lite", "hf" },
        { "deepseek-v3", "model-F32.gguf" }, { "deepseek-v3", "model-F16.gguf" }, { "deepseek-v3", "model-BF16.gguf" }, { "deepseek-v3", "model-F16-old-mla.gguf" },
        { "deepseek-v3", "hf" }, { "deepseek-v3", "hf-bf16" }, { "deepseek-v3", "hf-bf16-sharded" },
        { "deepseek-v32-dsa", "model-F32.gguf" }, { "deepseek-v32-dsa", "model-F16.gguf" }, { "deepseek-v32-dsa", "hf" },
    };

    [Theory]
    [MemberData(nameof(InRepository))]
    public void Checkpoints_in_the_repository_give_golden_ids_and_chats(string folder, string file) => Check(GoldenData.PathOf(folder), file);

    [Theory]
    [MemberData(nameof(BesideRepository))]
    public void Checkpoints_beside_the_repository_give_golden_ids_and_chats(string folder, string file) => Check(SharedData.PathOrSkip("golden/" + folder), file);

    private static void Check(string folder, string file)
    {
        var golden = TokenizerFixtures.Json(Path.Combine(folder, "golden.json"));
        using var temporary = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(GoldenData.Unpacked(folder, file, temporary.Path));
        Assert.Equal(golden.GetProperty("model_type").GetString(), checkpoint.Config.ModelType);
        Assert.Equal(file.EndsWith(".gguf", StringComparison.Ordinal) ? "gguf" : "safetensors", checkpoint.Format);
        Assert.Equal(golden.GetProperty("parameters").GetInt64(), Parameters(checkpoint));
        // Configs of the DeepSeek repositories name code of theirs.
        Assert.All(checkpoint.Warnings, warning => Assert.StartsWith("auto_map is ignored", warning, StringComparison.Ordinal));
        var eos = golden.GetProperty("tokenization").GetProperty("eos_id").GetInt32();
        Assert.Equal([eos], checkpoint.GenerationConfig.EosTokenId);
        CheckIds(checkpoint.LoadTokenizer(), golden.GetProperty("tokenization"));
        CheckChats(checkpoint, golden.GetProperty("chat"));
        if (File.Exists(Path.Combine(folder, "hf", "config.json"))) CheckConfig(ModelConfigReader.Read(Path.Combine(folder, "hf")), checkpoint.Config);
    }

    private static void CheckIds(Tokenizer tokenizer, JsonElement tokenization)
    {
        Assert.Equal(tokenization.GetProperty("add_bos").GetBoolean(), tokenizer.AddsBos);
        foreach (var item in tokenization.GetProperty("cases").EnumerateArray())
        {
            var text = item.GetProperty("text").GetString()!;
            var addSpecial = item.GetProperty("add_special").GetBoolean();
            var ids = TokenizerFixtures.Ids(item.GetProperty("ids"));
            Assert.Equal(ids, tokenizer.Encode(text, addSpecial, item.GetProperty("parse_special").GetBoolean()));
            Assert.Equal(text, tokenizer.Decode(ids.Skip(addSpecial && tokenizer.AddsBos ? 1 : 0), skipSpecial: false));
        }
    }

    private static void CheckChats(Checkpoint checkpoint, JsonElement chats)
    {
        var tokenizer = checkpoint.LoadTokenizer();
        var template = ChatTemplate.Parse(Assert.IsType<string>(checkpoint.ChatTemplate));
        foreach (var chat in chats.EnumerateArray())
        {
            var conversation = new ChatConversation
            {
                Messages = ChatMessage.ReadMessages(chat.GetProperty("messages")),
                BosToken = tokenizer.BosTokenId is { } bos ? tokenizer.Decode([bos], skipSpecial: false) : null,
                EosToken = tokenizer.Decode(tokenizer.EosTokenIds, skipSpecial: false),
            };
            var segments = template.Render(conversation, chat.GetProperty("add_generation_prompt").GetBoolean());
            Assert.Equal(chat.GetProperty("text").GetString(), string.Concat(segments.Select(segment => segment.Text)));
            Assert.Equal(TokenizerFixtures.Ids(chat.GetProperty("ids")), tokenizer.Encode(segments, addSpecial: false));
        }
    }

    /// <summary>A GGUF file says the same as <c>config.json</c>, apart from keys its metadata has no place for.</summary>
    private static void CheckConfig(ModelConfig published, ModelConfig found)
    {
        Assert.Equal(Comparable(published).ToJson(), Comparable(found).ToJson());

        static ModelConfig Comparable(ModelConfig config)
        {
            config = config with
            {
                Architectures = null,
                TorchDtype = null,
                OtherKeys = null,
                RopeInterleave = null,
                BosTokenId = null,
                PadTokenId = null,
                // llama3 scaling is a tensor of factors in GGUF.
                RopeScaling = config.RopeScaling is { Kind: not "llama3" } scaling ? scaling with { RopeType = scaling.Kind, Type = null } : null,
            };
            return config is DeepSeekConfig deepSeek ? deepSeek with { AuxLossAlpha = null, NumNextnPredictLayers = 0 } : config;
        }
    }

    private static long Parameters(Checkpoint checkpoint) => checkpoint.Tensors.Values
        .Where(tensor => !tensor.Name.StartsWith($"model.layers.{checkpoint.Config.NumHiddenLayers}.", StringComparison.Ordinal) && tensor.Name != "rope_freqs.weight")
        .Sum(tensor => tensor.ElementCount);
}
