using System.Buffers.Binary;
using System.Text;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;

namespace Hadal.Checkpoints.Tests.Hostile;

/// <summary>A valid checkpoint directory of a few kilobytes, to be damaged.</summary>
internal static class SmallCheckpoint
{
    public const string Config = """
        {"model_type":"llama","vocab_size":4,"hidden_size":8,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":2,"rms_norm_eps":1e-5,
         "max_position_embeddings":16,"eos_token_id":3}
        """;

    public const string Tokenizer = """
        {"added_tokens":[{"id":3,"content":"<s>","special":true}],"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
         "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}
        """;

    public const string TokenizerConfig = """{"eos_token":"<s>","chat_template":"{% for m in messages %}{{ m.content }}{% endfor %}"}""";

    /// <summary>Writes the directory and gives the tensors it has.</summary>
    public static List<TensorToWrite> Write(TemporaryFolder folder, string config = Config, long maxShardBytes = 1 << 20)
    {
        folder.Write("config.json", config);
        folder.Write("tokenizer.json", Tokenizer);
        folder.Write("tokenizer_config.json", TokenizerConfig);
        var tensors = WeightManifest.For(ModelConfigReader.Parse(config)).Select(spec => new TensorToWrite(spec.Name, DType.F32, spec.Shape, new byte[spec.ElementCount * 4])).ToList();
        SafetensorsWriter.WriteModel(folder.Path, tensors, maxShardBytes, new Dictionary<string, string> { ["format"] = "pt", ["note"] = "Zeros of every shape, made to be damaged; nothing here is read but names and sizes." });
        return tensors;
    }

    /// <summary>A safetensors file of this header and so many bytes of data.</summary>
    public static byte[] File(string header, int dataLength, ulong? statedLength = null) => File(Encoding.UTF8.GetBytes(header), dataLength, statedLength);

    /// <inheritdoc cref="File(string, int, ulong?)"/>
    public static byte[] File(byte[] header, int dataLength, ulong? statedLength = null)
    {
        var file = new byte[8 + header.Length + dataLength];
        BinaryPrimitives.WriteUInt64LittleEndian(file, statedLength ?? (ulong)header.Length);
        header.CopyTo(file, 8);
        return file;
    }
}
