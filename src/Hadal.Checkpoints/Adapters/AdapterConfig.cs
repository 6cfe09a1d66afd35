using System.Text.Json;
using System.Text.Json.Serialization;
using Hadal.Checkpoints.Config;

namespace Hadal.Checkpoints.Adapters;

/// <summary><c>adapter_config.json</c> of a low-rank adapter, with the keys and defaults of huggingface/peft <c>LoraConfig</c>.</summary>
/// <remarks>The adapted projection is <c>y = W x + b + s · B (A x)</c> with <c>s = lora_alpha / r</c>, or <c>lora_alpha / √r</c> with rslora.</remarks>
public sealed record AdapterConfig
{
    /// <summary>Kind of adapter; <c>LORA</c> is the one that is read.</summary>
    public string PeftType { get; set; } = "LORA";

    /// <summary>What the base model is used for, for example <c>CAUSAL_LM</c>.</summary>
    public string? TaskType { get; set; }

    /// <summary>Model the adapter was trained on, as its author called it.</summary>
    public string? BaseModelNameOrPath { get; set; }

    /// <summary>Rank.</summary>
    public int R { get; set; } = 8;

    /// <summary>Numerator of the scale.</summary>
    public double LoraAlpha { get; set; } = 8;

    /// <summary>Dropout before A; training only.</summary>
    public double LoraDropout { get; set; }

    /// <summary>Names of the adapted projections, a list or a pattern.</summary>
    public JsonElement? TargetModules { get; set; }

    /// <summary>Whether weights are stored [in, out].</summary>
    public bool FanInFanOut { get; set; }

    /// <summary>Which biases were trained too: <c>none</c>, <c>all</c> or <c>lora_only</c>.</summary>
    public string Bias { get; set; } = "none";

    /// <summary>Whether the scale divides by the root of the rank.</summary>
    public bool UseRslora { get; set; }

    /// <summary>Whether rows of the adapted weight have a trained length (DoRA).</summary>
    public bool UseDora { get; set; }

    /// <summary>Whether B has a bias.</summary>
    public bool LoraBias { get; set; }

    /// <summary>Modules that were trained whole; a head for labels, <c>score</c>, is the one that is read.</summary>
    public IReadOnlyList<string>? ModulesToSave { get; set; }

    /// <summary>Name of the file with the names of the labels of <c>score</c>, a list of texts in order. It stands beside <c>adapter_config.json</c>, in which peft would not know them.</summary>
    public const string LabelNamesFile = "label_names.json";

    /// <summary>Names of the labels of <c>score</c> by their number as text. Read from <see cref="LabelNamesFile"/>, or from the config of adapters that have it there; written to the former only.</summary>
    [JsonPropertyName("id2label")]
    public IReadOnlyDictionary<string, string>? Id2label { get; set; }

    /// <summary>Ranks of modules whose name ends in a match of the key.</summary>
    public IReadOnlyDictionary<string, int>? RankPattern { get; set; }

    /// <summary>Values of <see cref="LoraAlpha"/> of modules whose name ends in a match of the key.</summary>
    public IReadOnlyDictionary<string, double>? AlphaPattern { get; set; }

    /// <summary>Keys this program has no property for, as they were read.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? OtherKeys { get; set; }

    /// <summary>The text of <c>adapter_config.json</c>, unknown keys included, without names of labels.</summary>
    public string ToJson() => JsonSerializer.Serialize(this with { Id2label = null }, ConfigJson.Default.AdapterConfig);

    /// <summary>The text of <see cref="LabelNamesFile"/>, or null where there are no labels.</summary>
    public string? LabelNamesToJson() => Id2label is not { } names
        ? null
        : JsonSerializer.Serialize(Enumerable.Range(0, names.Count).Select(id => names[FormattableString.Invariant($"{id}")]).ToArray(), ConfigJson.Default.StringArray);
}
