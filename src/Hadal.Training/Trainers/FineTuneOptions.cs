using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Hadal.Training.Adapters;
using Hadal.Training.Data.Records;
using Hadal.Training.Trainers.Tasks;

namespace Hadal.Training.Trainers;

/// <summary>Everything an adaptation is made from: <c>sft</c>, <c>lora</c> and <c>dpo</c> read the same keys. In JSON the keys are these names in snake_case;
/// unknown keys are refused.</summary>
public sealed record FineTuneOptions : RunOptions
{
    /// <summary>Creates the defaults: those of TRL's <c>SFTConfig</c>, where it has them.</summary>
    public FineTuneOptions()
    {
        (SequenceLength, LearningRate, WarmupSteps, WeightDecay, Beta2) = (1024, 2e-5, 10, 0, 0.999);
        (EvaluateEverySteps, CheckpointEverySteps) = (100, 100);
    }

    /// <summary>The checkpoint directory to start from. Relative to the config file.</summary>
    public required string Model { get; init; }

    /// <summary>Which of <see cref="FineTunePresets"/> gives the keys that are left out; null for none.</summary>
    public string? Preset { get; init; }

    /// <summary>What is learnt: <c>language</c>, <c>classification</c> or <c>regression</c> of texts, <c>tagging</c> of words, or <c>preference</c> (pairs, by <c>dpo</c>).</summary>
    public string Task { get; init; } = "language";

    /// <summary>Names of the labels of a classification or tagging, in order.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    /// <summary>File with the chat template to write conversations with, which is stored with the result; null for the model's own.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Records to learn from.</summary>
    public required IReadOnlyList<RecordSource> Train { get; init; }

    /// <summary>Records to measure on.</summary>
    public IReadOnlyList<RecordSource> Validation { get; init; } = [];

    /// <summary>Share of the training records that is measured on and never learnt.</summary>
    public double HeldOut { get; init; }

    /// <summary>What to do about records that cannot be learnt from: <c>refuse</c> to begin, or <c>skip</c> them. Either way all are listed in <c>data/bad-records.txt</c>.</summary>
    public string BadRecords { get; init; } = "refuse";

    /// <summary>How often each record is learnt.</summary>
    public int Epochs { get; init; } = 3;

    /// <summary>Optimiser steps; 0: as many as the epochs take.</summary>
    public long Steps { get; init; }

    /// <summary>Whether short examples share a row of <c>sequence_length</c> tokens. None sees its neighbours.</summary>
    public bool Packing { get; init; } = true;

    /// <summary>Whether activations are computed again in the backward pass instead of being kept: a third slower, and several times smaller.</summary>
    public bool RecomputeActivations { get; init; }

    /// <summary>Measurements in a row without a better one after which the run ends; 0 for never. The best weights are kept in any case.</summary>
    public int Patience { get; init; }

    /// <summary>Whether only the head for labels is trained, and everything before it stays as it is.</summary>
    public bool HeadOnly { get; init; }

    /// <summary>The adapter to train; null: all weights are trained.</summary>
    public LoraOptions? Lora { get; init; }

    /// <summary>How preferences are learnt, by <c>dpo</c>.</summary>
    public PreferenceOptions Preference { get; init; } = new();

    /// <summary>Full path of <see cref="Model"/>.</summary>
    [JsonIgnore]
    public string ModelDirectory => Path.GetFullPath(Model, Folder);

    /// <summary>Reads a config file and changes single keys.</summary>
    /// <param name="path">JSON file; comments are allowed.</param>
    /// <param name="changes"><c>key=value</c>, the key with dots for inner objects (<c>lora.r=8</c>), the value JSON or plain text.</param>
    /// <param name="stage"><c>sft</c>, <c>lora</c> or <c>dpo</c>.</param>
    /// <exception cref="TrainingException">The file cannot be read, a key is unknown, or a value is out of its range.</exception>
    public static FineTuneOptions Read(string path, IEnumerable<string> changes, string stage) =>
        OptionsFile.Read<FineTuneOptions>(path, changes, root => FineTunePresets.Complete(root, stage));

    private protected override void Check(Action<bool, string> expect)
    {
        base.Check(expect);
        expect(Task is "language" or "classification" or "regression" or "tagging" or "preference", $"task: expected language, classification, regression, tagging or preference, got '{Task}'");
        expect(Task is not ("classification" or "tagging") || (Labels.Count > 1 && Labels.Distinct().Count() == Labels.Count), "labels: expected two or more different names");
        expect(Task is "classification" or "tagging" || Labels.Count == 0, $"labels: expected none, {Task} has no labels");
        expect(Train.Count > 0, "train: expected at least one source");
        foreach (var (name, sources) in (IEnumerable<(string, IReadOnlyList<RecordSource>)>)[("train", Train), ("validation", Validation)])
            for (var index = 0; index < sources.Count; index++)
                if (LearningTasks.FaultOf(Task, sources[index].Columns) is { } fault) expect(false, $"{name}[{index}].columns.{fault}");
        expect(HeldOut is >= 0 and < 1, $"held_out: expected 0 to below 1, got {HeldOut}");
        expect(BadRecords is "refuse" or "skip", $"bad_records: expected refuse or skip, got '{BadRecords}'");
        expect(Epochs is > 0 and <= 100_000, $"epochs: expected 1 to 100000, got {Epochs}");
        expect(Steps is >= 0 and <= MaxSteps, $"steps: expected 0 to {MaxSteps}, got {Steps}");
        expect(!HeadOnly || (Lora is null && Task is "classification" or "regression" or "tagging"), "head_only: expected false; only a head for labels can be trained by itself, by sft");
        expect(Patience >= 0, $"patience: expected 0 or more, got {Patience}");
        expect(WeightDecay >= 0, $"weight_decay: expected 0 or more, got {WeightDecay}");
        expect((long)BatchSequences * SequenceLength <= MaxTokensAtOnce,
            $"batch_sequences: expected at most {MaxTokensAtOnce} tokens at once, got {BatchSequences} sequences of {SequenceLength}; accumulation_steps makes larger steps");
        Lora?.Check(expect);
        Preference.Check(expect);
    }
}

/// <summary>Sets of keys that belong together.</summary>
/// <remarks><c>classic</c> is the recipe most articles give: rank 16, alpha 32, dropout 0.05 on <c>q_proj</c> and <c>v_proj</c>, learning rate 1e-5; where attention has latents
/// (DeepSeek's families, <c>hadal</c>) these are <c>q_b_proj</c>, which makes the queries, and <c>kv_a_proj_with_mqa</c>, which makes the latent of keys and values. The preset <c>hadal</c> adapts all
/// linear layers with rank 8, at five times the learning rate that was best for all weights. For classification it adapts them with rank 4 and a quarter of the scale, and the table of embeddings with rank 18, at seven
/// times that rate: there the words count, while text is continued worse with it, and spans are found worse. Both were found on <c>hadal-mini</c> by <c>bench/adaptation.cs --search</c>, as the share of numbers trained (2.0 and 2.8 % of it) was. Larger models want a
/// smaller rate. Schulman et al. 2025, "LoRA Without Regret", find a factor of ten over many models.</remarks>
public static class FineTunePresets
{
    private static readonly Dictionary<string, string> Presets = new(StringComparer.Ordinal)
    {
        ["classic"] =
            """
            {
              "learning_rate": 1e-5, "batch_sequences": 16, "epochs": 3, "packing": false, "weight_decay": 0,
              "lora": { "r": 16, "lora_alpha": 32, "lora_dropout": 0.05, "bias": "none", "target_modules": ["q_proj", "v_proj"] }
            }
            """,
        [Ours] = """{ "learning_rate": 5e-3, "lora": { "r": 8, "lora_alpha": 32, "lora_dropout": 0, "bias": "none", "target_modules": "all-linear" } }""",
    };

    private const string Ours = "hadal", OursForClassification =
        """
        {
          "learning_rate": 7e-3,
          "lora": { "r": 4, "lora_alpha": 4, "rank_pattern": { "embed_tokens": 18 }, "alpha_pattern": { "embed_tokens": 72 }, "lora_dropout": 0, "bias": "none", "target_modules": ["all-linear", "embed_tokens"] }
        }
        """;

    /// <summary>Names of all presets.</summary>
    public static IEnumerable<string> Names => Presets.Keys;

    /// <summary>Adds to a config what its preset and the command it is for stand for; keys it has stay.</summary>
    /// <returns>Faults.</returns>
    internal static IEnumerable<string> Complete(JsonObject root, string stage)
    {
        var hasLora = root["lora"] is not null;
        if (root["preset"] is JsonValue value && value.TryGetValue<string>(out var name))
        {
            if (!Presets.TryGetValue(name, out var preset)) return [$"preset: expected {string.Join(" or ", Presets.Keys)}, got '{name}'"];
            if (name == Ours && root["task"]?.ToString() == "classification") preset = OursForClassification;
            var defaults = (JsonObject)JsonNode.Parse(preset)!;

            // Preferences are learnt far slower than answers, by a rate of their own.
            if (stage == "dpo") defaults.Remove("learning_rate");
            AddMissing(root, defaults);
        }

        if (stage == "sft" && root["lora"] is not null) return [hasLora ? "lora: trains an adapter; use hadal-train lora" : $"preset: {root["preset"]} trains an adapter; use hadal-train lora, or leave it out"];
        if (stage == "lora" && root.ContainsKey("lora") && root["lora"] is null) return ["lora: expected an object, got null; all weights are trained by hadal-train sft"];
        if (stage == "lora") AddMissing(root, new JsonObject { ["learning_rate"] = 2e-4, ["lora"] = new JsonObject() });
        if (stage == "dpo") AddMissing(root, new JsonObject { ["learning_rate"] = root["lora"] is null ? 1e-6 : 1e-5, ["packing"] = false, ["task"] = "preference" });
        return (root["task"]?.ToString() == "preference") == (stage == "dpo") ? [] : ["task: preference is learnt by hadal-train dpo, and dpo learns nothing else"];
    }

    private static void AddMissing(JsonObject root, JsonObject defaults)
    {
        foreach (var (key, value) in defaults)
        {
            if (root[key] is JsonObject inner && value is JsonObject innerDefaults) AddMissing(inner, innerDefaults);
            else if (!root.ContainsKey(key)) root[key] = value?.DeepClone();
        }
    }
}
