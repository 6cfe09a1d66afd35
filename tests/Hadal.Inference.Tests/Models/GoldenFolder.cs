using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Hadal.Tests;

namespace Hadal.Inference.Tests.Models;

/// <summary>One folder of golden checkpoints: sequences, expected logits and continuations.</summary>
internal sealed class GoldenFolder
{
    private readonly string _path;
    private readonly JsonElement _golden;
    private readonly byte[] _logits;
    private readonly JsonElement _logitsHeader;

    public GoldenFolder(string path)
    {
        _path = path;
        _golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(path, "golden.json"))).RootElement;
        _logits = File.ReadAllBytes(Path.Combine(path, "logits.safetensors"));
        _logitsHeader = JsonDocument.Parse(Encoding.UTF8.GetString(_logits, 8, HeaderLength)).RootElement;
    }

    /// <summary>Folder and file of every golden checkpoint in the repository.</summary>
    public static TheoryData<string, string> InRepository { get; } = new()
    {
        { "deepseek-v3", "hf" },
        { "deepseek-v3", "model-F16.gguf" },
        { "deepseek-v32-dsa", "model-F16.gguf" },
        { "llama3-rope", "model-F16.gguf" },
        { "qwen2", "model-Q4_K.gguf" },
    };

    public double Tolerance => _golden.GetProperty("tolerance").GetProperty("exact_max_abs").GetDouble();

    public IEnumerable<(string Name, int[] TokenIds, int[] Positions)> Sequences =>
        _golden.GetProperty("sequences").EnumerateArray().Select(sequence =>
            (sequence.GetProperty("name").GetString()!, Ints(sequence.GetProperty("token_ids")), Ints(sequence.GetProperty("logit_positions"))));

    private int HeaderLength => checked((int)BitConverter.ToInt64(_logits));

    /// <summary>The set of logits that belongs to a directory or GGUF file.</summary>
    public string ExactSetOf(string file) => Entry(file).GetProperty("exact_set").GetString()!;

    /// <summary>The set that the other engine computed with activations rounded as it does.</summary>
    public string NativeSetOf(string file) => Entry(file).GetProperty("native_set").GetString()!;

    /// <summary>How far a stored row may lie from its set where activations are rounded to 8 bits.</summary>
    public double RoundedTolerance(string weights) => _golden.GetProperty("tolerance").GetProperty("native_row_max_abs").GetProperty(weights).GetDouble();

    /// <summary>Greedy continuations; those of the F32 file for directories in F32.</summary>
    public IEnumerable<(int[] Prompt, int[] Continuation)> GreedyOf(string file)
    {
        var set = ExactSetOf(file);
        var variant = _golden.GetProperty("gguf_variants").EnumerateArray().First(v => v.GetProperty("exact_set").GetString() == set);
        return variant.GetProperty("greedy").EnumerateArray().Select(run => (Ints(run.GetProperty("prompt_ids")), Ints(run.GetProperty("continuation_ids"))));
    }

    public ReadOnlySpan<float> Logits(string set, string sequence)
    {
        var offsets = _logitsHeader.GetProperty($"{set}.{sequence}").GetProperty("data_offsets");
        var begin = 8 + HeaderLength + offsets[0].GetInt32();
        return MemoryMarshal.Cast<byte, float>(_logits.AsSpan(begin, offsets[1].GetInt32() - offsets[0].GetInt32()));
    }

    /// <summary>The checkpoint, unpacked into <paramref name="temporary"/> where the folder has it as .gz.</summary>
    public string Unpack(string file, string temporary) => GoldenData.Unpacked(_path, file, temporary);

    private JsonElement Entry(string file) =>
        _golden.GetProperty("huggingface").EnumerateArray().Where(entry => entry.GetProperty("dir").GetString() == file)
            .Concat(_golden.GetProperty("gguf_variants").EnumerateArray().Where(entry => entry.GetProperty("gguf").GetString() == file))
            .First();

    private static int[] Ints(JsonElement array) => [.. array.EnumerateArray().Select(element => element.GetInt32())];
}
