using System.Text;
using Hadal.Training.Trainers;

namespace Hadal.Training.Tests.Trainers;

/// <summary>A folder with a small text and a pretraining that takes seconds: 8 dense steps, 4 of indexer warm-up, 4 sparse, a checkpoint every 5.</summary>
internal sealed class TinyRun : IDisposable
{
    private const string Config =
        """
        {
          // Comments are allowed.
          "output": "out", "seed": 7, "thread_count": 1, "compute_type": "float32",
          "tokenizer": { "vocab_size": 300 },
          "model": {
            "model_type": "hadal", "hidden_size": 16, "intermediate_size": 24, "moe_intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 3,
            "q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 5, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1,
            "first_k_dense_replace": 1, "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": true, "num_nextn_predict_layers": 1, "index_n_heads": 2, "index_head_dim": 8,
            "index_topk": 8, "rms_norm_eps": 1e-6, "max_position_embeddings": 64,
          },
          "sources": [
            { "path": "en.txt", "language": "en", "separator": "<|end|>", "held_out": 0.1 },
            { "path": "zh.txt", "language": "zh", "held_out": 0.1, "weight": 1.5 },
          ],
          "sequence_length": 16, "batch_sequences": 2, "steps": 8, "warmup_steps": 2, "learning_rate": 0.01, "indexer_warmup_steps": 4, "sparse_steps": 4, "sparse_sequence_length": 24,
          "log_every_steps": 1, "evaluate_every_steps": 6, "evaluate_bytes": 300, "checkpoint_every_steps": 5,
        }
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-train-");

    /// <param name="changes"><c>key=value</c>, as with <c>--set</c>.</param>
    public TinyRun(params string[] changes)
    {
        Changes = changes;
        var random = new Random(5);
        File.WriteAllText(ConfigPath, Config);
        File.WriteAllText(TextPath, Text(random, ["the", "sea", "is", "deep", "and", "cold", "light", "falls", "no", "further"], " ", "<|end|>"));
        File.WriteAllText(Path.Combine(_folder.FullName, "zh.txt"), Text(random, ["深", "海", "之", "下", "无", "光", "水", "冷"], "", null));
    }

    /// <summary>The options without a folder, for what needs no files.</summary>
    public static PretrainOptions Options { get; } = new() { Output = "out", Model = default, Sources = [] };

    public string[] Changes { get; }

    public string ConfigPath => Path.Combine(_folder.FullName, "pretrain.json");

    public string TextPath => Path.Combine(_folder.FullName, "en.txt");

    public string Output => Path.Combine(_folder.FullName, "out");

    public string Checkpoints => Path.Combine(Output, "checkpoints");

    public string MetricsPath => Path.Combine(Output, "metrics.jsonl");

    /// <summary>The lines of the log without what a clock says.</summary>
    public IReadOnlyList<string> Metrics => [.. File.ReadLines(MetricsPath).Select(line => line[..line.IndexOf("\"tokens_per_second\"", StringComparison.Ordinal)] + Bits(line))];

    /// <summary>What the newest checkpoint says about itself: the hash of each of its files.</summary>
    public string LatestHashes => File.ReadAllText(Path.Combine(TrainingCheckpoint.Latest(Checkpoints)!, ".complete"));

    public string Run(bool resume = false, Action<StepMetrics>? onStep = null, CancellationToken cancellation = default, params string[] changes) =>
        Pretrain.Run(PretrainOptions.Read(ConfigPath, [.. Changes, .. changes]), resume, onStep is null ? null : new Told(onStep), cancellation);

    public string CheckpointAt(int step) => Path.Combine(Checkpoints, $"step-{step:D7}");

    public void Dispose() => _folder.Delete(recursive: true);

    private static string Text(Random random, string[] words, string space, string? separator)
    {
        var text = new StringBuilder();
        for (var line = 1; line <= 160; line++)
        {
            for (var word = random.Next(4, 10); word > 0; word--) text.Append(words[random.Next(random.Next(1, words.Length + 1))]).Append(space);
            text.Append('\n');
            if (separator is not null && line % 16 == 0) text.Append(separator).Append('\n');
        }

        return text.ToString();
    }

    private static string Bits(string line) => line.IndexOf("\"bits_per_byte\"", StringComparison.Ordinal) is var index and >= 0 ? line[index..] : "";

    private sealed class Told(Action<StepMetrics> onStep) : IProgress<StepMetrics>
    {
        public void Report(StepMetrics value) => onStep(value);
    }
}
