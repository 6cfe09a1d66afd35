using System.Text.Json;
using Hadal.Checkpoints.Config;
using Hadal.Checkpoints.Weights;
using Hadal.Training.Data;
using Hadal.Training.Models;
using Hadal.Training.Models.DeepSeek;
using Hadal.Training.Models.GroupedQuery;
using Hadal.Training.Tests.Models;
using Hadal.Training.Trainers;
using static TorchSharp.torch;

namespace Hadal.Training.Tests.Trainers;

/// <summary>A folder with a small model that nobody trained, questions and answers, and an adaptation that takes seconds: 12 steps of 4 rows, a checkpoint every 5.</summary>
internal sealed class TinyAdaptation : IDisposable
{
    public const string Template =
        "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}<｜User｜>{{ message['content'] }}{% elif message['role'] == 'assistant' %}"
        + "<｜Assistant｜>{{ message['content'] }}{{ eos_token }}{% else %}{{ message['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}<｜Assistant｜>{% endif %}";

    private static readonly string[] Words = ["sea", "deep", "cold", "light", "dark", "fish", "salt", "wave"];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("hadal-adapt-");

    public static GroupedQueryConfig Qwen { get; } = new()
    {
        ModelType = "qwen2", VocabSize = 300, HiddenSize = 16, IntermediateSize = 24, NumHiddenLayers = 2, NumAttentionHeads = 4, NumKeyValueHeads = 2, RmsNormEps = 1e-6, MaxPositionEmbeddings = 64,
        TieWordEmbeddings = true, BosTokenId = 0, EosTokenId = [1],
    };

    public static DeepSeekConfig Hadal { get; } = ModelFixture.Tiny with { VocabSize = 300, IndexTopk = 24, BosTokenId = 0, EosTokenId = [1] };

    /// <param name="config">The model.</param>
    /// <param name="changes"><c>key=value</c>, as with <c>--set</c>.</param>
    public TinyAdaptation(ModelConfig config, params string[] changes)
    {
        Changes = changes;
        WriteModel(config, Path.Combine(Folder, "base"));
        File.WriteAllText(ConfigPath,
            """
            {
              "output": "out", "model": "base", "seed": 3, "thread_count": 1, "compute_type": "float32", "save_type": "float32", "train": [{ "path": "train.jsonl" }], "validation": [{ "path": "valid.jsonl" }],
              "sequence_length": 48, "batch_sequences": 2, "accumulation_steps": 2, "steps": 12, "learning_rate": 0.01, "warmup_steps": 2, "log_every_steps": 1, "evaluate_every_steps": 4,
              "checkpoint_every_steps": 5,
            }
            """);
        File.WriteAllLines(Path.Combine(Folder, "train.jsonl"), Conversations(40, 1));
        File.WriteAllLines(Path.Combine(Folder, "valid.jsonl"), Conversations(6, 2));
    }

    public string[] Changes { get; }

    public string Folder => _folder.FullName;

    public string ConfigPath => Path.Combine(Folder, "adapt.json");

    public string Output => Path.Combine(Folder, "out");

    public string Checkpoints => Path.Combine(Output, "checkpoints");

    public string MetricsPath => Path.Combine(Output, "metrics.jsonl");

    public List<string> Notes { get; } = [];

    /// <summary>What the newest checkpoint says about itself: the hash of each of its files.</summary>
    public string LatestHashes => File.ReadAllText(Path.Combine(TrainingCheckpoint.Latest(Checkpoints)!, ".complete"));

    /// <summary>The lines of the log without what a clock says.</summary>
    public IReadOnlyList<string> Metrics => [.. File.ReadLines(MetricsPath).Select(line => System.Text.RegularExpressions.Regex.Replace(line, "\"tokens_per_second\":[^,}]*", ""))];

    public IReadOnlyList<JsonElement> Lines => [.. File.ReadLines(MetricsPath).Select(line => JsonElement.Parse(line))];

    public string Run(string stage = "sft", bool resume = false, Action<StepMetrics>? onStep = null, CancellationToken cancellation = default, params string[] changes) =>
        FineTune.Run(FineTuneOptions.Read(ConfigPath, [.. Changes, .. changes], stage), stage, resume, onStep is null ? null : new Told(onStep), Notes.Add, cancellation);

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>Writes a model with drawn weights, a tokenizer and a chat template.</summary>
    public static void WriteModel(ModelConfig config, string directory)
    {
        random.manual_seed(11);
        using CausalModel model = config is DeepSeekConfig deepSeek ? new DeepSeekModel(deepSeek) : new GroupedQueryModel((GroupedQueryConfig)config);
        using (no_grad())
        {
            foreach (var (name, parameter) in model.named_parameters())
                if (parameter.dim() > 1) parameter.normal_(0, 0.2);
                else if (name.EndsWith("bias", StringComparison.Ordinal)) parameter.normal_(0, 0.05);
        }

        ModelFiles.Save(model, directory, DType.F32);
        string[] special = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>", "<｜User｜>", "<｜Assistant｜>"];
        TokenizerFiles.Write(directory, BpeTrainer.Train([string.Join(' ', Words), string.Join(' ', Words)], new BpeTrainerOptions { VocabSize = 290, SpecialTokens = special }), Template, 64);
        File.WriteAllText(Path.Combine(directory, "generation_config.json"), """{"bos_token_id": 0, "eos_token_id": 1}""");
    }

    private static IEnumerable<string> Conversations(int count, int seed)
    {
        var random = new Random(seed);
        for (var index = 0; index < count; index++)
        {
            var (a, b) = (Words[random.Next(Words.Length)], Words[random.Next(Words.Length)]);
            yield return $$"""{"messages": [{"role": "user", "content": "{{a}} {{b}}"}, {"role": "assistant", "content": "{{b}}"}]}""";
        }
    }

    private sealed class Told(Action<StepMetrics> onStep) : IProgress<StepMetrics>
    {
        public void Report(StepMetrics value) => onStep(value);
    }
}
